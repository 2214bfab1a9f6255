// Any bytes as a request: what is taken obeys the promises of http/parser.h, whatever they are.
#include "http/parser.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void assert_inside(struct base_span span, const uint8_t *data, size_t head_bytes) {
  if (!span.data) {
    BASE_ASSERT(span.bytes == 0);
    return;
  }
  BASE_ASSERT(span.data >= data && span.data <= data + head_bytes);
  BASE_ASSERT(span.bytes <= (size_t)(data + head_bytes - span.data));
}

static size_t count_fields(const struct http_request *request, const char *name) {
  size_t count = 0;
  for (size_t i = 0; i < request->header_count; i++) count += base_span_is_nocase(request->headers[i].name, name);
  return count;
}

static void check_request(const struct http_request *request, const uint8_t *data, size_t head_bytes) {
  BASE_ASSERT(head_bytes >= 4 && head_bytes <= HTTP_MAX_HEAD_BYTES);
  BASE_ASSERT(memcmp(data + head_bytes - 4, "\r\n\r\n", 4) == 0);
  assert_inside(request->method_text, data, head_bytes);
  assert_inside(request->target, data, head_bytes);
  assert_inside(request->path, data, head_bytes);
  assert_inside(request->query, data, head_bytes);
  assert_inside(request->host, data, head_bytes);
  assert_inside(request->authority, data, head_bytes);
  BASE_ASSERT(request->authority.bytes >= request->host.bytes);
  BASE_ASSERT(request->path.bytes > 0 && (request->path.data[0] == '/' || base_span_is(request->path, "*")));
  BASE_ASSERT(!memchr(request->path.data, '?', request->path.bytes));
  BASE_ASSERT(request->version_minor <= 9);
  BASE_ASSERT(request->header_count <= HTTP_MAX_HEADERS);
  for (size_t i = 0; i < request->header_count; i++) {
    struct base_span name = request->headers[i].name;
    struct base_span value = request->headers[i].value;
    assert_inside(name, data, head_bytes);
    assert_inside(value, data, head_bytes);
    BASE_ASSERT(name.bytes > 0 && base_span_trim(value).bytes == value.bytes);
    for (size_t k = 0; k < value.bytes; k++) {
      BASE_ASSERT(value.data[k] == '\t' || (value.data[k] >= ' ' && value.data[k] != 0x7f));
    }
  }
}

// What makes request smuggling possible never gets through.
static void check_framing(const struct http_request *request) {
  size_t hosts = count_fields(request, "Host");
  BASE_ASSERT(hosts <= 1 && (hosts == 1 || request->version_minor == 0));
  BASE_ASSERT(!hosts || request->host.bytes > 0);
  BASE_ASSERT(!(request->is_chunked && request->has_content_length));
  BASE_ASSERT(!request->is_chunked || request->version_minor > 0);
  BASE_ASSERT(request->is_chunked == (count_fields(request, "Transfer-Encoding") > 0));
  BASE_ASSERT(request->has_content_length == (count_fields(request, "Content-Length") > 0));
}

// A prefix gives the same answer or asks for more; a longer input changes nothing.
static void check_prefix(const uint8_t *data, size_t prefix, enum http_parse_state whole, size_t whole_head_bytes) {
  static struct http_request request;
  size_t head_bytes;
  uint8_t *copy = malloc(prefix ? prefix : 1);  // its own allocation, so that a read past the prefix is seen
  if (!copy) return;
  memcpy(copy, data, prefix);
  enum http_parse_state state = http_parse_request(base_span_of(copy, prefix), &request, &head_bytes, NULL);
  BASE_ASSERT(state == HTTP_PARSE_MORE || state == whole);
  if (whole == HTTP_PARSE_DONE) BASE_ASSERT((state == HTTP_PARSE_DONE) == (prefix >= whole_head_bytes));
  if (state == HTTP_PARSE_DONE) BASE_ASSERT(head_bytes == whole_head_bytes);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  enum { MAX_PREFIXES = 64 };
  static struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes;
  enum http_parse_state state = http_parse_request(base_span_of(data, bytes), &request, &head_bytes, &fault);
  BASE_ASSERT((state == HTTP_PARSE_FAILED) == (fault.result != BASE_OK));
  if (state == HTTP_PARSE_MORE) BASE_ASSERT(bytes < HTTP_MAX_HEAD_BYTES);
  if (state == HTTP_PARSE_DONE) {
    check_request(&request, data, head_bytes);
    check_framing(&request);
  } else {
    BASE_ASSERT(head_bytes == 0);
  }
  size_t step = bytes / MAX_PREFIXES + 1;
  for (size_t prefix = 0; prefix < bytes; prefix += step) check_prefix(data, prefix, state, head_bytes);
  if (state == HTTP_PARSE_DONE) {
    check_prefix(data, head_bytes - 1, state, head_bytes);
    check_prefix(data, head_bytes, state, head_bytes);
  }
  return 0;
}
