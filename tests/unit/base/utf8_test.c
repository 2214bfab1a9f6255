#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void plain_is_what_may_stand_in_a_line(void **state) {
  (void)state;
  assert_int_equal(base_utf8_plain_bytes(base_span_text("a")), 1);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\xc3\xa9")), 2);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\xf0\x9f\x98\x80")), 4);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\xc2\xa0")), 2);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\xc2\x9f")), 0);  // a control of C1
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\x1b")), 0);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\x7f")), 0);
  assert_int_equal(base_utf8_plain_bytes(base_span_text("\xff")), 0);
  assert_int_equal(base_utf8_plain_bytes(base_span_of("", 1)), 0);
  assert_int_equal(base_utf8_plain_bytes(base_span_of(NULL, 0)), 0);
}

static void copy_is_plain_and_cut_at_a_character(void **state) {
  (void)state;
  char out[8];
  memset(out, 'x', sizeof out);
  base_utf8_copy_plain(base_span_text("a\n\xff"
                                      "b"),
                       out, sizeof out);
  assert_memory_equal(out, "a??b\0\0\0", sizeof out);
  base_utf8_copy_plain(base_span_text("abcdef\xc3\xa9"), out, sizeof out);
  assert_string_equal(out, "abcdef");
  base_utf8_copy_plain(base_span_text("abcde\xc3\xa9g"), out, sizeof out);
  assert_string_equal(out, "abcde\xc3\xa9");
  base_utf8_copy_plain(base_span_text("abc"), out, 1);
  assert_string_equal(out, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_is_what_may_stand_in_a_line),
      cmocka_unit_test(copy_is_plain_and_cut_at_a_character),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
