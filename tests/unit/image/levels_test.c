// Levels against the mean of every box, in double precision.
#include "image/levels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image/header.h"
#include "random_picture.h"

enum { MOST_SIDE = 20 };

// ... 2 1 0 | 0 1 2 ... side-1 | side-1 side-2 ...: stepped, not computed.
static uint32_t mirrored(uint32_t at, uint32_t side) {
  uint32_t position = 0;
  int step = 1;
  for (uint32_t i = 0; i < at; i++) {
    if (step > 0 && position == side - 1) {
      step = -1;
    } else if (step < 0 && position == 0) {
      step = 1;
    } else {
      position = (uint32_t)((int)position + step);
    }
  }
  return position;
}

static void assert_plane(const struct image_plane *source, const struct image_plane *level, unsigned shrink) {
  assert_int_equal(level->width, image_shrunk_side(source->width, shrink));
  assert_int_equal(level->height, image_shrunk_side(source->height, shrink));
  for (uint32_t y = 0; y < level->height; y++) {
    for (uint32_t x = 0; x < level->width; x++) {
      double sum = 0;
      for (uint32_t j = 0; j < shrink; j++) {
        const uint8_t *row = image_plane_row(source, mirrored(y * shrink + j, source->height));
        for (uint32_t i = 0; i < shrink; i++) sum += row[mirrored(x * shrink + i, source->width)];
      }
      assert_int_equal(image_plane_row(level, y)[x], (int)floor(sum / (shrink * shrink) + 0.5));
    }
  }
}

static void assert_pixel(const struct image *source, uint32_t x, uint32_t y, unsigned shrink, const uint8_t *got) {
  double colour[3] = {0}, alpha = 0;
  for (uint32_t j = 0; j < shrink; j++) {
    for (uint32_t i = 0; i < shrink; i++) {
      const uint8_t *pixel = image_row(source, mirrored(y * shrink + j, source->height)) +
                             (size_t)mirrored(x * shrink + i, source->width) * 4;
      for (int c = 0; c < 3; c++) colour[c] += (double)pixel[c] * pixel[3];
      alpha += pixel[3];
    }
  }
  const int mean = (int)floor(alpha / (shrink * shrink) + 0.5);
  assert_int_equal(got[3], mean);
  for (int c = 0; c < 3; c++) assert_int_equal(got[c], mean == 0 ? 0 : (int)floor(colour[c] / alpha + 0.5));
}

static void assert_level(const struct image *source, const struct image *level, unsigned shrink) {
  assert_int_equal(level->format, source->format);
  assert_int_equal(level->has_alpha, source->has_alpha);
  assert_int_equal(level->width, image_shrunk_side(source->width, shrink));
  assert_int_equal(level->height, image_shrunk_side(source->height, shrink));
  if (source->format == IMAGE_YUV) {
    assert_int_equal(level->yuv.range, source->yuv.range);
    assert_int_equal(level->yuv.chroma_x, source->yuv.chroma_x);
    assert_int_equal(level->yuv.chroma_y, source->yuv.chroma_y);
    assert_int_equal(level->yuv.is_grey, source->yuv.is_grey);
    for (size_t i = 0; i < IMAGE_MAX_PLANES; i++) assert_plane(&source->planes[i], &level->planes[i], shrink);
    return;
  }
  for (uint32_t y = 0; y < level->height; y++) {
    for (uint32_t x = 0; x < level->width; x++) {
      assert_pixel(source, x, y, shrink, image_row(level, y) + (size_t)x * 4);
    }
  }
}

static void check_all(struct image *source) {
  struct image *levels[IMAGE_LEVELS];
  assert_int_equal(image_make_levels(source, (const bool[]){true, true, true}, levels), BASE_OK);
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    assert_level(source, levels[i], image_level_shrink(i));
    image_unref(&levels[i]);
  }
  image_unref(&source);
}

static void levels_of_pixels_are_the_means_of_their_boxes_at_every_size(void **state) {
  (void)state;
  uint32_t random = 1;
  for (uint32_t width = 1; width <= MOST_SIDE; width++) {
    for (uint32_t height = 1; height <= MOST_SIDE; height++) {
      check_all(random_rgba(width, height, false, &random));
      check_all(random_rgba(width, height, true, &random));
    }
  }
}

static void levels_of_planes_are_the_means_of_their_boxes_at_every_size(void **state) {
  (void)state;
  static const struct image_yuv kinds[] = {
      {.chroma_x = 2, .chroma_y = 2},
      {.chroma_x = 2, .chroma_y = 1, .range = IMAGE_RANGE_LIMITED},
      {.chroma_x = 1, .chroma_y = 1},
      {.chroma_x = 1, .chroma_y = 2},
      {.chroma_x = 4, .chroma_y = 1},
      {.chroma_x = 1, .chroma_y = 1, .is_grey = true},
      {.chroma_x = 2, .chroma_y = 2, .has_alpha = true},
  };
  uint32_t random = 2;
  for (uint32_t width = 1; width <= MOST_SIDE; width++) {
    for (uint32_t height = 1; height <= MOST_SIDE; height++) {
      for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct image_yuv yuv = kinds[i];
        yuv.width = width;
        yuv.height = height;
        check_all(random_yuv(&yuv, &random));
      }
    }
  }
}

// Wide enough for every vector width and its rest.
static void levels_are_right_in_long_rows(void **state) {
  (void)state;
  uint32_t random = 3;
  const struct image_yuv yuv = {.width = 1237, .height = 11, .chroma_x = 2, .chroma_y = 2};
  check_all(random_yuv(&yuv, &random));
  check_all(random_rgba(613, 9, false, &random));
  check_all(random_rgba(613, 9, true, &random));
}

static void sums_do_not_overflow_when_every_sample_is_255(void **state) {
  (void)state;
  struct image *image;
  assert_int_equal(image_create(40, 24, true, &image), BASE_OK);
  image_fill(image, (const uint8_t[]){255, 255, 255, 255});
  check_all(image);
  const struct image_yuv yuv = {.width = 40, .height = 24, .chroma_x = 1, .chroma_y = 1};
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  for (size_t i = 0; i < image->bytes; i++) image->pixels[i] = 255;
  check_all(image);
}

static void a_level_is_the_same_whichever_others_are_made(void **state) {
  (void)state;
  uint32_t random = 4;
  struct image *source = random_rgba(37, 29, true, &random);
  for (unsigned mask = 0; mask < 1u << IMAGE_LEVELS; mask++) {
    const bool wanted[] = {mask & 1, mask & 2, mask & 4};
    struct image *levels[IMAGE_LEVELS];
    assert_int_equal(image_make_levels(source, wanted, levels), BASE_OK);
    for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
      assert_int_equal(levels[i] != NULL, wanted[i]);
      if (levels[i]) assert_level(source, levels[i], image_level_shrink(i));
      image_unref(&levels[i]);
    }
  }
  image_unref(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(levels_of_pixels_are_the_means_of_their_boxes_at_every_size),
      cmocka_unit_test(levels_of_planes_are_the_means_of_their_boxes_at_every_size),
      cmocka_unit_test(levels_are_right_in_long_rows),
      cmocka_unit_test(sums_do_not_overflow_when_every_sample_is_255),
      cmocka_unit_test(a_level_is_the_same_whichever_others_are_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
