// A real photograph's variants beside the double-precision oracle, and those from levels beside those from the whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "image/convert.h"
#include "image/levels.h"
#include "resample_oracle.h"
#include "rig.h"
#include "ssim.h"

#define PHOTOGRAPH "/usr/share/backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg"

enum { PHOTOGRAPH_WIDTH = 3088, PHOTOGRAPH_HEIGHT = 2056, BYTES_A_PIXEL = 4 };

static struct image *decode(struct rig *rig, const struct rig_original *original) {
  int fd;
  struct image *image;
  assert_int_equal(store_original_open(rig->store, &original->id, &fd, NULL), BASE_OK);
  assert_int_equal(sandbox_decode(rig->sandbox, fd, &original->header, &image, NULL), BASE_OK);
  base_fd_close(&fd);
  return image;
}

static struct image *level_of(struct image *full, unsigned level) {
  if (level == 0) return image_ref(full);
  bool wanted[IMAGE_LEVELS] = {false};
  struct image *levels[IMAGE_LEVELS];
  wanted[level - 1] = true;
  assert_int_equal(image_make_levels(full, wanted, levels), BASE_OK);
  return levels[level - 1];
}

static struct resample_job job_of(struct rig *rig, struct image *image, unsigned level, struct image *target) {
  struct resample_job job = {
      .rect = {0, 0, (double)PHOTOGRAPH_WIDTH / (1u << level), (double)PHOTOGRAPH_HEIGHT / (1u << level)},
      .orientation = IMAGE_UPRIGHT,
      .width = target->width,
      .height = target->height,
      .target = target,
      .filter = RESAMPLE_BICUBIC,
  };
  assert_int_equal(resample_source_create(rig->resampler, image, &job.source, NULL), BASE_OK);
  return job;
}

// The product of `width` as PNG, lossless, so that only the resampler is judged.
static struct image *make(struct rig *rig, const struct rig_original *original, uint32_t width) {
  struct rig_order order;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = width;
  recipe.format = RECIPE_FORMAT_PNG;
  rig_order_init(&order, original);
  rig_order_add(&order, recipe);
  rig_order_run(&order, rig->render);
  struct image *product = rig_open_product(&order.products[0]);
  assert_int_equal(product->width, width);
  rig_order_finish(&order);
  return product;
}

// By the rule "at least twice the result": 400 is made from 1/2 (1544, since 772 < 800), 190 from 1/8, 1200 from the
// whole.
static const struct {
  uint32_t width;
  unsigned level;
} cases[] = {{190, 3}, {350, 2}, {400, 1}, {1200, 0}};

static void matches_the_oracle_when_made_from_rgba(void **state) {
  struct rig *rig = *state;
  const struct rig_original photograph = rig_store_file(rig, PHOTOGRAPH);
  struct image *planes = decode(rig, &photograph);
  assert_int_equal(planes->width, PHOTOGRAPH_WIDTH);
  assert_int_equal(planes->height, PHOTOGRAPH_HEIGHT);
  struct image *full = rig_to_rgba(planes);
  const struct rig_original original = rig_store_picture(rig, full, CODEC_PNG, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct image *product = make(rig, &original, cases[i].width);
    struct image *level = level_of(full, cases[i].level);
    struct resample_job job = job_of(rig, level, cases[i].level, product);
    struct resample_oracle *expected = resample_oracle_create(&job);
    assert_true(resample_oracle_difference(expected, &job) <= 1);
    assert_true(resample_oracle_psnr(expected, &job) >= 57);
    resample_oracle_destroy(&expected);
    resample_source_unref(&job.source);
    image_unref(&level);
    image_unref(&product);
  }
  image_unref(&full);
  image_unref(&planes);
}

static struct image *full_planes(uint32_t width, uint32_t height) {
  const struct image_yuv yuv = {
      .width = width, .height = height, .range = IMAGE_RANGE_FULL, .chroma_x = 1, .chroma_y = 1};
  struct image *image;
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  return image;
}

static int worst_difference(const struct image *a, const struct image *b) {
  int worst = 0;
  for (uint32_t y = 0; y < a->height; y++) {
    for (size_t x = 0; x < (size_t)a->width * BYTES_A_PIXEL; x++) {
      const int difference = abs(image_row(a, y)[x] - image_row(b, y)[x]);
      if (difference > worst) worst = difference;
    }
  }
  return worst;
}

static uint8_t rounded(double value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5); }

static void matches_the_oracle_when_made_from_planes(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = rig_store_file(rig, PHOTOGRAPH);
  struct image *full = decode(rig, &original);
  assert_int_equal(full->format, IMAGE_YUV);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct image *product = make(rig, &original, cases[i].width);
    struct image *level = level_of(full, cases[i].level), *planes = full_planes(product->width, product->height), *rgba;
    struct resample_job job = job_of(rig, level, cases[i].level, planes);
    struct resample_oracle *expected = resample_oracle_create(&job);
    for (unsigned plane = IMAGE_PLANE_Y; plane <= IMAGE_PLANE_V; plane++) {
      for (uint32_t y = 0; y < planes->height; y++) {
        uint8_t *row = image_plane_row(&planes->planes[plane], y);
        for (uint32_t x = 0; x < planes->width; x++) row[x] = rounded(resample_oracle_at(expected, plane, x, y));
      }
    }
    assert_int_equal(image_convert_to_rgba(planes, &rgba), BASE_OK);
    assert_true(worst_difference(rgba, product) <= 4);  // a step of each plane, through the colour matrix, and rounding
    resample_oracle_destroy(&expected);
    resample_source_unref(&job.source);
    image_unref(&rgba);
    image_unref(&planes);
    image_unref(&level);
    image_unref(&product);
  }
  image_unref(&full);
}

static double luma_ssim(const struct image *a, const struct image *b) {
  uint8_t *x = ssim_luma(a->pixels, BYTES_A_PIXEL, a->stride_bytes, a->width, a->height);
  uint8_t *y = ssim_luma(b->pixels, BYTES_A_PIXEL, b->stride_bytes, b->width, b->height);
  const struct ssim_plane first = {x, 1, a->width}, second = {y, 1, b->width};
  const double similarity = ssim_of(&first, &second, a->width, a->height);
  free(x);
  free(y);
  return similarity;
}

static void is_as_good_as_from_the_whole_when_made_from_a_level(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = rig_store_file(rig, PHOTOGRAPH);
  struct image *full = decode(rig, &original);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct image *product = make(rig, &original, cases[i].width), *rgba;
    struct image *planes = full_planes(product->width, product->height);
    struct resample_job job = job_of(rig, full, 0, planes);
    assert_int_equal(resample_run(rig->resampler, &job, 1, NULL), BASE_OK);
    assert_int_equal(image_convert_to_rgba(planes, &rgba), BASE_OK);
    const double similarity = luma_ssim(product, rgba);
    print_message("width %u from 1/%u: SSIM %.5f\n", product->width, 1u << cases[i].level, similarity);
    assert_true(similarity >= 0.998);
    resample_source_unref(&job.source);
    image_unref(&rgba);
    image_unref(&planes);
    image_unref(&product);
  }
  image_unref(&full);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_the_oracle_when_made_from_rgba),
      cmocka_unit_test(matches_the_oracle_when_made_from_planes),
      cmocka_unit_test(is_as_good_as_from_the_whole_when_made_from_a_level),
  };
  return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
