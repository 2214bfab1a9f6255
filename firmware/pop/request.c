#include "request.h"

#include <string.h>

static bool is_kept(const struct http_header *header) {
  static const char *const names[] = {"if-match", "if-none-match", "if-modified-since",   "if-unmodified-since",
                                      "if-range", "range",         "want-content-digest", "want-repr-digest"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (base_span_is_nocase(header->name, names[i])) return true;
  }
  return false;
}

size_t pop_request_bytes(const struct http_request *request) {
  size_t bytes =
      request->path.bytes + request->authority.bytes;  // of spans within one request head: far from overflowing
  for (size_t i = 0; i < request->header_count; i++) {
    if (is_kept(&request->headers[i])) bytes += request->headers[i].name.bytes + request->headers[i].value.bytes;
  }
  return bytes;
}

static struct base_span store_span(struct base_span span, uint8_t **at) {
  uint8_t *start = *at;
  if (span.bytes) memcpy(start, span.data, span.bytes);
  *at += span.bytes;
  return base_span_of(start, span.bytes);
}

void pop_request_copy(const struct http_request *request, struct http_request *out, uint8_t *storage) {
  out->method = request->method;
  out->is_secure = request->is_secure;
  memcpy(out->client, request->client, sizeof out->client);
  memcpy(out->id, request->id, sizeof out->id);
  uint8_t *at = storage;
  out->path = store_span(request->path, &at);
  out->authority = store_span(request->authority, &at);
  out->header_count = 0;
  for (size_t i = 0; i < request->header_count; i++) {
    if (!is_kept(&request->headers[i])) continue;
    struct http_header *kept = &out->headers[out->header_count++];
    kept->name = store_span(request->headers[i].name, &at);
    kept->value = store_span(request->headers[i].value, &at);
  }
}
