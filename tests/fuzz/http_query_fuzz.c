// Any bytes as a query string, and as an Accept field.
#include "http/negotiate.h"
#include "http/query.h"

#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_span(const struct http_query *query, struct base_span span, const char *allowed) {
  const uint8_t *storage = (const uint8_t *)query->storage;
  BASE_ASSERT(span.data >= storage && span.data <= storage + HTTP_MAX_QUERY_BYTES);
  BASE_ASSERT(span.bytes <= (size_t)(storage + HTTP_MAX_QUERY_BYTES - span.data));
  for (size_t i = 0; i < span.bytes; i++) BASE_ASSERT(span.data[i] != '\0' && strchr(allowed, span.data[i]));
}

#define NAME_CHARS "0123456789abcdefghijklmnopqrstuvwxyz_-"
#define VALUE_CHARS NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ.,"

static void check_query(const struct http_query *query, struct base_span input) {
  BASE_ASSERT(query->count <= HTTP_MAX_QUERY_PAIRS);
  size_t decoded = 0;
  for (size_t i = 0; i < query->count; i++) {
    check_span(query, query->pairs[i].name, NAME_CHARS);
    check_span(query, query->pairs[i].value, VALUE_CHARS);
    BASE_ASSERT(query->pairs[i].name.bytes > 0);
    decoded += query->pairs[i].name.bytes + query->pairs[i].value.bytes;
  }
  // A '=' in each pair and a '&' between two were dropped, and escapes only shrink.
  BASE_ASSERT(query->count == 0 ? input.bytes == 0 : decoded + 2 * query->count - 1 <= input.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct http_query query;
  struct base_span input = base_span_of(data, bytes);
  struct base_fault fault = {0};
  enum base_result result = http_query_parse(input, &query, &fault);
  BASE_ASSERT(result == fault.result);
  if (result == BASE_OK) {
    check_query(&query, input);
  } else {
    BASE_ASSERT(result == BASE_BAD_INPUT && fault.subject[0] != '\0');
    for (const char *at = fault.subject; *at; at++) BASE_ASSERT(*at > ' ' && *at < 0x7f);
  }

  bool is_exact;
  int quality = http_accept_quality(input, "image/webp", &is_exact);
  BASE_ASSERT(quality >= 0 && quality <= 1000);
  return 0;
}
