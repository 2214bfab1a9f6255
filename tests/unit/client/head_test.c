#include "head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct client_response response;
static struct client_head head;

static enum base_result parse(const char *text) {
  client_response_finish(&response);
  base_buffer_init(&response.head, CLIENT_MAX_HEAD_BYTES);
  assert_int_equal(base_buffer_append_text(&response.head, text), BASE_OK);
  return client_head_parse(&response, &head, NULL);
}

static int finish(void **state) {
  (void)state;
  client_response_finish(&response);
  return 0;
}

static void fields_are_found_when_the_head_is_good(void **state) {
  (void)state;
  assert_int_equal(parse("HTTP/1.1 201 Created it\r\ncontent-length: 12\r\nX-Empty:\r\nX-Two: \t a b \t\r\n\r\n"),
                   BASE_OK);
  assert_int_equal(response.status, 201);
  assert_int_equal(head.version_minor, 1);
  assert_true(head.has_length);
  assert_int_equal(head.length, 12);
  assert_false(head.is_chunked);
  assert_false(head.wants_close);
  assert_int_equal(response.header_count, 3);
  assert_true(base_span_is(client_response_header(&response, "X-EMPTY"), ""));
  assert_true(base_span_is(client_response_header(&response, "x-two"), "a b"));
  assert_null(client_response_header(&response, "X-None").data);
}

static void framing_follows_the_fields(void **state) {
  (void)state;
  assert_int_equal(parse("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\nConnection: x, Close\r\n\r\n"), BASE_OK);
  assert_true(head.is_chunked);
  assert_true(head.wants_close);
  assert_int_equal(parse("HTTP/1.0 200 OK\r\n\r\n"), BASE_OK);
  assert_true(head.wants_close);
  assert_int_equal(parse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"), BASE_OK);
  assert_false(head.wants_close);
  assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), BASE_OK);
  assert_int_equal(head.length, 5);
}

static void head_is_refused_when_malformed(void **state) {
  (void)state;
  static const char *const bad[] = {
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 OK\r\n\r\n",
      "HTTP/1.1 600 OK\r\n\r\n",
      "HTTP/1.1 +20 OK\r\n\r\n",
      "HTTP/1.x 200 OK\r\n\r\n",
      "HTTP/1.1 200 O\x01K\r\n\r\n",
      "HTTP/1.1 200 OK\n\r\n\r\n",
      "HTTP/1.1 200 OK\r\nName\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: value\r\n\r\n",
      "HTTP/1.1 200 OK\r\nName : value\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\r\n",
      "",
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    if (parse(bad[i]) != BASE_BAD_INPUT) fail_msg("taken: %s", bad[i]);
  }
}

static void number_of_fields_is_bounded(void **state) {
  (void)state;
  char text[1024] = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < CLIENT_MAX_HEADERS; i++) strcat(text, "A: b\r\n");
  const size_t end = strlen(text);
  strcpy(text + end, "\r\n");
  assert_int_equal(parse(text), BASE_OK);
  assert_int_equal(response.header_count, CLIENT_MAX_HEADERS);
  strcpy(text + end, "A: b\r\n\r\n");
  assert_int_equal(parse(text), BASE_HEADERS_TOO_LARGE);
}

static void end_is_found_at_every_split(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 200 OK\r\nA: \r\nB: c\r\n\r\nbody\r\n\r\n";
  const size_t wanted = strlen(text) - strlen("body\r\n\r\n");
  for (size_t split = 0; split < sizeof(text) - 1; split++) {
    size_t searched = 0, found = 99;
    assert_int_equal(client_head_find(base_span_of(text, split), &searched, &found, NULL), BASE_OK);
    assert_int_equal(found, split >= wanted ? wanted : 0);
    if (found > 0) continue;
    assert_int_equal(client_head_find(base_span_of(text, sizeof(text) - 1), &searched, &found, NULL), BASE_OK);
    assert_int_equal(found, wanted);
  }
}

static void bytes_are_refused_at_once_when_they_are_not_http(void **state) {
  (void)state;
  static const char *const bad[] = {"S", "HTTQ", "HTTP/2", "http/1.1", "\r\nHTTP/1.1", "\x15\x03\x01"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    size_t searched = 0, found;
    assert_int_equal(client_head_find(base_span_text(bad[i]), &searched, &found, NULL), BASE_BAD_INPUT);
  }
}

static void size_of_the_head_is_bounded(void **state) {
  (void)state;
  static char text[CLIENT_MAX_HEAD_BYTES + 4];
  memset(text, 'a', sizeof(text));
  memcpy(text, "HTTP/1.1 200 OK\r\nA: ", 20);
  size_t searched = 0, found;
  assert_int_equal(client_head_find(base_span_of(text, CLIENT_MAX_HEAD_BYTES - 1), &searched, &found, NULL), BASE_OK);
  assert_int_equal(found, 0);
  memcpy(text + CLIENT_MAX_HEAD_BYTES - 4, "\r\n\r\n", 4);
  assert_int_equal(client_head_find(base_span_of(text, CLIENT_MAX_HEAD_BYTES), &searched, &found, NULL), BASE_OK);
  assert_int_equal(found, CLIENT_MAX_HEAD_BYTES);
  memcpy(text + CLIENT_MAX_HEAD_BYTES - 4, "aaaa\r\n\r\n", 8);
  searched = 0;
  assert_int_equal(client_head_find(base_span_of(text, sizeof(text)), &searched, &found, NULL), BASE_HEADERS_TOO_LARGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_found_when_the_head_is_good),
      cmocka_unit_test(framing_follows_the_fields),
      cmocka_unit_test(head_is_refused_when_malformed),
      cmocka_unit_test(number_of_fields_is_bounded),
      cmocka_unit_test(end_is_found_at_every_split),
      cmocka_unit_test(bytes_are_refused_at_once_when_they_are_not_http),
      cmocka_unit_test(size_of_the_head_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, finish);
}
