// The rule by which box and clients choose between a whole object and a difference.
#include "delta/choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_difference_is_worth_it_up_to_four_fifths(void **state) {
  (void)state;
  assert_true(delta_is_worth(80, 100));
  assert_false(delta_is_worth(81, 100));
  assert_true(delta_is_worth(7, 9));
  assert_false(delta_is_worth(8, 9));
  assert_true(delta_is_worth(0, 1));
  assert_false(delta_is_worth(1, 1));
  assert_false(delta_is_worth(1, 0));
}

static void nothing_overflows_at_the_largest_size(void **state) {
  (void)state;
  assert_true(delta_worth_bytes(UINT64_MAX) == UINT64_C(14757395258967641292));
  assert_false(delta_is_worth(UINT64_MAX, UINT64_MAX));
}

static void the_cheapest_way_is_chosen(void **state) {
  (void)state;
  assert_int_equal(delta_choose((const uint64_t[]){1000, 700, 30, 90}), DELTA_PATCH);
  assert_int_equal(delta_choose((const uint64_t[]){1000, 700, DELTA_UNKNOWN, 90}), DELTA_ROLLING);
  assert_int_equal(delta_choose((const uint64_t[]){1000, 20, 30, 90}), DELTA_DIFF);
}

static void the_whole_is_chosen_when_no_way_is_worth_it(void **state) {
  (void)state;
  assert_int_equal(delta_choose((const uint64_t[]){1000, 801, 900, DELTA_UNKNOWN}), DELTA_FULL);
  assert_int_equal(delta_choose((const uint64_t[]){1000, DELTA_UNKNOWN, DELTA_UNKNOWN, DELTA_UNKNOWN}), DELTA_FULL);
  assert_int_equal(delta_choose((const uint64_t[]){0, 0, DELTA_UNKNOWN, DELTA_UNKNOWN}), DELTA_DIFF);
}

static void of_equal_ways_the_simpler_one_is_chosen(void **state) {
  (void)state;
  assert_int_equal(delta_choose((const uint64_t[]){1000, 50, 50, 50}), DELTA_DIFF);
}

static void ways_have_names(void **state) {
  (void)state;
  assert_string_equal(delta_way_name(DELTA_FULL), "full");
  assert_string_equal(delta_way_name(DELTA_ROLLING), "rolling");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_difference_is_worth_it_up_to_four_fifths),
      cmocka_unit_test(nothing_overflows_at_the_largest_size),
      cmocka_unit_test(the_cheapest_way_is_chosen),
      cmocka_unit_test(the_whole_is_chosen_when_no_way_is_worth_it),
      cmocka_unit_test(of_equal_ways_the_simpler_one_is_chosen),
      cmocka_unit_test(ways_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
