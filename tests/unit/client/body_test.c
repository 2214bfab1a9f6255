#include "body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_BYTES = 16384 };

static char out[OUT_BYTES];
static size_t out_bytes;
static size_t unused_bytes;  // behind the end of the body

static void begin(void) { out_bytes = unused_bytes = 0; }

static enum base_result feed(struct client_body *body, const char *data, size_t bytes) {
  struct base_span input = base_span_of(data, bytes);
  while (input.bytes > 0 && !client_body_is_done(body)) {
    struct base_span piece;
    const enum base_result result = client_body_take(body, &input, &piece, NULL);
    if (result != BASE_OK) return result;
    assert_true(out_bytes + piece.bytes <= sizeof(out));
    if (piece.bytes > 0) memcpy(out + out_bytes, piece.data, piece.bytes);
    out_bytes += piece.bytes;
  }
  unused_bytes += input.bytes;
  return BASE_OK;
}

static void assert_out(const char *text) {
  assert_int_equal(out_bytes, strlen(text));
  assert_memory_equal(out, text, out_bytes);
}

static void sized_body_ends_with_its_length(void **state) {
  (void)state;
  struct client_body body;
  client_body_sized(&body, 5);
  begin();
  assert_int_equal(feed(&body, "he", 2), BASE_OK);
  assert_false(client_body_is_done(&body));
  assert_int_equal(feed(&body, "lloHTTP", 7), BASE_OK);
  assert_true(client_body_is_done(&body));
  assert_out("hello");
  assert_int_equal(unused_bytes, 4);
  client_body_sized(&body, 0);
  assert_true(client_body_is_done(&body));
  client_body_none(&body);
  assert_true(client_body_is_done(&body));
}

static void endless_body_takes_everything(void **state) {
  (void)state;
  struct client_body body;
  client_body_to_end(&body);
  begin();
  assert_int_equal(feed(&body, "abc", 3), BASE_OK);
  assert_int_equal(feed(&body, "def", 3), BASE_OK);
  assert_false(client_body_is_done(&body));
  assert_out("abcdef");
}

static void chunks_are_joined_at_every_split(void **state) {
  (void)state;
  static const char text[] =
      "5\r\nhello\r\n"
      "00A ;name=\"value\"\r\n0123456789\r\n"
      "0;last\r\n"
      "Trailer: x\r\nOther:\r\n"
      "\r\n";
  const size_t bytes = sizeof(text) - 1;
  struct client_body body;
  for (size_t first = 0; first <= bytes; first++) {
    for (size_t second = first; second <= bytes; second++) {
      client_body_chunked(&body);
      begin();
      assert_int_equal(feed(&body, text, first), BASE_OK);
      assert_int_equal(feed(&body, text + first, second - first), BASE_OK);
      assert_int_equal(client_body_is_done(&body), second == bytes);
      assert_int_equal(feed(&body, text + second, bytes - second), BASE_OK);
      assert_true(client_body_is_done(&body));
      assert_out("hello0123456789");
      assert_int_equal(unused_bytes, 0);
    }
  }
  client_body_chunked(&body);
  begin();
  assert_int_equal(feed(&body, "0\r\n\r\nmore", 9), BASE_OK);
  assert_true(client_body_is_done(&body));
  assert_int_equal(unused_bytes, 4);
}

static void chunks_are_refused_when_malformed(void **state) {
  (void)state;
  static const char *const bad[] = {"\r\n",
                                    "x\r\n",
                                    " 5\r\n",
                                    "-5\r\n",
                                    "0x5\r\n",
                                    "5\n",
                                    "5\rx",
                                    "5\r\r\n",
                                    "5;a\nb",
                                    "5;a\x01\r\n",
                                    ";a\r\n",
                                    "5\r\nhellox",
                                    "5\r\nhello\rx",
                                    "5\r\nhello\n",
                                    "5\r\nhello5",
                                    "0\r\n\n",
                                    "0\r\nA\n",
                                    "0\r\nA\rB\r\n",
                                    "0\r\n\r\r",
                                    "1000000000000000\r\n",
                                    "ffffffffffffffffffff\r\n",
                                    "5g\r\n"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    struct client_body body;
    client_body_chunked(&body);
    begin();
    if (feed(&body, bad[i], strlen(bad[i])) != BASE_BAD_INPUT) fail_msg("taken: %s", bad[i]);
  }
}

static void lines_and_trailers_are_bounded(void **state) {
  (void)state;
  static char text[CLIENT_MAX_TRAILER_BYTES + 64];
  struct client_body body;
  // "1;xxx...\r\n" of exactly the limit, then one more.
  for (int more = 0; more < 2; more++) {
    memset(text, 'x', sizeof(text));
    memcpy(text, "1;", 2);
    memcpy(text + CLIENT_MAX_CHUNK_LINE_BYTES - 2 + more, "\r\n", 2);
    client_body_chunked(&body);
    begin();
    assert_int_equal(feed(&body, text, (size_t)(CLIENT_MAX_CHUNK_LINE_BYTES + more)), more ? BASE_BAD_INPUT : BASE_OK);
  }
  // Many short trailer lines.
  strcpy(text, "0\r\n");
  size_t bytes = 3;
  while (bytes + 4 <= 3 + CLIENT_MAX_TRAILER_BYTES) {
    memcpy(text + bytes, "A:\r\n", 4);
    bytes += 4;
  }
  client_body_chunked(&body);
  begin();
  assert_int_equal(feed(&body, text, bytes), BASE_OK);
  assert_int_equal(feed(&body, "\r\n", 2), BASE_BAD_INPUT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sized_body_ends_with_its_length),  cmocka_unit_test(endless_body_takes_everything),
      cmocka_unit_test(chunks_are_joined_at_every_split), cmocka_unit_test(chunks_are_refused_when_malformed),
      cmocka_unit_test(lines_and_trailers_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
