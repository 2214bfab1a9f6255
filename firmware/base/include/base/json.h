// JSON: a streaming writer into a buffer, and a bounded reader (cJSON behind it; its only home).
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

// Writer. Commas and quotes are its business; the first error sticks in `result` and later calls do nothing.
struct base_json_writer {
  struct base_buffer *out;
  enum base_result result;
  bool needs_comma;
};

void base_json_begin(struct base_json_writer *writer, struct base_buffer *out);
void base_json_object(struct base_json_writer *writer,
                      const char *key);  // opens; key NULL inside arrays and at the top
void base_json_object_end(struct base_json_writer *writer);
void base_json_array(struct base_json_writer *writer, const char *key);
void base_json_array_end(struct base_json_writer *writer);
// Text is escaped; bytes that are not UTF-8 become U+FFFD.
void base_json_text(struct base_json_writer *writer, const char *key, struct base_span text);
void base_json_string(struct base_json_writer *writer, const char *key, const char *text);  // NULL text writes null
void base_json_integer(struct base_json_writer *writer, const char *key, int64_t value);
void base_json_number(struct base_json_writer *writer, const char *key, double value);
void base_json_bool(struct base_json_writer *writer, const char *key, bool value);
// `json` is one whole JSON value, which the caller wrote or has parsed.
void base_json_raw(struct base_json_writer *writer, const char *key, struct base_span json);

// Reader: a parsed tree.
enum {
  BASE_JSON_MAX_BYTES = 1024 * 1024,
  BASE_JSON_MAX_DEPTH = 64,
  BASE_JSON_MAX_VALUES = 65536,
};

struct base_json;

// BASE_TOO_LARGE over the size limits, BASE_BAD_INPUT for everything that is not JSON or too deep. Strings must be
// UTF-8 without NUL, so that they arrive whole as C strings. Of a repeated key, base_json_get finds the first.
enum base_result base_json_parse(struct base_span text, struct base_json **out, struct base_fault *fault) BASE_CHECKED;
void base_json_destroy(struct base_json **json);
// The root value. Values are borrowed from the tree; every getter accepts NULL and says "absent".
struct base_json_value;
const struct base_json_value *base_json_root(const struct base_json *json);
const struct base_json_value *base_json_get(const struct base_json_value *object, const char *key);
size_t base_json_length(const struct base_json_value *array);  // 0 for what is not an array
const struct base_json_value *base_json_at(const struct base_json_value *array, size_t index);
// The name of an object's member, repeated ones too; NULL behind the last one and for what is not an object.
const char *base_json_key_at(const struct base_json_value *object, size_t index);
const char *base_json_as_string(const struct base_json_value *value);  // NULL for what is not a string
bool base_json_as_integer(const struct base_json_value *value, int64_t *out) BASE_CHECKED;
bool base_json_as_number(const struct base_json_value *value, double *out) BASE_CHECKED;
bool base_json_is_true(const struct base_json_value *value);
bool base_json_is_object(const struct base_json_value *value);
bool base_json_is_array(const struct base_json_value *value);

#endif
