#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_span(span, text) assert_true(base_span_is((span), (text)))

static void comparisons_want_all_bytes_equal(void **state) {
  (void)state;
  const struct base_span empty = base_span_of(NULL, 0);
  assert_true(base_span_equal(base_span_text("abc"), base_span_text("abc")));
  assert_false(base_span_equal(base_span_text("abc"), base_span_text("abd")));
  assert_false(base_span_equal(base_span_text("abc"), base_span_text("ab")));
  assert_true(base_span_equal(empty, base_span_text(NULL)));
  assert_true(base_span_is(empty, ""));
  assert_true(base_span_is_nocase(base_span_text("Content-TYPE"), "content-type"));
  assert_false(base_span_is_nocase(base_span_text("content-typ"), "content-type"));
  assert_false(base_span_is_nocase(base_span_text("@"), "`"));  // 0x20 apart, yet no letters
  assert_true(base_span_starts_with(base_span_text("Bearer x"), "Bearer "));
  assert_false(base_span_starts_with(base_span_text("Bea"), "Bearer "));
  assert_true(base_span_equal_constant_time(base_span_text("key"), base_span_text("key")));
  assert_false(base_span_equal_constant_time(base_span_text("key"), base_span_text("kez")));
  assert_false(base_span_equal_constant_time(base_span_text("key"), base_span_text("keys")));
}

static void slice_is_clipped_when_it_leaves_the_span(void **state) {
  (void)state;
  const struct base_span span = base_span_text("abcdef");
  assert_span(base_span_slice(span, 2, 3), "cde");
  assert_span(base_span_slice(span, 4, 10), "ef");
  assert_span(base_span_slice(span, 1, SIZE_MAX), "bcdef");
  assert_int_equal(base_span_slice(span, SIZE_MAX, 1).bytes, 0);
}

static void cut_walks_through_the_parts(void **state) {
  (void)state;
  struct base_span rest = base_span_text("a,,b,");
  assert_span(base_span_cut(&rest, ','), "a");
  assert_span(base_span_cut(&rest, ','), "");
  assert_span(base_span_cut(&rest, ','), "b");
  assert_non_null(rest.data);  // an empty part follows the last comma
  assert_span(base_span_cut(&rest, ','), "");
  assert_null(rest.data);
}

static void trim_drops_only_optional_white_space(void **state) {
  (void)state;
  assert_span(base_span_trim(base_span_text(" \t a b\t ")), "a b");
  assert_span(base_span_trim(base_span_text("\na\r")), "\na\r");
  assert_span(base_span_trim(base_span_text(" \t ")), "");
}

static void copy_refuses_what_does_not_fit_or_has_a_nul(void **state) {
  (void)state;
  char out[4] = "zzz";
  assert_true(base_span_copy(base_span_text("abc"), out, sizeof out));
  assert_string_equal(out, "abc");
  assert_false(base_span_copy(base_span_text("abcd"), out, sizeof out));
  assert_false(base_span_copy(base_span_of("a\0b", 3), out, sizeof out));
  assert_false(base_span_copy(base_span_text(""), out, 0));
  assert_true(base_span_copy(base_span_of(NULL, 0), out, 1));
  assert_string_equal(out, "");
}

static void number_is_read_only_when_strictly_decimal(void **state) {
  (void)state;
  uint64_t value = 7;
  assert_true(base_span_to_u64(base_span_text("18446744073709551615"), &value));
  assert_true(value == UINT64_MAX);
  assert_true(base_span_to_u64(base_span_text("007"), &value));
  assert_int_equal(value, 7);
  static const char *const bad[] = {"",
                                    "18446744073709551616",
                                    "99999999999999999999",
                                    "000000000000000000001",
                                    "-1",
                                    "+1",
                                    " 1",
                                    "1 ",
                                    "0x1",
                                    "1.0",
                                    "1e3"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_false(base_span_to_u64(base_span_text(bad[i]), &value));
  }
  assert_int_equal(value, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comparisons_want_all_bytes_equal),
      cmocka_unit_test(slice_is_clipped_when_it_leaves_the_span),
      cmocka_unit_test(cut_walks_through_the_parts),
      cmocka_unit_test(trim_drops_only_optional_white_space),
      cmocka_unit_test(copy_refuses_what_does_not_fit_or_has_a_nul),
      cmocka_unit_test(number_is_read_only_when_strictly_decimal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
