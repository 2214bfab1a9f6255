#include "base/result.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void fault_keeps_the_first_when_two_are_recorded(void **state) {
  (void)state;
  struct base_fault fault = {0};
  assert_int_equal(BASE_FAIL(&fault, BASE_BAD_INPUT, "w", "w must be 1..%d", 8), BASE_BAD_INPUT);
  const int line = fault.line;
  assert_int_equal(BASE_FAIL(&fault, BASE_IO, "disk", "later"), BASE_IO);
  assert_int_equal(fault.result, BASE_BAD_INPUT);
  assert_int_equal(fault.line, line);
  assert_string_equal(fault.subject, "w");
  assert_string_equal(fault.text, "w must be 1..8");
  assert_non_null(strstr(fault.file, "result_test.c"));
}

static void fault_keeps_the_first_when_the_second_is_an_errno(void **state) {
  (void)state;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_GONE, "", "first");
  errno = ENOSPC;
  assert_int_equal(BASE_FAIL_ERRNO(&fault, "", "second"), BASE_NO_SPACE);
  assert_int_equal(fault.result, BASE_GONE);
  assert_string_equal(fault.text, "first");
}

static void fault_takes_another_when_cleared(void **state) {
  (void)state;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_BAD_INPUT, "w", "first");
  base_fault_clear(&fault);
  assert_int_equal(fault.result, BASE_OK);
  (void)BASE_FAIL(&fault, BASE_IO, "", "second");
  assert_string_equal(fault.text, "second");
  assert_string_equal(fault.subject, "");
}

static void result_is_returned_when_there_is_no_fault(void **state) {
  (void)state;
  assert_int_equal(BASE_FAIL(NULL, BASE_BUSY, "", "full"), BASE_BUSY);
  errno = ENOENT;
  assert_int_equal(BASE_FAIL_ERRNO(NULL, "", "gone"), BASE_NOT_FOUND);
}

static void errno_chooses_the_result(void **state) {
  (void)state;
  static const struct {
    int error;
    enum base_result result;
  } cases[] = {{ENOSPC, BASE_NO_SPACE},
               {EDQUOT, BASE_NO_SPACE},
               {ENOMEM, BASE_NO_MEMORY},
               {ENOENT, BASE_NOT_FOUND},
               {EACCES, BASE_IO}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct base_fault fault = {0};
    errno = cases[i].error;
    assert_int_equal(BASE_FAIL_ERRNO(&fault, "f", "cannot open"), cases[i].result);
    assert_int_equal(fault.result, cases[i].result);
    assert_non_null(strstr(fault.text, "cannot open: "));
    assert_non_null(strstr(fault.text, strerror(cases[i].error)));
  }
}

static void long_texts_are_cut_when_recorded(void **state) {
  (void)state;
  char lengthy[2 * BASE_FAULT_TEXT_BYTES];
  memset(lengthy, 'x', sizeof lengthy - 1);
  lengthy[sizeof lengthy - 1] = '\0';
  struct base_fault fault = {0};
  errno = EIO;
  (void)BASE_FAIL_ERRNO(&fault, lengthy, "%s", lengthy);
  assert_int_equal(strlen(fault.text), BASE_FAULT_TEXT_BYTES - 1);
  assert_int_equal(strlen(fault.subject), BASE_FAULT_SUBJECT_BYTES - 1);
}

static void every_result_has_a_name_of_its_own(void **state) {
  (void)state;
  for (int i = 0; i < BASE_RESULT_COUNT; i++) {
    assert_non_null(base_result_name((enum base_result)i));
    for (int j = 0; j < i; j++) {
      assert_string_not_equal(base_result_name((enum base_result)i), base_result_name((enum base_result)j));
    }
  }
  assert_string_equal(base_result_name(BASE_RESULT_COUNT), "internal");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fault_keeps_the_first_when_two_are_recorded),
      cmocka_unit_test(fault_keeps_the_first_when_the_second_is_an_errno),
      cmocka_unit_test(fault_takes_another_when_cleared),
      cmocka_unit_test(result_is_returned_when_there_is_no_fault),
      cmocka_unit_test(errno_chooses_the_result),
      cmocka_unit_test(long_texts_are_cut_when_recorded),
      cmocka_unit_test(every_result_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
