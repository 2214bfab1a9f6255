#include "image/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct image_header header_of(uint32_t width, uint32_t height) {
  return (struct image_header){
      .format = IMAGE_FILE_PNG, .width = width, .height = height, .orientation = IMAGE_UPRIGHT};
}

static void assert_refused(uint32_t width, uint32_t height, const struct image_limits *limits, const char *subject) {
  struct base_fault fault = {0};
  struct image_header header = header_of(width, height);
  assert_int_equal(image_header_check(&header, limits, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, subject);
  assert_non_null(strstr(fault.text, subject[0] == 'm' && subject[1] == 'i' ? "no pixels" : subject));
}

static void assert_accepted(uint32_t width, uint32_t height, const struct image_limits *limits) {
  struct image_header header = header_of(width, height);
  assert_int_equal(image_header_check(&header, limits, NULL), BASE_OK);
}

static void check_names_max_side_when_a_side_is_one_over(void **state) {
  (void)state;
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  assert_accepted(16384, 1, &limits);
  assert_accepted(1, 16384, &limits);
  assert_refused(16385, 1, &limits, "max_side");
  assert_refused(1, 16385, &limits, "max_side");
  assert_refused(50000, 50000, &limits, "max_side");
}

static void check_names_max_pixels_when_the_product_is_one_over(void **state) {
  (void)state;
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  assert_accepted(10000, 10000, &limits);
  assert_refused(10001, 10000, &limits, "max_pixels");
  limits.max_side = UINT32_MAX;
  assert_refused(UINT32_MAX, UINT32_MAX, &limits, "max_pixels");
}

static void check_refuses_when_a_side_is_zero(void **state) {
  (void)state;
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  assert_refused(0, 10, &limits, "min_side");
  assert_refused(10, 0, &limits, "min_side");
}

static void names_parse_back_for_every_format(void **state) {
  (void)state;
  for (int i = 0; i < IMAGE_FILE_FORMAT_COUNT; i++) {
    enum image_file_format format = (enum image_file_format)i;
    assert_int_equal(image_file_format_parse(image_file_format_name(format)), format);
    assert_non_null(strchr(image_file_format_media_type(format), '/'));
  }
  assert_int_equal(image_file_format_parse("JPEG"), IMAGE_FILE_UNKNOWN);
  assert_int_equal(image_file_format_parse(""), IMAGE_FILE_UNKNOWN);
  assert_int_equal(image_file_format_parse(NULL), IMAGE_FILE_UNKNOWN);
  assert_string_equal(image_file_format_media_type(IMAGE_FILE_JPEG), "image/jpeg");
}

static void shrunk_side_rounds_up_when_it_does_not_divide(void **state) {
  (void)state;
  assert_int_equal(image_shrunk_side(16, 8), 2);
  assert_int_equal(image_shrunk_side(17, 8), 3);
  assert_int_equal(image_shrunk_side(1, 8), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(check_names_max_side_when_a_side_is_one_over),
      cmocka_unit_test(check_names_max_pixels_when_the_product_is_one_over),
      cmocka_unit_test(check_refuses_when_a_side_is_zero),
      cmocka_unit_test(names_parse_back_for_every_format),
      cmocka_unit_test(shrunk_side_rounds_up_when_it_does_not_divide),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
