#include "body.h"

#include "fake_clock.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// A wire that gives the text in pieces and then ends in its way.
struct script {
  const char *text;
  size_t piece;
  int ending;                        // what read returns after the text
  uint32_t limit_ms, most_limit_ms;  // on reads: now, and the largest so far
  char written[128];
};

static int script_read(void *self, void *out, size_t bytes) {
  struct script *script = self;
  size_t left = strlen(script->text);
  size_t step = left < script->piece ? left : script->piece;
  if (step > bytes) step = bytes;
  if (step == 0) return script->ending;
  memcpy(out, script->text, step);
  script->text += step;
  return (int)step;
}

static void script_limit_reads(void *self, uint32_t ms) {
  struct script *script = self;
  script->limit_ms = ms;
  if (ms > script->most_limit_ms) script->most_limit_ms = ms;
}

static bool script_write(void *self, struct base_span bytes) {
  struct script *script = self;
  strncat(script->written, (const char *)bytes.data, bytes.bytes);
  return true;
}

static void init(struct console_body *body, struct script *script, uint64_t length, bool is_chunked,
                 const char *expect) {
  struct http_request request = {.has_content_length = !is_chunked, .content_length = length, .is_chunked = is_chunked};
  if (expect)
    request.headers[request.header_count++] = (struct http_header){base_span_text("expect"), base_span_text(expect)};
  const struct console_wire wire = {script_read, script_write, script_limit_reads, NULL, script};
  console_body_init(body, &request, &wire);
}

static void reads_a_body_of_known_length(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 2};
  struct console_body body;
  struct base_buffer out;
  init(&body, &script, 5, false, NULL);
  assert_int_equal(console_body_read_all(&body, 100, &out, NULL), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&out), "hello"));
  assert_true(body.is_finished);
  base_buffer_finish(&out);
}

static void reads_a_chunked_body_to_its_end(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 3, .ending = 0};
  struct console_body body;
  struct base_buffer out;
  init(&body, &script, 0, true, NULL);
  assert_int_equal(console_body_read_all(&body, 100, &out, NULL), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&out), "hello"));
  base_buffer_finish(&out);
}

static void says_when_the_client_leaves_or_falls_silent(void **state) {
  (void)state;
  static const struct {
    bool is_chunked;
    int ending;
    enum base_result result;
  } table[] = {{false, CONSOLE_WIRE_BROKEN, BASE_CANCELLED},
               {false, CONSOLE_WIRE_SILENT, BASE_SLOW_CLIENT},
               {false, 0, BASE_SLOW_CLIENT},
               {true, CONSOLE_WIRE_BROKEN, BASE_BAD_INPUT},
               {true, CONSOLE_WIRE_SILENT, BASE_SLOW_CLIENT}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct script script = {.text = "hel", .piece = 8, .ending = table[i].ending};
    struct console_body body;
    struct base_buffer out;
    init(&body, &script, 5, table[i].is_chunked, NULL);
    assert_int_equal(console_body_read_all(&body, 100, &out, NULL), table[i].result);
    assert_false(body.is_finished);
    // A small body may not take for ever, and nothing is left to drain.
    assert_int_not_equal(script.most_limit_ms, 0);
    assert_int_equal(script.limit_ms, 0);
    script.text = "lo";
    assert_false(console_body_drain(&body, base_clock_system()));
    assert_string_equal(script.text, "lo");
    base_buffer_finish(&out);
  }
}

static void asks_for_the_body_only_when_it_is_read(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 8};
  struct console_body body;
  char bytes[8];
  size_t got;
  init(&body, &script, 5, false, "100-Continue");
  assert_string_equal(script.written, "");
  assert_int_equal(console_body_read(&body, bytes, 2, &got, NULL), BASE_OK);
  assert_int_equal(console_body_read(&body, bytes, 3, &got, NULL), BASE_OK);
  assert_string_equal(script.written, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void does_not_drain_a_client_that_waits_to_be_asked(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 8};
  struct console_body body;
  init(&body, &script, 5, false, "100-continue");
  assert_false(console_body_drain(&body, base_clock_system()));
  assert_string_equal(script.written, "");
  assert_int_equal(strlen(script.text), 5);
}

static void drains_what_is_left(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 1};
  struct console_body body;
  init(&body, &script, 5, false, NULL);
  assert_true(console_body_drain(&body, base_clock_system()));
  assert_int_equal(strlen(script.text), 0);
  assert_int_not_equal(script.most_limit_ms, 0);
  assert_int_equal(script.limit_ms, 0);
}

static void refuses_a_body_over_the_limit(void **state) {
  (void)state;
  struct script script = {.text = "hello", .piece = 8};
  struct console_body body;
  struct base_buffer out;
  init(&body, &script, 5, false, NULL);
  assert_int_equal(console_body_read_all(&body, 4, &out, NULL), BASE_TOO_LARGE);
  base_buffer_finish(&out);
  init(&body, &script, 0, true, NULL);
  assert_int_equal(console_body_read_all(&body, 4, &out, NULL), BASE_TOO_LARGE);
  base_buffer_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_body_of_known_length),
      cmocka_unit_test(reads_a_chunked_body_to_its_end),
      cmocka_unit_test(says_when_the_client_leaves_or_falls_silent),
      cmocka_unit_test(asks_for_the_body_only_when_it_is_read),
      cmocka_unit_test(does_not_drain_a_client_that_waits_to_be_asked),
      cmocka_unit_test(drains_what_is_left),
      cmocka_unit_test(refuses_a_body_over_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
