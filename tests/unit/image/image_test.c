#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void create_gives_one_reference_and_tight_rows_when_size_is_sound(void **state) {
  (void)state;
  struct image *image = NULL;
  assert_int_equal(image_create(7, 3, true, &image), BASE_OK);
  assert_int_equal(image->width, 7);
  assert_int_equal(image->height, 3);
  assert_int_equal(image->stride_bytes, 28);
  assert_int_equal(image->bytes, 84);
  assert_true(image->has_alpha);
  assert_ptr_equal(image_row(image, 2), image->pixels + 56);
  image_unref(&image);
  assert_null(image);
}

static void create_refuses_when_size_is_zero_or_overflows(void **state) {
  (void)state;
  struct image *image = (struct image *)8;
  assert_int_equal(image_create(0, 3, false, &image), BASE_TOO_LARGE);
  assert_null(image);
  assert_int_equal(image_create(3, 0, false, &image), BASE_TOO_LARGE);
  assert_int_equal(image_create(UINT32_MAX / 4 + 1, 1, false, &image), BASE_TOO_LARGE);
  assert_int_equal(image_create(UINT32_MAX, UINT32_MAX, false, &image), BASE_TOO_LARGE);
  assert_null(image);
}

static int releases;
static size_t released_bytes;
static void count_release(void *pixels, size_t bytes) {
  releases++;
  released_bytes = bytes;
  free(pixels);
}

static void adopted_pixels_are_released_once_when_the_last_reference_goes(void **state) {
  (void)state;
  releases = 0;
  struct image *image = NULL;
  assert_int_equal(image_adopt(malloc(100), 100, 4, 5, 20, false, count_release, &image), BASE_OK);
  struct image *other = image_ref(image);
  image_unref(&image);
  assert_int_equal(releases, 0);
  image_unref(&other);
  assert_int_equal(releases, 1);
  assert_int_equal(released_bytes, 100);
  image_unref(&other);
  assert_int_equal(releases, 1);
}

static void fill_sets_every_pixel_but_no_padding_when_rows_are_padded(void **state) {
  (void)state;
  uint8_t pixels[2 * 12];
  memset(pixels, 0xEE, sizeof pixels);
  uint8_t *copy = malloc(sizeof pixels);
  memcpy(copy, pixels, sizeof pixels);
  struct image *image = NULL;
  assert_int_equal(image_adopt(copy, sizeof pixels, 2, 2, 12, true, NULL, &image), BASE_OK);
  image_fill(image, (const uint8_t[]){1, 2, 3, 4});
  const uint8_t row[12] = {1, 2, 3, 4, 1, 2, 3, 4, 0xEE, 0xEE, 0xEE, 0xEE};
  assert_memory_equal(image_row(image, 0), row, 12);
  assert_memory_equal(image_row(image, 1), row, 12);
  image_unref(&image);
}

static void flatten_rounds_to_nearest_for_every_value_and_alpha(void **state) {
  (void)state;
  const uint8_t background[3] = {0, 100, 255};
  struct image *image = NULL;
  assert_int_equal(image_create(256, 256, true, &image), BASE_OK);
  for (unsigned alpha = 0; alpha < 256; alpha++) {
    for (unsigned value = 0; value < 256; value++) {
      uint8_t *pixel = image_row(image, alpha) + value * 4;
      memset(pixel, (int)value, 3);
      pixel[3] = (uint8_t)alpha;
    }
  }
  image_flatten(image, background);
  assert_false(image->has_alpha);
  for (unsigned alpha = 0; alpha < 256; alpha++) {
    for (unsigned value = 0; value < 256; value++) {
      const uint8_t *pixel = image_row(image, alpha) + value * 4;
      for (int c = 0; c < 3; c++) {
        double exact = (value * (double)alpha + background[c] * (255.0 - alpha)) / 255;
        assert_int_equal(pixel[c], (int)(exact + 0.5));
      }
      assert_int_equal(pixel[3], 255);
    }
  }
  image_unref(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(create_gives_one_reference_and_tight_rows_when_size_is_sound),
      cmocka_unit_test(create_refuses_when_size_is_zero_or_overflows),
      cmocka_unit_test(adopted_pixels_are_released_once_when_the_last_reference_goes),
      cmocka_unit_test(fill_sets_every_pixel_but_no_padding_when_rows_are_padded),
      cmocka_unit_test(flatten_rounds_to_nearest_for_every_value_and_alpha),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
