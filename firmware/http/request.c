#include "http/message.h"

#include <string.h>

const struct http_header *http_request_header(const struct http_request *request, const char *name) {
  size_t bytes = strlen(name);
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.bytes == bytes && base_span_is_nocase(header->name, name)) return header;
  }
  return NULL;
}

enum base_result http_request_joined(const struct http_request *request, const char *name, char *out, size_t capacity) {
  static const char separator[] = ", ";
  BASE_ASSERT(capacity > 0);
  size_t used = 0;
  bool is_found = false;
  out[0] = '\0';
  for (size_t i = 0; i < request->header_count; i++) {
    if (!base_span_is_nocase(request->headers[i].name, name)) continue;
    struct base_span value = request->headers[i].value;
    size_t separator_bytes = is_found ? sizeof separator - 1 : 0;
    // Values lie in one request head, so their sizes are far from overflowing.
    if (separator_bytes + value.bytes >= capacity - used) return BASE_TOO_LARGE;
    memcpy(out + used, separator, separator_bytes);
    used += separator_bytes;
    if (!base_span_copy(value, out + used, capacity - used)) return BASE_BAD_INPUT;
    used += value.bytes;
    is_found = true;
  }
  return is_found ? BASE_OK : BASE_NOT_FOUND;
}
