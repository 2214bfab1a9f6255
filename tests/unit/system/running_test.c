#include "running.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_slot_that_is_named_needs_no_kernel(void **state) {
  (void)state;
  enum slots_id slot;
  assert_int_equal(running_find("B", &slot, NULL), BASE_OK);
  assert_int_equal(slot, SLOTS_B);
  assert_int_equal(running_find("C", &slot, NULL), BASE_BAD_INPUT);
  assert_int_equal(running_find("", &slot, NULL), BASE_BAD_INPUT);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_slot_that_is_named_needs_no_kernel)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
