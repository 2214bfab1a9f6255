#include "http/pseudo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct example {
  const char *what;
  const char *method, *scheme, *authority, *path;
  const char *fields[6];  // name, value ...
  enum base_result result;
};

static enum base_result finish(const struct example *example, struct http_request *request, struct base_fault *fault) {
  const struct http_pseudo pseudo = {base_span_text(example->method), base_span_text(example->scheme),
                                     base_span_text(example->authority), base_span_text(example->path)};
  request->header_count = 0;
  for (size_t i = 0; i < 6 && example->fields[i]; i += 2) {
    request->headers[request->header_count++] =
        (struct http_header){base_span_text(example->fields[i]), base_span_text(example->fields[i + 1])};
  }
  *fault = (struct base_fault){0};
  return http_pseudo_finish_request(&pseudo, request, fault);
}

static void fills_a_request_as_the_parser_of_http1_does(void **state) {
  (void)state;
  static struct http_request request;
  struct base_fault fault;
  const struct example example = {
      "", "GET", "https", "a.example:8443", "/i/x?w=1", {"accept", " image/*\t", "content-length", "0"}, BASE_OK};
  assert_int_equal(finish(&example, &request, &fault), BASE_OK);
  assert_int_equal(request.method, HTTP_GET);
  assert_true(base_span_is(request.method_text, "GET"));
  assert_true(base_span_is(request.target, "/i/x?w=1"));
  assert_true(base_span_is(request.path, "/i/x"));
  assert_true(base_span_is(request.query, "w=1"));
  assert_true(base_span_is(request.host, "a.example"));
  assert_true(base_span_is(request.authority, "a.example:8443"));
  assert_true(base_span_is(http_request_header(&request, "Accept")->value, "image/*"));
  assert_int_equal(request.version_minor, 1);
  assert_true(request.keep_alive && request.has_content_length && !request.is_chunked);
  const struct example without = {"", "GET", "https", NULL, "/", {"host", "b.example:1"}, BASE_OK};
  assert_int_equal(finish(&without, &request, &fault), BASE_OK);
  assert_true(base_span_is(request.host, "b.example"));
  assert_true(base_span_is(request.authority, "b.example:1"));
}

static void takes_and_refuses_what_http1_does(void **state) {
  (void)state;
  static char long_path[8194];
  memset(long_path, 'a', sizeof long_path - 1);
  long_path[0] = '/';
  static struct http_request request;
  const struct example examples[] = {
      {"plain", "GET", "http", "h", "/", {NULL}, BASE_OK},
      {"host alone", "GET", "http", NULL, "/", {"host", "h"}, BASE_OK},
      {"the same host twice", "GET", "http", "h:80", "/", {"host", "H:80"}, BASE_OK},
      {"asterisk", "OPTIONS", "http", "h", "*", {NULL}, BASE_OK},
      {"trailers", "GET", "http", "h", "/", {"te", "trailers"}, BASE_OK},
      {"equal lengths", "POST", "http", "h", "/", {"content-length", "5, 5"}, BASE_OK},
      {"no method", NULL, "http", "h", "/", {NULL}, BASE_BAD_INPUT},
      {"method of blanks", "GET /", "http", "h", "/", {NULL}, BASE_BAD_INPUT},
      {"no scheme", "GET", NULL, "h", "/", {NULL}, BASE_BAD_INPUT},
      {"odd scheme", "GET", "gopher", "h", "/", {NULL}, BASE_BAD_INPUT},
      {"no path", "GET", "http", "h", NULL, {NULL}, BASE_BAD_INPUT},
      {"empty path", "GET", "http", "h", "", {NULL}, BASE_BAD_INPUT},
      {"asterisk for GET", "GET", "http", "h", "*", {NULL}, BASE_BAD_INPUT},
      {"absolute form", "GET", "http", "h", "http://h/", {NULL}, BASE_BAD_INPUT},
      {"fragment", "GET", "http", "h", "/#f", {NULL}, BASE_BAD_INPUT},
      {"blank in the path", "GET", "http", "h", "/a b", {NULL}, BASE_BAD_INPUT},
      {"long path", "GET", "http", "h", long_path, {NULL}, BASE_HEADERS_TOO_LARGE},
      {"no host", "GET", "http", NULL, "/", {NULL}, BASE_BAD_INPUT},
      {"empty authority", "GET", "http", "", "/", {NULL}, BASE_BAD_INPUT},
      {"user in the authority", "GET", "http", "u@h", "/", {NULL}, BASE_BAD_INPUT},
      {"different hosts", "GET", "http", "a", "/", {"host", "b"}, BASE_BAD_INPUT},
      {"two Host fields", "GET", "http", NULL, "/", {"host", "a", "host", "a"}, BASE_BAD_INPUT},
      {"different lengths", "POST", "http", "h", "/", {"content-length", "5", "content-length", "6"}, BASE_BAD_INPUT},
      {"length of letters", "POST", "http", "h", "/", {"content-length", "x"}, BASE_BAD_INPUT},
      {"vast length", "POST", "http", "h", "/", {"content-length", "9223372036854775808"}, BASE_TOO_LARGE},
      {"upper case", "GET", "http", "h", "/", {"Accept", "*/*"}, BASE_BAD_INPUT},
      {"no token", "GET", "http", "h", "/", {"a b", "x"}, BASE_BAD_INPUT},
      {"pseudo among the fields", "GET", "http", "h", "/", {":path", "/x"}, BASE_BAD_INPUT},
      {"line break in a value", "GET", "http", "h", "/", {"x", "a\r\nb: c"}, BASE_BAD_INPUT},
      {"connection", "GET", "http", "h", "/", {"connection", "close"}, BASE_BAD_INPUT},
      {"keep-alive", "GET", "http", "h", "/", {"keep-alive", "1"}, BASE_BAD_INPUT},
      {"proxy-connection", "GET", "http", "h", "/", {"proxy-connection", "x"}, BASE_BAD_INPUT},
      {"upgrade", "GET", "http", "h", "/", {"upgrade", "h2c"}, BASE_BAD_INPUT},
      {"chunked", "POST", "http", "h", "/", {"transfer-encoding", "chunked"}, BASE_BAD_INPUT},
      {"te", "GET", "http", "h", "/", {"te", "gzip"}, BASE_BAD_INPUT},
      {"connect", "CONNECT", NULL, "h:443", NULL, {NULL}, BASE_NOT_IMPLEMENTED},
  };
  for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
    struct base_fault fault;
    enum base_result result = finish(&examples[i], &request, &fault);
    if (result != examples[i].result) {
      fail_msg("%s: %s, not %s", examples[i].what, base_result_name(result), base_result_name(examples[i].result));
    }
    assert_int_equal(fault.result, result);
    if (result == BASE_OK) assert_true(request.host.bytes > 0 && request.path.bytes > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fills_a_request_as_the_parser_of_http1_does),
      cmocka_unit_test(takes_and_refuses_what_http1_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
