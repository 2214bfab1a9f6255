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
  assert_int_equal(image->bytes, IMAGE_PAGE_BYTES);
  assert_int_equal((uintptr_t)image->pixels % IMAGE_PAGE_BYTES, 0);
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

static void planes_follow_each_other_on_pages_with_aligned_rows(void **state) {
  (void)state;
  const struct image_yuv yuv = {.width = 131, .height = 67, .chroma_x = 4, .chroma_y = 2, .has_alpha = true};
  static const uint32_t widths[] = {131, 33, 33, 131}, heights[] = {67, 34, 34, 67}, strides[] = {192, 64, 64, 192};
  struct image *image = NULL;
  size_t bytes = 0, offset = 0;
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  for (size_t i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    assert_int_equal(plane->width, widths[i]);
    assert_int_equal(plane->height, heights[i]);
    assert_int_equal(plane->stride_bytes, strides[i]);
    assert_ptr_equal(plane->samples, image->pixels + offset);
    offset += ((size_t)strides[i] * heights[i] + IMAGE_PAGE_BYTES - 1) / IMAGE_PAGE_BYTES * IMAGE_PAGE_BYTES;
  }
  assert_int_equal(image_yuv_bytes(&yuv, &bytes), BASE_OK);
  assert_int_equal(bytes, offset);
  assert_int_equal(image->bytes, offset);
  assert_int_equal((uintptr_t)image->pixels % IMAGE_PAGE_BYTES, 0);
  image_unref(&image);
}

static void grey_planes_have_no_chroma(void **state) {
  (void)state;
  const struct image_yuv yuv = {.width = 3, .height = 2, .chroma_x = 1, .chroma_y = 1, .is_grey = true};
  struct image *image = NULL;
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  for (size_t i = IMAGE_PLANE_U; i < IMAGE_MAX_PLANES; i++) {
    assert_null(image->planes[i].samples);
    assert_int_equal(image->planes[i].width, 0);
    assert_int_equal(image->planes[i].height, 0);
  }
  image_unref(&image);
}

static void planes_that_do_not_exist_are_refused(void **state) {
  (void)state;
  const struct image_yuv refused[] = {
      {.width = 0, .height = 2, .chroma_x = 1, .chroma_y = 1},
      {.width = 2, .height = 0, .chroma_x = 1, .chroma_y = 1},
      {.width = 2, .height = 2, .chroma_x = 3, .chroma_y = 1},
      {.width = 2, .height = 2, .chroma_x = 0, .chroma_y = 1},
      {.width = 2, .height = 2, .chroma_x = 1, .chroma_y = 4},
      {.width = 2, .height = 2, .chroma_x = 1, .chroma_y = 0},
      {.width = UINT32_MAX, .height = 2, .chroma_x = 1, .chroma_y = 1},
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct image *image = (struct image *)8;
    size_t bytes;
    assert_int_equal(image_yuv_bytes(&refused[i], &bytes), BASE_TOO_LARGE);
    assert_int_equal(image_create_yuv(&refused[i], &image), BASE_TOO_LARGE);
    assert_null(image);
  }
}

static void fill_sets_every_plane_when_the_picture_has_planes(void **state) {
  (void)state;
  const struct image_yuv yuv = {
      .width = 5, .height = 3, .range = IMAGE_RANGE_LIMITED, .chroma_x = 2, .chroma_y = 2, .has_alpha = true};
  static const uint8_t blue[] = {0, 0, 255, 77}, wanted[] = {41, 240, 110, 77};  // BT.601
  struct image *image = NULL;
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  image_fill(image, blue);
  for (size_t i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      for (uint32_t x = 0; x < plane->width; x++) assert_int_equal(image_plane_row(plane, y)[x], wanted[i]);
    }
  }
  image_unref(&image);
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
      cmocka_unit_test(planes_follow_each_other_on_pages_with_aligned_rows),
      cmocka_unit_test(grey_planes_have_no_chroma),
      cmocka_unit_test(planes_that_do_not_exist_are_refused),
      cmocka_unit_test(fill_sets_every_plane_when_the_picture_has_planes),
      cmocka_unit_test(adopted_pixels_are_released_once_when_the_last_reference_goes),
      cmocka_unit_test(fill_sets_every_pixel_but_no_padding_when_rows_are_padded),
      cmocka_unit_test(flatten_rounds_to_nearest_for_every_value_and_alpha),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
