// Small files that would like to become large. Each test here looks at the process's peak memory, so nothing else
// that is large may happen in this program.
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "pictures.h"
#include "reading.h"

// Every bomb holds 256 MiB; one ancillary chunk may inflate to 16 MiB.
enum { ALLOWED_KIB = 64 * 1024 };

static long peak_kib(void) {
  struct rusage usage;
  assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
  return usage.ru_maxrss;
}

static enum base_result read_bomb(const char *name) {
  static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;
  struct image_header header;
  struct image *image;
  struct base_buffer file = picture_file(name, "");
  long before = peak_kib();
  enum base_result result = read_picture(base_buffer_span(&file), &limits, &header, &image, NULL);
  assert_int_equal(header.width, 16);
  assert_true(peak_kib() - before < ALLOWED_KIB);
  image_unref(&image);
  base_buffer_finish(&file);
  return result;
}

static void pixels_beyond_the_picture_are_refused_and_cost_no_memory(void **state) {
  (void)state;
  assert_int_equal(read_bomb("bomb_idat.png"), BASE_UNPROCESSABLE);
}

static void profile_that_inflates_without_end_costs_no_memory(void **state) {
  (void)state;
  enum base_result result = read_bomb("bomb_iccp.png");
  assert_true(result == BASE_OK || result == BASE_UNPROCESSABLE);
}

static void text_that_inflates_without_end_costs_no_memory(void **state) {
  (void)state;
  enum base_result result = read_bomb("bomb_text.png");
  assert_true(result == BASE_OK || result == BASE_UNPROCESSABLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pixels_beyond_the_picture_are_refused_and_cost_no_memory),
      cmocka_unit_test(profile_that_inflates_without_end_costs_no_memory),
      cmocka_unit_test(text_that_inflates_without_end_costs_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
