#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/utf8.h"

struct base_json {
  cJSON *root;
};

// What cJSON is too kind about is refused before it sees the text: depth, number of values, bytes that are not UTF-8,
// bare control characters, and NUL characters, which would cut its C strings short.
struct scan {
  struct base_span rest;
  size_t depth;
  size_t values;
  struct base_fault *fault;
};

static enum base_result scan_escape(struct scan *scan) {
  if (base_span_starts_with(scan->rest, "\\u0000")) {
    return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a string has a NUL character");
  }
  scan->rest = base_span_slice(scan->rest, 2, scan->rest.bytes);
  return BASE_OK;
}

// From behind the opening quote to behind the closing one.
static enum base_result scan_string(struct scan *scan) {
  while (scan->rest.bytes > 0) {
    const uint8_t c = scan->rest.data[0];
    if (c == '\\') {
      const enum base_result result = scan_escape(scan);
      if (result != BASE_OK) return result;
      continue;
    }
    if (c < 0x20) return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a string has a bare control character");
    const size_t bytes = base_utf8_char_bytes(scan->rest);
    if (bytes == 0) return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a string is not UTF-8");
    scan->rest = base_span_slice(scan->rest, bytes, scan->rest.bytes);
    if (c == '"') return BASE_OK;
  }
  return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a string does not end");
}

static enum base_result scan_structure(struct scan *scan, uint8_t c) {
  if (c == '[' || c == '{') {
    scan->values++;
    scan->depth++;
  } else if (c == ',') {
    scan->values++;
  } else if (c == ']' || c == '}') {
    if (scan->depth == 0) return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a bracket closes nothing");
    scan->depth--;
  } else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c >= 0x7f) {
    return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "a foreign byte 0x%02x", c);
  }
  if (scan->depth > BASE_JSON_MAX_DEPTH) {
    return BASE_FAIL(scan->fault, BASE_BAD_INPUT, "json", "nested over %d levels", BASE_JSON_MAX_DEPTH);
  }
  if (scan->values > BASE_JSON_MAX_VALUES) {
    return BASE_FAIL(scan->fault, BASE_TOO_LARGE, "json", "over %d values", BASE_JSON_MAX_VALUES);
  }
  return BASE_OK;
}

static enum base_result scan_text(struct base_span text, struct base_fault *fault) {
  struct scan scan = {.rest = text, .fault = fault};
  while (scan.rest.bytes > 0) {
    const uint8_t c = scan.rest.data[0];
    scan.rest = base_span_slice(scan.rest, 1, scan.rest.bytes);
    const enum base_result result = c == '"' ? scan_string(&scan) : scan_structure(&scan, c);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result base_json_parse(struct base_span text, struct base_json **out, struct base_fault *fault) {
  *out = NULL;
  if (text.bytes > BASE_JSON_MAX_BYTES) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "json", "the document is over %d bytes", BASE_JSON_MAX_BYTES);
  }
  enum base_result result = scan_text(text, fault);
  if (result != BASE_OK) return result;

  char *copy = malloc(text.bytes + 1);
  struct base_json *json = calloc(1, sizeof *json);
  if (!copy || !json) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "json", "no memory for the document");
    goto out;
  }
  if (!base_span_copy(text, copy, text.bytes + 1)) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "json", "the document has a NUL character");
    goto out;
  }
  json->root = cJSON_ParseWithOpts(copy, NULL, true);
  if (!json->root) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "json", "the document is not JSON");
    goto out;
  }
  *out = json;
  json = NULL;
out:
  free(json);
  free(copy);
  return result;
}

void base_json_destroy(struct base_json **json) {
  if (!*json) return;
  cJSON_Delete((*json)->root);
  free(*json);
  *json = NULL;
}

// A value is cJSON's own node under our name, so that nobody else needs its header.
static const cJSON *node_of(const struct base_json_value *value) { return (const cJSON *)value; }
static const struct base_json_value *value_of(const cJSON *node) { return (const struct base_json_value *)node; }

const struct base_json_value *base_json_root(const struct base_json *json) {
  return json ? value_of(json->root) : NULL;
}

const struct base_json_value *base_json_get(const struct base_json_value *object, const char *key) {
  if (!base_json_is_object(object)) return NULL;
  return value_of(cJSON_GetObjectItemCaseSensitive(node_of(object), key));
}

size_t base_json_length(const struct base_json_value *array) {
  return base_json_is_array(array) ? (size_t)cJSON_GetArraySize(node_of(array)) : 0;
}

const struct base_json_value *base_json_at(const struct base_json_value *array, size_t index) {
  if (!base_json_is_array(array) || index > BASE_JSON_MAX_VALUES) return NULL;
  return value_of(cJSON_GetArrayItem(node_of(array), (int)index));
}

const char *base_json_key_at(const struct base_json_value *object, size_t index) {
  if (!base_json_is_object(object) || index > BASE_JSON_MAX_VALUES) return NULL;
  const cJSON *member = cJSON_GetArrayItem(node_of(object), (int)index);  // of an object too: it is a list inside
  return member ? member->string : NULL;
}

const char *base_json_as_string(const struct base_json_value *value) {
  return cJSON_IsString(node_of(value)) ? node_of(value)->valuestring : NULL;
}

bool base_json_as_integer(const struct base_json_value *value, int64_t *out) {
  const double max_exact = 9007199254740991.0;  // 2^53 - 1: beyond it a double no longer names one integer
  if (!cJSON_IsNumber(node_of(value))) return false;
  const double number = node_of(value)->valuedouble;
  if (!(fabs(number) <= max_exact) || number != trunc(number)) return false;
  *out = (int64_t)number;
  return true;
}

bool base_json_as_number(const struct base_json_value *value, double *out) {
  if (!cJSON_IsNumber(node_of(value))) return false;
  *out = node_of(value)->valuedouble;
  return true;
}

bool base_json_is_true(const struct base_json_value *value) { return cJSON_IsTrue(node_of(value)); }
bool base_json_is_object(const struct base_json_value *value) { return cJSON_IsObject(node_of(value)); }
bool base_json_is_array(const struct base_json_value *value) { return cJSON_IsArray(node_of(value)); }
