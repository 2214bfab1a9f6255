#include "base/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_new_code_is_valid_and_reads_back_as_it_is_shown(void **state) {
  (void)state;
  char first[BASE_CODE_CHARS + 1], second[BASE_CODE_CHARS + 1], read[BASE_CODE_CHARS + 1], text[BASE_CODE_TEXT + 1];
  base_code_make(first);
  base_code_make(second);
  assert_true(base_code_is_valid(base_span_text(first)));
  assert_string_not_equal(first, second);
  base_code_write(first, text);
  assert_int_equal(strlen(text), BASE_CODE_TEXT);
  assert_true(base_code_read(base_span_text(text), read, sizeof read));
  assert_string_equal(read, first);
}

static void a_code_is_read_as_people_type_it(void **state) {
  (void)state;
  static const char *const typed[] = {"K7QX2M9P4TRW", "k7qx-2m9p-4trw", " K7QX 2m9p 4TRW\r\n",
                                      "-K-7-Q-X-2-M-9-P-4-T-R-W-"};
  char code[BASE_CODE_CHARS + 1];
  for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
    assert_true(base_code_read(base_span_text(typed[i]), code, sizeof code));
    assert_string_equal(code, "K7QX2M9P4TRW");
  }
  assert_true(base_code_read(base_span_text("aobi-clDO-efgh"), code, sizeof code));
  assert_string_equal(code, "A0B1C1D0EFGH");
}

static void what_is_no_code_is_not_read(void **state) {
  (void)state;
  static const char *const typed[] = {"", "- -", "\n", "K7QX_2M9P", "\xc3\x84", "K7QX2M9P4TRWX"};
  char code[BASE_CODE_CHARS + 1];
  for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
    assert_false(base_code_read(base_span_text(typed[i]), code, sizeof code));
  }
  assert_false(base_code_read(base_span_of("AB\0C", 4), code, sizeof code));
}

static void what_was_never_made_is_not_valid(void **state) {
  (void)state;
  static const char *const texts[] = {
      "", "K7QX2M9P4TR", "K7QX2M9P4TRWX", "K7QX2M9P4TRU", "k7qx2m9p4trw", "K7QX2M9P4TR\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_false(base_code_is_valid(base_span_text(texts[i])));
  }
  assert_false(base_code_is_valid(base_span_of("K7QX2M9P4TR", 12)));  // its terminator is no character of a code
}

static void tokens_differ(void **state) {
  (void)state;
  char first[BASE_TOKEN_CHARS + 1], second[BASE_TOKEN_CHARS + 1];
  base_token_make(first);
  base_token_make(second);
  assert_int_equal(strlen(first), BASE_TOKEN_CHARS);
  assert_string_not_equal(first, second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_code_is_valid_and_reads_back_as_it_is_shown),
      cmocka_unit_test(a_code_is_read_as_people_type_it),
      cmocka_unit_test(what_is_no_code_is_not_read),
      cmocka_unit_test(what_was_never_made_is_not_valid),
      cmocka_unit_test(tokens_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
