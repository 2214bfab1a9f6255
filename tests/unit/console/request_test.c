#include "request.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char storage[HTTP_MAX_HEAD_BYTES];

static struct console_raw_request raw_get(void) {
  struct console_raw_request raw = {.method = "GET", .path = "/a", .query = "b=c", .version = "1.1"};
  raw.headers[0].name = "Host";
  raw.headers[0].value = "box:8443";
  raw.header_count = 1;
  return raw;
}

static void add(struct console_raw_request *raw, const char *name, const char *value) {
  raw->headers[raw->header_count].name = name;
  raw->headers[raw->header_count++].value = value;
}

static enum base_result build(const struct console_raw_request *raw, struct http_request *out) {
  struct base_fault fault = {0};
  return console_request_build(raw, storage, out, &fault);
}

static void gives_what_the_strict_parser_sees(void **state) {
  (void)state;
  struct console_raw_request raw = raw_get();
  struct http_request request;
  assert_int_equal(build(&raw, &request), BASE_OK);
  assert_int_equal(request.method, HTTP_GET);
  assert_true(base_span_is(request.path, "/a"));
  assert_true(base_span_is(request.query, "b=c"));
  assert_true(base_span_is(request.host, "box"));
  assert_int_equal(strlen(request.id), HTTP_REQUEST_ID_CHARS);
}

static void refuses_what_a_lenient_server_lets_pass(void **state) {
  (void)state;
  static const struct {
    const char *name, *value;
  } table[] = {
      {"Host", "second"},
      {"Content-Length", "5abc"},
      {"Content-Length", "-1"},
      {"Transfer-Encoding", "gzip"},
      {"X", "a\r\n\r\nGET / HTTP/1.1"},
      {"X", "a\nb"},
      {"bad name", "a"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct console_raw_request raw = raw_get();
    struct http_request request;
    add(&raw, table[i].name, table[i].value);
    assert_int_not_equal(build(&raw, &request), BASE_OK);
  }
}

static void refuses_two_ways_of_saying_the_length(void **state) {
  (void)state;
  struct console_raw_request raw = raw_get();
  struct http_request request;
  add(&raw, "Content-Length", "5");
  add(&raw, "Transfer-Encoding", "chunked");
  assert_int_equal(build(&raw, &request), BASE_BAD_INPUT);
}

static void refuses_a_request_without_host(void **state) {
  (void)state;
  struct console_raw_request raw = raw_get();
  struct http_request request;
  raw.header_count = 0;
  assert_int_equal(build(&raw, &request), BASE_BAD_INPUT);
}

static void refuses_a_head_that_is_too_large(void **state) {
  (void)state;
  static char value[HTTP_MAX_HEAD_BYTES];
  memset(value, 'a', sizeof value - 1);
  struct console_raw_request raw = raw_get();
  struct http_request request;
  add(&raw, "X", value);
  assert_int_equal(build(&raw, &request), BASE_HEADERS_TOO_LARGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_what_the_strict_parser_sees),
      cmocka_unit_test(refuses_what_a_lenient_server_lets_pass),
      cmocka_unit_test(refuses_two_ways_of_saying_the_length),
      cmocka_unit_test(refuses_a_request_without_host),
      cmocka_unit_test(refuses_a_head_that_is_too_large),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
