#include "http/chunked.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Decodes `text`, given in pieces of `step` bytes; the body goes to `out`. *rest is what is left behind the end.
static enum http_chunked_state decode(const char *text, size_t bytes, size_t step, char *out, size_t *rest) {
  struct http_chunked chunked = {0};
  struct base_fault fault = {0};
  size_t written = 0;
  for (size_t at = 0; at < bytes; at += step) {
    struct base_span input = base_span_slice(base_span_of(text, bytes), at, step), piece;
    enum http_chunked_state state;
    while ((state = http_chunked_next(&chunked, &input, &piece, &fault)) == HTTP_CHUNKED_DATA) {
      assert_int_not_equal(piece.bytes, 0);
      memcpy(out + written, piece.data, piece.bytes);
      written += piece.bytes;
    }
    out[written] = '\0';
    if (state == HTTP_CHUNKED_MORE) continue;
    assert_int_equal(state == HTTP_CHUNKED_FAILED, fault.result != BASE_OK);
    *rest = input.bytes + bytes - (at + step < bytes ? at + step : bytes);
    return state;
  }
  out[written] = '\0';
  return HTTP_CHUNKED_MORE;
}

static void expect(const char *text, enum http_chunked_state wanted, const char *body, size_t wanted_rest) {
  const size_t bytes = strlen(text);
  for (size_t step = 1; step <= bytes; step++) {
    char out[4096];
    size_t rest = 0;
    const enum http_chunked_state state = decode(text, bytes, step, out, &rest);
    if (state != wanted) fail_msg("%s in steps of %zu: %d instead of %d", text, step, state, wanted);
    if (body) assert_string_equal(out, body);
    if (state == HTTP_CHUNKED_DONE) assert_int_equal(rest, wanted_rest);
  }
}

static void gives_the_body_however_the_bytes_come(void **state) {
  (void)state;
  expect("5\r\nhello\r\n0\r\n\r\n", HTTP_CHUNKED_DONE, "hello", 0);
  expect("1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", HTTP_CHUNKED_DONE, "hello", 0);
  expect("00a\r\n0123456789\r\n0\r\n\r\n", HTTP_CHUNKED_DONE, "0123456789", 0);
  expect("A\r\n0123456789\r\n0\r\n\r\n", HTTP_CHUNKED_DONE, "0123456789", 0);
  expect("0\r\n\r\n", HTTP_CHUNKED_DONE, "", 0);
}

static void leaves_what_follows_to_the_next_request(void **state) {
  (void)state;
  expect("2\r\nok\r\n0\r\n\r\nGET / HTTP/1.1\r\n", HTTP_CHUNKED_DONE, "ok", strlen("GET / HTTP/1.1\r\n"));
}

static void passes_extensions_and_trailers_by(void **state) {
  (void)state;
  expect("2;a=b;c=\"d e\"\r\nok\r\n0;last\r\nExpires: never\r\nX:\r\n\r\n", HTTP_CHUNKED_DONE, "ok", 0);
}

static void waits_for_the_end(void **state) {
  (void)state;
  static const char *const texts[] = {"5",
                                      "5\r",
                                      "5\r\n",
                                      "5\r\nhell",
                                      "5\r\nhello",
                                      "5\r\nhello\r\n",
                                      "5\r\nhello\r\n0\r\n",
                                      "5\r\nhello\r\n0\r\n\r",
                                      "5\r\nhello\r\n0\r\nX: y\r\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect(texts[i], HTTP_CHUNKED_MORE, NULL, 0);
}

static void refuses_what_could_be_read_in_two_ways(void **state) {
  (void)state;
  static const char *const texts[] = {"\r\n",
                                      "g\r\n",
                                      "-1\r\n",
                                      "+1\r\na",
                                      "0x5\r\nhello",
                                      " 5\r\nhello",
                                      "5 \r\nhello",
                                      "5\nhello\n",
                                      "5\rhello",
                                      "5\r\nhelloo\r\n",
                                      "5\r\nhello\n0\r\n\r\n",
                                      "5\r\nhello\rx",
                                      "5;a\nb\r\nhello",
                                      "5;a\x01\r\nhello",
                                      "0\r\n bad\r\n\r\n",
                                      "0\r\nbad\r\n\r\n",
                                      "0\r\nbad : x\r\n\r\n",
                                      "0\r\n: x\r\n\r\n",
                                      "0\r\nX: a\nb\r\n\r\n",
                                      "0\r\n\rx",
                                      "8000000000000000\r\nx",
                                      "10000000000000000\r\nx",
                                      "ffffffffffffffffffff\r\nx"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect(texts[i], HTTP_CHUNKED_FAILED, NULL, 0);
}

static void bounds_what_is_no_body(void **state) {
  (void)state;
  static char text[128 * 1024], out[sizeof text];
  size_t rest;
  // Digits and extensions of one chunk.
  memset(text, '0', HTTP_MAX_CHUNK_EXTENSION + 2);
  assert_int_equal(decode(text, HTTP_MAX_CHUNK_EXTENSION + 2, 100, out, &rest), HTTP_CHUNKED_FAILED);
  text[1] = ';';
  assert_int_equal(decode(text, HTTP_MAX_CHUNK_EXTENSION + 2, 100, out, &rest), HTTP_CHUNKED_FAILED);
  // Extensions of all chunks.
  size_t bytes = 0;
  for (int i = 0; i < 100; i++) bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "1;%0200d\r\nx\r\n", 0);
  assert_int_equal(decode(text, bytes, 100, out, &rest), HTTP_CHUNKED_FAILED);
  // Trailers.
  bytes = (size_t)snprintf(text, sizeof text, "0\r\n");
  for (int i = 0; i < 100; i++) bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "X: %0100d\r\n", 0);
  assert_int_equal(decode(text, bytes, 100, out, &rest), HTTP_CHUNKED_FAILED);
}

static void stays_with_its_verdict(void **state) {
  (void)state;
  struct http_chunked chunked = {0};
  struct base_span input = base_span_text("x0\r\n\r\n"), piece;
  assert_int_equal(http_chunked_next(&chunked, &input, &piece, NULL), HTTP_CHUNKED_FAILED);
  assert_int_equal(http_chunked_next(&chunked, &input, &piece, NULL), HTTP_CHUNKED_FAILED);
  struct http_chunked done = {0};
  input = base_span_text("0\r\n\r\n5\r\nhello");
  assert_int_equal(http_chunked_next(&done, &input, &piece, NULL), HTTP_CHUNKED_DONE);
  assert_int_equal(http_chunked_next(&done, &input, &piece, NULL), HTTP_CHUNKED_DONE);
  assert_int_equal(input.bytes, strlen("5\r\nhello"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_body_however_the_bytes_come),
      cmocka_unit_test(leaves_what_follows_to_the_next_request),
      cmocka_unit_test(passes_extensions_and_trailers_by),
      cmocka_unit_test(waits_for_the_end),
      cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
      cmocka_unit_test(bounds_what_is_no_body),
      cmocka_unit_test(stays_with_its_verdict),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
