// Conversions against BT.601 and ITU-T T.871 in double precision.
#include "image/convert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "random_picture.h"

// A rounding may fall either way this close to a tie.
static const double TIE = 1e-3;

static double clamped(double value) { return fmin(fmax(value, 0), 255); }

static void assert_near(int got, double wanted) {
  if (fabs(got - clamped(wanted)) > 0.5 + TIE) fail_msg("%d, not %f", got, wanted);
}

static void yuv_of(const double rgb[3], enum image_range range, double out[3]) {
  const double y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  const bool is_full = range == IMAGE_RANGE_FULL;
  out[0] = is_full ? y : 16 + y * 219 / 255;
  out[1] = 128 + (rgb[2] - y) / 1.772 * (is_full ? 1 : 224 / 255.0);
  out[2] = 128 + (rgb[0] - y) / 1.402 * (is_full ? 1 : 224 / 255.0);
}

static void rgb_of(const uint8_t yuv[3], enum image_range range, double out[3]) {
  const bool is_full = range == IMAGE_RANGE_FULL;
  const double y = is_full ? yuv[0] : (yuv[0] - 16) * 255 / 219.0;
  const double u = (yuv[1] - 128) * (is_full ? 1 : 255 / 224.0), v = (yuv[2] - 128) * (is_full ? 1 : 255 / 224.0);
  out[0] = y + 1.402 * v;
  out[1] = y - (0.114 * 1.772 * u + 0.299 * 1.402 * v) / 0.587;
  out[2] = y + 1.772 * u;
}

static const uint8_t steps[] = {0,   1,   2,   15,  16,  17,  63,  100, 127, 128,
                                129, 200, 234, 235, 236, 240, 241, 253, 254, 255};
enum { STEPS = sizeof steps };

static void colours_are_rounded_to_nearest_in_both_ranges(void **state) {
  (void)state;
  for (int range = IMAGE_RANGE_FULL; range <= IMAGE_RANGE_LIMITED; range++) {
    for (int i = 0; i < STEPS * STEPS * STEPS; i++) {
      const uint8_t rgb[3] = {steps[i % STEPS], steps[i / STEPS % STEPS], steps[i / STEPS / STEPS]};
      const double exact[3] = {rgb[0], rgb[1], rgb[2]};
      uint8_t got[3];
      double wanted[3];
      image_convert_colour(rgb, (enum image_range)range, got);
      yuv_of(exact, (enum image_range)range, wanted);
      for (int c = 0; c < 3; c++) assert_near(got[c], wanted[c]);
    }
  }
}

static void known_colours_have_their_standard_values(void **state) {
  (void)state;
  uint8_t got[3];
  image_convert_colour((const uint8_t[]){255, 255, 255}, IMAGE_RANGE_LIMITED, got);
  assert_memory_equal(got, ((const uint8_t[]){235, 128, 128}), 3);
  image_convert_colour((const uint8_t[]){0, 0, 0}, IMAGE_RANGE_LIMITED, got);
  assert_memory_equal(got, ((const uint8_t[]){16, 128, 128}), 3);
  image_convert_colour((const uint8_t[]){255, 0, 0}, IMAGE_RANGE_LIMITED, got);
  assert_memory_equal(got, ((const uint8_t[]){81, 90, 240}), 3);
  image_convert_colour((const uint8_t[]){255, 0, 0}, IMAGE_RANGE_FULL, got);
  assert_memory_equal(got, ((const uint8_t[]){76, 85, 255}), 3);
  image_convert_colour((const uint8_t[]){255, 255, 255}, IMAGE_RANGE_FULL, got);
  assert_memory_equal(got, ((const uint8_t[]){255, 128, 128}), 3);
}

static void planes_become_pixels_rounded_to_nearest(void **state) {
  (void)state;
  uint32_t random = 5;
  for (int kind = 0; kind < 8; kind++) {
    struct image_yuv yuv = {.width = 611, .height = 7, .chroma_x = 1, .chroma_y = 1};
    yuv.range = kind & 1 ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL;
    yuv.is_grey = kind & 2;
    yuv.has_alpha = kind & 4;
    struct image *planes = random_yuv(&yuv, &random), *pixels;
    assert_int_equal(image_convert_to_rgba(planes, &pixels), BASE_OK);
    assert_int_equal(pixels->format, IMAGE_RGBA8);
    assert_int_equal(pixels->has_alpha, yuv.has_alpha);
    for (uint32_t y = 0; y < yuv.height; y++) {
      for (uint32_t x = 0; x < yuv.width; x++) {
        uint8_t sample[IMAGE_MAX_PLANES] = {0, 128, 128, 255};
        double wanted[3];
        for (size_t i = 0; i < IMAGE_MAX_PLANES; i++) {
          if (planes->planes[i].samples) sample[i] = image_plane_row(&planes->planes[i], y)[x];
        }
        rgb_of(sample, yuv.range, wanted);
        const uint8_t *got = image_row(pixels, y) + (size_t)x * 4;
        for (int c = 0; c < 3; c++) assert_near(got[c], wanted[c]);
        assert_int_equal(got[3], sample[3]);
      }
    }
    image_unref(&planes);
    image_unref(&pixels);
  }
}

struct rectangle {
  uint32_t x, y, width, height;
};

static void assert_block(const struct image *pixels, const struct image *target, const struct rectangle *area,
                         uint32_t x, uint32_t y) {
  const struct image_yuv *yuv = &target->yuv;
  double sum[3] = {0}, weight = 0, wanted[3];
  for (uint32_t j = y; j < y + yuv->chroma_y && j < area->y + area->height; j++) {
    for (uint32_t i = x; i < x + yuv->chroma_x && i < area->x + area->width; i++) {
      const uint8_t *pixel = image_row(pixels, j) + (size_t)i * 4;
      for (int c = 0; c < 3; c++) sum[c] += (double)pixel[c] * pixel[3];
      weight += pixel[3];
    }
  }
  for (int c = 0; c < 3; c++) sum[c] = weight > 0 ? sum[c] / weight : 0;
  yuv_of(sum, yuv->range, wanted);
  for (unsigned plane = IMAGE_PLANE_U; plane <= IMAGE_PLANE_V; plane++) {
    assert_near(image_plane_row(&target->planes[plane], y / yuv->chroma_y)[x / yuv->chroma_x], wanted[plane]);
  }
}

static void assert_converted(const struct image *pixels, const struct image *target, const struct rectangle *area) {
  for (uint32_t y = area->y; y < area->y + area->height; y++) {
    for (uint32_t x = area->x; x < area->x + area->width; x++) {
      const uint8_t *pixel = image_row(pixels, y) + (size_t)x * 4;
      const double exact[3] = {pixel[0], pixel[1], pixel[2]};
      double wanted[3];
      yuv_of(exact, target->yuv.range, wanted);
      assert_near(image_plane_row(&target->planes[IMAGE_PLANE_Y], y)[x], wanted[0]);
      if (target->has_alpha) assert_int_equal(image_plane_row(&target->planes[IMAGE_PLANE_A], y)[x], pixel[3]);
      const bool is_corner = x % target->yuv.chroma_x == 0 && y % target->yuv.chroma_y == 0;
      if (is_corner && !target->yuv.is_grey) assert_block(pixels, target, area, x, y);
    }
  }
}

enum { UNTOUCHED = 0x5A };

static void assert_untouched_outside(const struct image *target, const struct rectangle *area) {
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &target->planes[i];
    const bool is_chroma = i == IMAGE_PLANE_U || i == IMAGE_PLANE_V;
    const uint32_t across = is_chroma ? target->yuv.chroma_x : 1, down = is_chroma ? target->yuv.chroma_y : 1;
    for (uint32_t y = 0; y < plane->height; y++) {
      for (uint32_t x = 0; x < plane->width; x++) {
        const bool is_inside = x * across >= area->x && x * across < area->x + area->width && y * down >= area->y &&
                               y * down < area->y + area->height;
        if (!is_inside) assert_int_equal(image_plane_row(plane, y)[x], UNTOUCHED);
      }
    }
  }
}

static void check_rectangle(struct image_yuv yuv, bool has_alpha, const struct rectangle *area, uint32_t *random) {
  struct image *target, *pixels = random_rgba(yuv.width, yuv.height, has_alpha, random);
  yuv.has_alpha = has_alpha;
  assert_int_equal(image_create_yuv(&yuv, &target), BASE_OK);
  for (size_t i = 0; i < target->bytes; i++) target->pixels[i] = UNTOUCHED;
  image_convert_to_yuv(pixels, area->x, area->y, area->width, area->height, target);
  assert_converted(pixels, target, area);
  assert_untouched_outside(target, area);
  image_unref(&target);
  image_unref(&pixels);
}

static void pixels_become_planes_weighted_by_alpha_at_every_small_size(void **state) {
  (void)state;
  static const uint8_t blocks[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}};
  uint32_t random = 6;
  for (uint32_t width = 1; width <= 9; width++) {
    for (uint32_t height = 1; height <= 5; height++) {
      const struct rectangle area = {4, 2, width, height};
      for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct image_yuv yuv = {.width = width + 7, .height = height + 5};
        yuv.range = (width + height) & 1 ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL;
        yuv.chroma_x = blocks[i][0];
        yuv.chroma_y = blocks[i][1];
        check_rectangle(yuv, false, &area, &random);
        check_rectangle(yuv, true, &area, &random);
        yuv.is_grey = true;
        check_rectangle(yuv, true, &area, &random);
      }
    }
  }
}

// More blocks than are taken at a time.
static void pixels_become_planes_in_long_rows(void **state) {
  (void)state;
  uint32_t random = 7;
  const struct image_yuv yuv = {.width = 1237, .height = 3, .range = IMAGE_RANGE_LIMITED, .chroma_x = 2, .chroma_y = 2};
  const struct rectangle all = {0, 0, yuv.width, yuv.height};
  check_rectangle(yuv, false, &all, &random);
  check_rectangle(yuv, true, &all, &random);
}

static void there_and_back_loses_at_most_two_steps_when_the_range_is_full(void **state) {
  (void)state;
  uint32_t random = 8;
  const struct image_yuv yuv = {.width = 300, .height = 20, .chroma_x = 1, .chroma_y = 1};
  struct image *target, *back, *pixels = random_rgba(yuv.width, yuv.height, false, &random);
  assert_int_equal(image_create_yuv(&yuv, &target), BASE_OK);
  image_convert_to_yuv(pixels, 0, 0, yuv.width, yuv.height, target);
  assert_int_equal(image_convert_to_rgba(target, &back), BASE_OK);
  for (uint32_t y = 0; y < yuv.height; y++) {
    for (uint32_t x = 0; x < yuv.width * 4; x++) {
      assert_in_range(abs(image_row(pixels, y)[x] - image_row(back, y)[x]), 0, 2);
    }
  }
  image_unref(&target);
  image_unref(&back);
  image_unref(&pixels);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(colours_are_rounded_to_nearest_in_both_ranges),
      cmocka_unit_test(known_colours_have_their_standard_values),
      cmocka_unit_test(planes_become_pixels_rounded_to_nearest),
      cmocka_unit_test(pixels_become_planes_weighted_by_alpha_at_every_small_size),
      cmocka_unit_test(pixels_become_planes_in_long_rows),
      cmocka_unit_test(there_and_back_loses_at_most_two_steps_when_the_range_is_full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
