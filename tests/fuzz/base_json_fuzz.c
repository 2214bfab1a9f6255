// Any bytes: the reader refuses them, or gives a tree whose strings the writer can write again as JSON.
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void copy_value(struct base_json_writer *writer, const struct base_json_value *value) {
  int64_t integer;
  if (base_json_is_array(value)) {
    base_json_array(writer, NULL);
    const size_t length = base_json_length(value);
    for (size_t i = 0; i < length; i++) copy_value(writer, base_json_at(value, i));
    base_json_array_end(writer);
  } else if (base_json_as_integer(value, &integer)) {
    base_json_integer(writer, NULL, integer);
  } else {
    base_json_string(writer, NULL, base_json_as_string(value));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  enum { OUT_LIMIT_BYTES = 8 * BASE_JSON_MAX_BYTES };
  struct base_json *json;
  struct base_fault fault = {0};
  if (base_json_parse(base_span_of(data, bytes), &json, &fault) != BASE_OK) return 0;

  struct base_buffer out;
  struct base_json_writer writer;
  base_buffer_init(&out, OUT_LIMIT_BYTES);
  base_json_begin(&writer, &out);
  copy_value(&writer, base_json_root(json));
  BASE_ASSERT(writer.result == BASE_OK);
  base_json_destroy(&json);
  BASE_ASSERT(base_json_parse(base_buffer_span(&out), &json, &fault) == BASE_OK);
  base_json_destroy(&json);
  base_buffer_finish(&out);
  return 0;
}
