#include "body.h"

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
};

static int script_read(void *self, void *out, size_t bytes) {
  struct script *script = self;
  size_t left = strlen(script->text);
  size_t step = left < script->piece ? left : script->piece;
  if (step > bytes) step = bytes;
  memcpy(out, script->text, step);
  script->text += step;
  return (int)step;
}

static enum base_result read_all(const char *text, size_t body_bytes, size_t limit_bytes, struct base_buffer *out) {
  struct script script = {.text = text, .piece = 2};
  const struct console_exchange exchange = {.body_bytes = body_bytes, .wire = {.read = script_read, .self = &script}};
  return console_body_read_all(&exchange, limit_bytes, out, NULL);
}

static void reads_as_much_as_the_body_has(void **state) {
  (void)state;
  struct base_buffer out;
  assert_int_equal(read_all("hello, and something else", 5, 100, &out), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&out), "hello"));
  base_buffer_finish(&out);
  assert_int_equal(read_all("", 0, 100, &out), BASE_OK);
  assert_int_equal(out.bytes, 0);
  base_buffer_finish(&out);
}

static void says_when_the_body_breaks_off(void **state) {
  (void)state;
  struct base_buffer out;
  assert_int_equal(read_all("hel", 5, 100, &out), BASE_IO);
  base_buffer_finish(&out);
}

static void refuses_a_body_over_the_limit(void **state) {
  (void)state;
  struct base_buffer out;
  assert_int_equal(read_all("hello", 5, 4, &out), BASE_TOO_LARGE);
  base_buffer_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_as_much_as_the_body_has),
      cmocka_unit_test(says_when_the_body_breaks_off),
      cmocka_unit_test(refuses_a_body_over_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
