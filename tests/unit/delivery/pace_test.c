#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void single_bytes_do_not_make_a_pace(void **state) {
  (void)state;
  struct pace pace;
  delivery_pace_start(&pace, 1000, 0);
  for (int i = 0; i < DELIVERY_PACE_BYTES - 1; i++) assert_false(delivery_pace_move(&pace, 1));
  assert_false(delivery_pace_is_kept(&pace, 0));
  assert_int_equal(pace.from_ms, 1000);
  assert_true(delivery_pace_move(&pace, 1));
}

static void what_the_client_takes_out_of_a_full_queue_counts(void **state) {
  (void)state;
  struct pace pace;
  delivery_pace_start(&pace, 0, 1 << 20);
  assert_false(delivery_pace_is_kept(&pace, 1 << 20));
  assert_false(delivery_pace_is_kept(&pace, (1 << 20) - DELIVERY_PACE_BYTES + 1));
  assert_true(delivery_pace_is_kept(&pace, (1 << 20) - DELIVERY_PACE_BYTES));
}

static void what_only_fills_the_queue_does_not_count(void **state) {
  (void)state;
  struct pace pace;
  delivery_pace_start(&pace, 0, 1000);
  assert_false(delivery_pace_move(&pace, DELIVERY_PACE_BYTES - 1));
  assert_false(delivery_pace_is_kept(&pace, 1000 + DELIVERY_PACE_BYTES - 1));
  assert_false(delivery_pace_is_kept(&pace, 1 << 20));  // more than we sent: the TLS records' own bytes
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(single_bytes_do_not_make_a_pace),
      cmocka_unit_test(what_the_client_takes_out_of_a_full_queue_counts),
      cmocka_unit_test(what_only_fills_the_queue_does_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
