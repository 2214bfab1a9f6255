#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slots/slots.h"

// Each is newer than the one before it.
static const char *const RISING[] = {
    "0",
    "0.0.1",
    "0.1",
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-beta.2",
    "1.0.0-rc1",
    "1.0.0-rc2",
    "1",
    "1.0.1-a",
    "1.0.1",
    "1.0.2",
    "1.0.10",
    "1.1-rc1",
    "1.1",
    "1.2.0",
    "1.10.0",
    "2.0-0",
    "2.0-0.0",
    "2.0-0a",
    "2.0",
    "10",
    "99999.0.0",
    "99999.99999.99998",
    "99999.99999.99999-zzzzzzzzzzzz",
    "99999.99999.99999",
};
enum { RISING_COUNT = sizeof(RISING) / sizeof(*RISING) };

static void every_version_is_newer_than_all_before_it(void **state) {
  (void)state;
  for (int i = 0; i < RISING_COUNT; i++) {
    assert_true(slots_version_is_valid(RISING[i]));
    for (int k = 0; k < RISING_COUNT; k++) {
      int order = slots_version_compare(RISING[i], RISING[k]);
      if ((i > k) - (i < k) != (order > 0) - (order < 0)) fail_msg("%s and %s give %d", RISING[i], RISING[k], order);
    }
  }
}

static void left_out_numbers_are_zero(void **state) {
  (void)state;
  assert_int_equal(slots_version_compare("1", "1.0.0"), 0);
  assert_int_equal(slots_version_compare("1.2", "1.2.0"), 0);
  assert_int_equal(slots_version_compare("1.2-rc1", "1.2.0-rc1"), 0);
}

static void what_is_no_version_is_refused(void **state) {
  (void)state;
  static const char *const REFUSED[] = {
      "",          ".",      "1.",     ".1",     "1..2",      "1.2.3.4", "01",
      "1.02",      "1.2.03", "123456", "1.2.3-", "1.2.3 ",    " 1.2.3",  "1.2.3\n",
      "v1.2.3",    "1.2.x",  "-1",     "1.-2",   "1.2.3-RC1", "1-a b",   "1-abcdefghijklm",
      "1.2.3-a_b", "1-a/b",  "1+2",    "1=2",    "1.2.3--",   "00",      "1-\xc3\xa4",
      "0x10",
  };
  for (size_t i = 0; i < sizeof(REFUSED) / sizeof(*REFUSED); i++) {
    if (slots_version_is_valid(REFUSED[i])) fail_msg("'%s' was taken for a version", REFUSED[i]);
  }
}

static void the_longest_version_fits_a_slot(void **state) {
  (void)state;
  const char *longest = "99999.99999.99999-abcdefghijkl";
  assert_true(slots_version_is_valid(longest));
  assert_true(strlen(longest) <= SLOTS_MAX_VERSION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_version_is_newer_than_all_before_it),
      cmocka_unit_test(left_out_numbers_are_zero),
      cmocka_unit_test(what_is_no_version_is_refused),
      cmocka_unit_test(the_longest_version_fits_a_slot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
