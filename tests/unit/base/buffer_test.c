#include "base/span.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void bytes_stay_in_order_when_the_buffer_grows(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, 100000);
  for (unsigned i = 0; i < 20000; i++) {
    const uint8_t byte = (uint8_t)(i * 7);
    assert_int_equal(base_buffer_append(&buffer, &byte, 1), BASE_OK);
  }
  assert_int_equal(buffer.bytes, 20000);
  for (unsigned i = 0; i < 20000; i++) assert_int_equal(buffer.data[i], (uint8_t)(i * 7));
  base_buffer_finish(&buffer);
  assert_null(buffer.data);
}

static void content_is_kept_when_the_limit_is_passed(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, 5);
  assert_int_equal(base_buffer_append_text(&buffer, "abc"), BASE_OK);
  assert_int_equal(base_buffer_append_text(&buffer, "def"), BASE_TOO_LARGE);
  assert_int_equal(base_buffer_reserve(&buffer, SIZE_MAX), BASE_TOO_LARGE);
  assert_int_equal(base_buffer_printf(&buffer, "%d", 123), BASE_TOO_LARGE);
  assert_true(base_span_is(base_buffer_span(&buffer), "abc"));
  assert_int_equal(base_buffer_printf(&buffer, "%d", 12), BASE_OK);  // to the last byte
  assert_true(base_span_is(base_buffer_span(&buffer), "abc12"));
  assert_int_equal(base_buffer_append(&buffer, NULL, 0), BASE_OK);
  base_buffer_finish(&buffer);
}

static void memory_is_not_available_when_the_size_is_absurd(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, SIZE_MAX);
  assert_int_equal(base_buffer_reserve(&buffer, SIZE_MAX), BASE_NO_MEMORY);
  assert_int_equal(base_buffer_append_text(&buffer, "still usable"), BASE_OK);
  base_buffer_finish(&buffer);
}

static void printf_grows_when_the_text_is_long(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, 10000);
  assert_int_equal(base_buffer_printf(&buffer, "%05000d|", 7), BASE_OK);
  assert_int_equal(base_buffer_printf(&buffer, "%s", ""), BASE_OK);
  assert_int_equal(buffer.bytes, 5001);
  assert_memory_equal(buffer.data + 4998, "07|", 3);
  base_buffer_finish(&buffer);
}

static void the_rest_moves_down_when_the_front_is_consumed(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, 100);
  base_buffer_consume(&buffer, 0);
  assert_int_equal(base_buffer_append_text(&buffer, "0123456789"), BASE_OK);
  base_buffer_consume(&buffer, 3);
  assert_true(base_span_is(base_buffer_span(&buffer), "3456789"));
  base_buffer_consume(&buffer, 7);
  assert_int_equal(buffer.bytes, 0);
  assert_int_equal(base_buffer_append_text(&buffer, "x"), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&buffer), "x"));
  base_buffer_finish(&buffer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_stay_in_order_when_the_buffer_grows),
      cmocka_unit_test(content_is_kept_when_the_limit_is_passed),
      cmocka_unit_test(memory_is_not_available_when_the_size_is_absurd),
      cmocka_unit_test(printf_grows_when_the_text_is_long),
      cmocka_unit_test(the_rest_moves_down_when_the_front_is_consumed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
