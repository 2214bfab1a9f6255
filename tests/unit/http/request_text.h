// Requests for tests, made by the real parser from text.
#ifndef HTTP_TEST_REQUEST_TEXT_H
#define HTTP_TEST_REQUEST_TEXT_H

#include "http/parser.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

// `fields` is "" or lines that each end in CRLF. The request borrows from a static buffer: one at a time.
static inline struct http_request request_of(const char *method, const char *fields) {
  static char text[HTTP_MAX_HEAD_BYTES];
  int bytes = snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
  assert_true(bytes > 0 && (size_t)bytes < sizeof text);
  struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes;
  assert_int_equal(http_parse_request(base_span_text(text), &request, &head_bytes, &fault), HTTP_PARSE_DONE);
  return request;
}

static inline void assert_span(struct base_span span, const char *text) {
  if (!base_span_is(span, text))
    fail_msg("got \"%.*s\", wanted \"%s\"", (int)span.bytes, (const char *)span.data, text);
}

#endif
