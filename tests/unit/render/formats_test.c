// What products look like and weigh: AVIF beside WebP, grey, pads, and never more than the original had.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "ssim.h"

#define PHOTOGRAPH "/usr/share/backgrounds/Bridge_by_Sander_Klootwijk.jpg"

static const uint8_t orange[4] = {255, 140, 20, 255}, teal[4] = {10, 120, 110, 255};
static const enum recipe_format formats[] = {RECIPE_FORMAT_WEBP, RECIPE_FORMAT_AVIF, RECIPE_FORMAT_JPEG,
                                             RECIPE_FORMAT_PNG};
enum { FORMATS = sizeof formats / sizeof *formats };

static struct recipe wish(uint32_t width, uint32_t height, enum recipe_format format) {
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = width;
  recipe.height = height;
  recipe.format = format;
  return recipe;
}

// Orange on the left, teal on the right.
static struct image *halves(uint32_t width, uint32_t height, bool has_alpha) {
  struct image *image;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width; x++) {
      memcpy(image_row(image, y) + (size_t)x * 4, x < width / 2 ? orange : teal, 4);
      if (has_alpha && y < height / 2) image_row(image, y)[x * 4 + 3] = 0;
    }
  }
  return image;
}

static struct ssim_plane plane_of(const uint8_t *luma, uint32_t width) {
  return (struct ssim_plane){.samples = luma, .step_bytes = 1, .stride_bytes = width};
}

static double likeness(const struct image *a, const struct image *b) {
  uint8_t *first = ssim_luma(a->pixels, 4, a->stride_bytes, a->width, a->height);
  uint8_t *second = ssim_luma(b->pixels, 4, b->stride_bytes, b->width, b->height);
  const struct ssim_plane planes[] = {plane_of(first, a->width), plane_of(second, b->width)};
  const double ssim = ssim_of(&planes[0], &planes[1], a->width, a->height);
  free(first);
  free(second);
  return ssim;
}

static void avif_looks_like_webp_of_the_same_quality_and_is_smaller(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = rig_store_file(rig, PHOTOGRAPH);
  static const uint8_t qualities[] = {50, 80};
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(640, 0, RECIPE_FORMAT_PNG));
  for (int i = 0; i < 4; i++) {
    struct recipe recipe = wish(640, 0, formats[i % 2]);
    recipe.quality = qualities[i / 2];
    rig_order_add(&order, recipe);
  }
  rig_order_run(&order, rig->render);
  struct image *exact = rig_open_product(&order.products[0]);
  for (int i = 0; i < 2; i++) {
    const struct recipe_product *webp = &order.products[1 + 2 * i], *avif = &order.products[2 + 2 * i];
    struct image *webp_image = rig_open_product(webp), *avif_image = rig_open_product(avif);
    const double lost_by_webp = 1 - likeness(exact, webp_image), lost_by_avif = 1 - likeness(exact, avif_image);
    assert_string_equal(avif->media_type, "image/avif");
    assert_true(avif->blob->bytes < webp->blob->bytes);
    if (lost_by_avif > lost_by_webp * 1.35 || lost_by_avif < lost_by_webp * 0.6) {
      fail_msg("q=%d: 1 - SSIM is %.5f as AVIF, %.5f as WebP", qualities[i], lost_by_avif, lost_by_webp);
    }
    image_unref(&webp_image);
    image_unref(&avif_image);
  }
  image_unref(&exact);
  rig_order_finish(&order);
}

static void avif_keeps_alpha_and_can_be_lossless(void **state) {
  struct rig *rig = *state;
  struct image *image = halves(64, 64, true);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  struct recipe lossless = wish(64, 0, RECIPE_FORMAT_AVIF);
  lossless.lossless = true;
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(64, 0, RECIPE_FORMAT_AVIF));
  rig_order_add(&order, lossless);
  rig_order_run(&order, rig->render);
  struct image *lossy = rig_open_product(&order.products[0]), *exact = rig_open_product(&order.products[1]);
  assert_true(lossy->has_alpha && exact->has_alpha);
  for (uint32_t y = 0; y < 64; y++) {
    assert_memory_equal(image_row(exact, y), image_row(image, y), 64 * 4);
    for (uint32_t x = 0; x < 64; x++) {
      assert_int_equal(image_row(lossy, y)[x * 4 + 3], image_row(image, y)[x * 4 + 3]);
    }
  }
  rig_assert_pixel(lossy, 4, 60, orange, 16);
  rig_assert_pixel(lossy, 60, 60, teal, 16);
  image_unref(&lossy);
  image_unref(&exact);
  image_unref(&image);
  rig_order_finish(&order);
}

// BT.601 luma, rounded.
static int grey_of(const uint8_t rgb[3]) { return (int)(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] + 0.5); }

static void assert_greys(const struct image *image, uint32_t x, uint32_t y, int grey, int tolerance) {
  const uint8_t *pixel = image_row(image, y) + (size_t)x * 4;
  if (abs(pixel[0] - grey) > tolerance || pixel[0] != pixel[1] || pixel[1] != pixel[2]) {
    fail_msg("pixel %u,%u is %u,%u,%u, not grey %d", x, y, pixel[0], pixel[1], pixel[2], grey);
  }
}

// From planes (JPEG) and from pixels (PNG), with and without resampling, the background too.
static void grey_drops_the_colours_in_every_format_alike(void **state) {
  struct rig *rig = *state;
  static const enum codec_output sources[] = {CODEC_JPEG, CODEC_PNG};
  struct image *image = halves(96, 64, false);
  for (int i = 0; i < 4; i++) {
    const struct rig_original original = rig_store_picture(rig, image, sources[i / 2], 1);
    struct rig_order order;
    rig_order_init(&order, &original);
    for (int j = 0; j < FORMATS; j++) {
      struct recipe recipe = wish(i % 2 ? 48 : 96, 0, formats[j]);
      recipe.grey = true;
      recipe.quality = 95;
      recipe.pad_left = 8;
      memcpy(recipe.background, orange, 3);
      rig_order_add(&order, recipe);
    }
    rig_order_run(&order, rig->render);
    for (int j = 0; j < FORMATS; j++) {
      struct image *result = rig_open_product(&order.products[j]);
      // JPEG as a source has its own error, and lossy results have theirs.
      const int tolerance = (sources[i / 2] == CODEC_JPEG ? 1 : 0) + (formats[j] == RECIPE_FORMAT_PNG ? 1 : 3);
      assert_int_equal(result->width, (i % 2 ? 48 : 96) + 8);
      assert_greys(result, 2, 16, grey_of(orange), tolerance);
      assert_greys(result, 16, 16, grey_of(orange), tolerance);
      assert_greys(result, result->width - 6, 16, grey_of(teal), tolerance);
      image_unref(&result);
    }
    rig_order_finish(&order);
  }
  image_unref(&image);
}

// The source is shared with the recipe that comes after.
static void grey_leaves_the_source_alone(void **state) {
  struct rig *rig = *state;
  struct image *image = halves(40, 30, false);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  struct recipe grey = wish(0, 0, RECIPE_FORMAT_PNG);
  grey.grey = true;
  for (int i = 0; i < 2; i++) {
    struct rig_order order;
    rig_order_init(&order, &original);
    rig_order_add(&order, grey);
    rig_order_add(&order, wish(0, 0, RECIPE_FORMAT_PNG));
    rig_order_run(&order, rig->render);
    struct image *first = rig_open_product(&order.products[0]), *second = rig_open_product(&order.products[1]);
    assert_greys(first, 3, 3, grey_of(orange), 1);
    for (uint32_t y = 0; y < 30; y++) assert_memory_equal(image_row(second, y), image_row(image, y), 40 * 4);
    image_unref(&first);
    image_unref(&second);
    rig_order_finish(&order);
  }
  image_unref(&image);
}

static void assert_padded(const struct image *image, const struct recipe *recipe, int tolerance) {
  const uint8_t *pad = recipe->background;
  const uint8_t outside[] = {pad[0], pad[1], pad[2], 255};
  const uint32_t right = image->width - recipe->pad_right, bottom = image->height - recipe->pad_bottom;
  const bool has_first = recipe->pad_left || recipe->pad_top, has_last = recipe->pad_right || recipe->pad_bottom;
  rig_assert_pixel(image, 0, 0, has_first ? outside : orange, tolerance);
  rig_assert_pixel(image, image->width - 1, image->height - 1, has_last ? outside : teal, tolerance);
  rig_assert_pixel(image, recipe->pad_left + 4, recipe->pad_top + 4, orange, tolerance);
  rig_assert_pixel(image, right - 5, bottom - 5, teal, tolerance);
  if (tolerance > 1) return;  // chroma blocks and lossy edges
  rig_assert_pixel(image, recipe->pad_left, recipe->pad_top, orange, tolerance);
  rig_assert_pixel(image, right - 1, bottom - 1, teal, tolerance);
  if (recipe->pad_left) rig_assert_pixel(image, recipe->pad_left - 1u, recipe->pad_top, outside, tolerance);
  if (recipe->pad_bottom) rig_assert_pixel(image, right - 1, bottom, outside, tolerance);
}

static void pads_are_exact_in_every_format_odd_ones_too(void **state) {
  struct rig *rig = *state;
  static const uint16_t pads[][4] = {{10, 20, 30, 40}, {7, 0, 0, 5}, {0, 3, 9, 0}};
  static const enum codec_output sources[] = {CODEC_JPEG, CODEC_PNG};
  struct image *image = halves(64, 48, false);
  for (int i = 0; i < 6; i++) {
    const struct rig_original original = rig_store_picture(rig, image, sources[i % 2], 1);
    struct rig_order order;
    rig_order_init(&order, &original);
    for (int j = 0; j < FORMATS; j++) {
      struct recipe recipe = wish(j % 2 ? 32 : 64, 0, formats[j]);
      recipe.quality = 95;
      recipe.pad_top = pads[i / 2][0];
      recipe.pad_right = pads[i / 2][1];
      recipe.pad_bottom = pads[i / 2][2];
      recipe.pad_left = pads[i / 2][3];
      recipe.background[0] = 30;
      rig_order_add(&order, recipe);
    }
    rig_order_run(&order, rig->render);
    for (int j = 0; j < FORMATS; j++) {
      struct image *result = rig_open_product(&order.products[j]);
      const bool is_exact = formats[j] == RECIPE_FORMAT_PNG && sources[i % 2] == CODEC_PNG;
      assert_int_equal(result->width, (j % 2 ? 32 : 64) + pads[i / 2][1] + pads[i / 2][3]);
      assert_int_equal(result->height, (j % 2 ? 24 : 48) + pads[i / 2][0] + pads[i / 2][2]);
      assert_padded(result, &order.recipes[j], is_exact ? 1 : 24);
      image_unref(&result);
    }
    rig_order_finish(&order);
  }
  image_unref(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(avif_looks_like_webp_of_the_same_quality_and_is_smaller),
      cmocka_unit_test(avif_keeps_alpha_and_can_be_lossless),
      cmocka_unit_test(grey_drops_the_colours_in_every_format_alike),
      cmocka_unit_test(grey_leaves_the_source_alone),
      cmocka_unit_test(pads_are_exact_in_every_format_odd_ones_too),
  };
  return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
