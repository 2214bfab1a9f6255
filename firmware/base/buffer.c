#include "base/span.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { FIRST_CAPACITY_BYTES = 256 };

void base_buffer_init(struct base_buffer *buffer, size_t limit_bytes) {
  *buffer = (struct base_buffer){.limit = limit_bytes};
}

void base_buffer_finish(struct base_buffer *buffer) {
  free(buffer->data);
  *buffer = (struct base_buffer){.limit = buffer->limit};
}

// The capacity to grow to: doubled, so that appending stays linear, but never past the limit.
static size_t grown_capacity(const struct base_buffer *buffer, size_t needed) {
  size_t capacity = buffer->capacity < FIRST_CAPACITY_BYTES ? FIRST_CAPACITY_BYTES : buffer->capacity;
  if (capacity < needed && !base_mul_size(capacity, 2, &capacity)) capacity = needed;
  if (capacity < needed) capacity = needed;
  return capacity > buffer->limit ? buffer->limit : capacity;
}

enum base_result base_buffer_reserve(struct base_buffer *buffer, size_t more) {
  size_t needed;
  if (!base_add_size(buffer->bytes, more, &needed) || needed > buffer->limit) return BASE_TOO_LARGE;
  if (needed <= buffer->capacity) return BASE_OK;
  const size_t capacity = grown_capacity(buffer, needed);
  size_t allocated;
  if (!base_add_size(capacity, 1, &allocated)) return BASE_NO_MEMORY;  // one more for printf's terminator
  uint8_t *data = realloc(buffer->data, allocated);
  if (!data) return BASE_NO_MEMORY;
  buffer->data = data;
  buffer->capacity = capacity;
  return BASE_OK;
}

enum base_result base_buffer_append(struct base_buffer *buffer, const void *data, size_t bytes) {
  const enum base_result result = base_buffer_reserve(buffer, bytes);
  if (result != BASE_OK || bytes == 0) return result;
  memcpy(buffer->data + buffer->bytes, data, bytes);
  buffer->bytes += bytes;
  return BASE_OK;
}

enum base_result base_buffer_append_text(struct base_buffer *buffer, const char *text) {
  return base_buffer_append(buffer, text, strlen(text));
}

enum base_result base_buffer_printf(struct base_buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) return BASE_INTERNAL;
  if (length == 0) return BASE_OK;

  const enum base_result result = base_buffer_reserve(buffer, (size_t)length);
  if (result != BASE_OK) return result;
  va_start(arguments, format);
  vsnprintf((char *)buffer->data + buffer->bytes, (size_t)length + 1, format, arguments);
  va_end(arguments);
  buffer->bytes += (size_t)length;
  return BASE_OK;
}

void base_buffer_consume(struct base_buffer *buffer, size_t bytes) {
  BASE_ASSERT(bytes <= buffer->bytes);
  if (bytes == 0) return;
  buffer->bytes -= bytes;
  memmove(buffer->data, buffer->data + bytes, buffer->bytes);
}

struct base_span base_buffer_span(const struct base_buffer *buffer) {
  return base_span_of(buffer->data, buffer->bytes);
}
