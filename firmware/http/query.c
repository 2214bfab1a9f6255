#include "http/query.h"

#include <string.h>

#include "base/text.h"

static bool is_name_char(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

static bool is_value_char(uint8_t byte) {
  return is_name_char(byte) || (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == ',';
}

// Decodes `encoded` behind the `*used` bytes of storage, accepting only decoded bytes that `is_allowed` knows.
static bool decode(struct base_span encoded, bool (*is_allowed)(uint8_t byte), struct http_query *query, size_t *used,
                   struct base_span *out) {
  size_t start = *used;
  for (size_t i = 0; i < encoded.bytes; i++) {
    uint8_t byte = encoded.data[i];
    if (byte == '%') {
      if (encoded.bytes - i < 3) return false;
      int high = base_hex_digit(encoded.data[i + 1]);
      int low = base_hex_digit(encoded.data[i + 2]);
      if (high < 0 || low < 0) return false;
      byte = (uint8_t)(high << 4 | low);
      i += 2;
    }
    if (!is_allowed(byte)) return false;
    query->storage[(*used)++] = (char)byte;  // decoding never grows, and the whole query fits: see below
  }
  *out = base_span_of(query->storage + start, *used - start);
  return true;
}

// The name as it came, cut, and with everything odd made visible: it goes into a log and a reply.
static void copy_subject(struct base_span name, char out[BASE_FAULT_SUBJECT_BYTES]) {
  size_t bytes = name.bytes < BASE_FAULT_SUBJECT_BYTES ? name.bytes : BASE_FAULT_SUBJECT_BYTES - 1;
  for (size_t i = 0; i < bytes; i++) {
    bool is_visible = name.data[i] > ' ' && name.data[i] < 0x7f;
    out[i] = is_visible ? (char)name.data[i] : '?';
  }
  out[bytes] = '\0';
}

static enum base_result parse_pair(struct base_span pair, struct http_query *query, size_t *used,
                                   struct base_fault *fault) {
  char subject[BASE_FAULT_SUBJECT_BYTES];
  struct base_span value = pair;
  struct base_span name = base_span_cut(&value, '=');
  copy_subject(name, subject);
  if (name.bytes == 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "An option has no name");
  if (!value.data) return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "Option %s has no value", subject);
  if (query->count == HTTP_MAX_QUERY_PAIRS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "There are more than %d options", HTTP_MAX_QUERY_PAIRS);
  }
  if (!decode(name, is_name_char, query, used, &query->pairs[query->count].name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "Option %s has a name with a byte outside [a-z0-9_-]", subject);
  }
  if (!decode(value, is_value_char, query, used, &query->pairs[query->count].value)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "Option %s has a value with a byte outside [A-Za-z0-9._,-]",
                     subject);
  }
  query->count++;
  return BASE_OK;
}

enum base_result http_query_parse(struct base_span query, struct http_query *out, struct base_fault *fault) {
  out->count = 0;
  if (query.bytes > HTTP_MAX_QUERY_BYTES) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "The query is longer than %d bytes", HTTP_MAX_QUERY_BYTES);
  }
  if (query.bytes == 0) return BASE_OK;
  size_t used = 0;
  do {
    enum base_result result = parse_pair(base_span_cut(&query, '&'), out, &used, fault);
    if (result != BASE_OK) return result;
  } while (query.data);
  return BASE_OK;
}
