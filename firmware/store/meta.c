#include "store/record.h"

#include <string.h>

static bool is_name(struct base_span name) {
  for (size_t i = 0; i < name.bytes; i++) {
    const uint8_t c = name.data[i];
    if ((c < 'a' || c > 'z') && c != '-') return false;
  }
  return name.bytes > 0;
}

static bool is_value(struct base_span value) {
  enum { FIRST_PRINTABLE = 0x20, DELETE = 0x7f };
  for (size_t i = 0; i < value.bytes; i++) {
    if (value.data[i] < FIRST_PRINTABLE || value.data[i] == DELETE) return false;
  }
  return true;
}

enum base_result store_meta_add(struct base_buffer *meta, const char *name, struct base_span value) {
  if (!is_name(base_span_text(name)) || !is_value(value)) return BASE_BAD_INPUT;
  const size_t bytes_before = meta->bytes;
  enum base_result result = base_buffer_append_text(meta, name);
  if (result == BASE_OK) result = base_buffer_append_text(meta, ": ");
  if (result == BASE_OK) result = base_buffer_append(meta, value.data, value.bytes);
  if (result == BASE_OK) result = base_buffer_append_text(meta, "\n");
  if (result != BASE_OK) meta->bytes = bytes_before;  // half a line is no line
  return result;
}

bool store_meta_next(struct base_span *rest, struct base_span *name, struct base_span *value) {
  if (rest->bytes == 0) return false;
  const uint8_t *end = memchr(rest->data, '\n', rest->bytes);
  if (!end) return false;
  const size_t line_bytes = (size_t)(end - rest->data);
  const uint8_t *colon = memchr(rest->data, ':', line_bytes);
  if (!colon) return false;
  const size_t name_bytes = (size_t)(colon - rest->data);
  if (name_bytes + 2 > line_bytes || colon[1] != ' ') return false;

  const struct base_span found_name = base_span_of(rest->data, name_bytes);
  const struct base_span found_value = base_span_of(colon + 2, line_bytes - name_bytes - 2);
  if (!is_name(found_name) || !is_value(found_value)) return false;
  *name = found_name;
  *value = found_value;
  *rest = base_span_of(end + 1, rest->bytes - line_bytes - 1);
  return true;
}

bool store_meta_get(struct base_span meta, const char *name, struct base_span *value) {
  struct base_span found_name, found_value;
  while (store_meta_next(&meta, &found_name, &found_value)) {
    if (!base_span_is(found_name, name)) continue;
    *value = found_value;
    return true;
  }
  return false;
}
