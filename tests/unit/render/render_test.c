// From originals to products with the real decoder and resampler.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "rig.h"

// 4352 x 2448, so that the widths below give heights that a grid of five divides.
#define PHOTOGRAPH "/usr/share/backgrounds/Bridge_by_Sander_Klootwijk.jpg"

static const uint8_t red[4] = {255, 0, 0, 255}, green[4] = {0, 255, 0, 255}, blue[4] = {0, 0, 255, 255},
                     white[4] = {255, 255, 255, 255}, grey[4] = {128, 128, 128, 255}, clear[4] = {0, 0, 0, 0};

static struct recipe wish(uint32_t width, uint32_t height, enum image_fit fit, enum recipe_format format) {
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = width;
  recipe.height = height;
  recipe.fit = fit;
  recipe.format = format;
  return recipe;
}

static void paint(struct image *image, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1, const uint8_t rgba[4]) {
  for (uint32_t y = y0; y < y1; y++) {
    for (uint32_t x = x0; x < x1; x++) memcpy(image_row(image, y) + (size_t)x * 4, rgba, 4);
  }
}

// Quarters: red, green / blue, white.
static struct image *quarters(uint32_t width, uint32_t height) {
  struct image *image;
  assert_int_equal(image_create(width, height, false, &image), BASE_OK);
  paint(image, 0, 0, width / 2, height / 2, red);
  paint(image, width / 2, 0, width, height / 2, green);
  paint(image, 0, height / 2, width / 2, height, blue);
  paint(image, width / 2, height / 2, width, height, white);
  return image;
}

// A transparent picture with a red middle.
static struct image *island(uint32_t side) {
  struct image *image;
  assert_int_equal(image_create(side, side, true, &image), BASE_OK);
  image_fill(image, clear);
  paint(image, side / 4, side / 4, side * 3 / 4, side * 3 / 4, red);
  return image;
}

// The mean of one channel over a cell of a grid x grid raster.
static double cell_mean(const struct image *image, unsigned grid, unsigned column, unsigned row, unsigned channel) {
  const uint32_t x0 = image->width * column / grid, x1 = image->width * (column + 1) / grid;
  const uint32_t y0 = image->height * row / grid, y1 = image->height * (row + 1) / grid;
  double sum = 0;
  for (uint32_t y = y0; y < y1; y++) {
    for (uint32_t x = x0; x < x1; x++) sum += image_row(image, y)[(size_t)x * 4 + channel];
  }
  return sum / ((double)(x1 - x0) * (y1 - y0));
}

static void assert_looks_alike(const struct image *a, const struct image *b, double tolerance) {
  enum { GRID = 5 };
  for (unsigned i = 0; i < GRID * GRID * 3; i++) {
    const unsigned column = i / 3 % GRID, row = i / 3 / GRID, channel = i % 3;
    const double difference = cell_mean(a, GRID, column, row, channel) - cell_mean(b, GRID, column, row, channel);
    if (difference > tolerance || difference < -tolerance) {
      fail_msg("cell %u,%u channel %u differs by %.1f", column, row, channel, difference);
    }
  }
}

static void makes_every_size_and_format_of_a_photograph_in_one_order(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = rig_store_file(rig, PHOTOGRAPH);
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(1200, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_JPEG));
  rig_order_add(&order, wish(400, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
  rig_order_add(&order, wish(80, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
  rig_order_add(&order, wish(300, 300, IMAGE_FIT_COVER, RECIPE_FORMAT_WEBP));
  rig_order_run(&order, rig->render);

  struct image *large = rig_open_product(&order.products[0]);
  struct image *middle = rig_open_product(&order.products[1]);
  struct image *small = rig_open_product(&order.products[2]);
  struct image *square = rig_open_product(&order.products[3]);
  assert_int_equal(large->width, 1200);
  assert_int_equal(middle->width, 400);
  assert_int_equal(small->width, 80);
  assert_true(square->width == 300 && square->height == 300);
  // Made from three different levels, and yet the same picture.
  assert_looks_alike(large, middle, 1.5);
  assert_looks_alike(large, small, 1.5);
  image_unref(&large);
  image_unref(&middle);
  image_unref(&small);
  image_unref(&square);
  assert_int_equal(rig_count_spans(&order, "decode"), 1);
  assert_int_equal(rig_count_spans(&order, "resample"), 1);

  struct rig_order again;
  rig_order_init(&again, &original);
  rig_order_add(&again, order.recipes[1]);
  rig_order_run(&again, rig->render);
  assert_true(integrity_digest_equal(&again.products[0].digest, &order.products[1].digest));
  rig_order_finish(&again);
  rig_order_finish(&order);
}

static void stands_upright_whatever_the_exif_orientation(void **state) {
  struct rig *rig = *state;
  // Where the corners (left top, right top, left bottom, right bottom) of the stored picture end up.
  static const uint8_t *const corners[9][4] = {
      {0},
      {red, green, blue, white},
      {green, red, white, blue},
      {white, blue, green, red},
      {blue, white, red, green},
      {red, blue, green, white},
      {blue, red, white, green},
      {white, green, blue, red},
      {green, white, red, blue},
  };
  struct image *image = quarters(96, 64);
  for (unsigned orientation = 1; orientation <= 8; orientation++) {
    const struct rig_original original = rig_store_picture(rig, image, CODEC_JPEG, orientation);
    struct rig_order order;
    rig_order_init(&order, &original);
    rig_order_add(&order, wish(0, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
    rig_order_add(&order, wish(30, 30, IMAGE_FIT_FILL, RECIPE_FORMAT_PNG));
    rig_order_run(&order, rig->render);
    struct image *whole = rig_open_product(&order.products[0]);
    struct image *small = rig_open_product(&order.products[1]);
    assert_int_equal(whole->width, orientation < 5 ? 96 : 64);
    assert_int_equal(whole->height, orientation < 5 ? 64 : 96);
    for (unsigned i = 0; i < 4; i++) {
      const uint8_t *colour = corners[orientation][i];
      rig_assert_pixel(whole, i % 2 ? whole->width - 3 : 2, i / 2 ? whole->height - 3 : 2, colour, 12);
      rig_assert_pixel(small, i % 2 ? 27 : 2, i / 2 ? 27 : 2, colour, 12);
    }
    image_unref(&whole);
    image_unref(&small);
    rig_order_finish(&order);
  }
  image_unref(&image);
}

static void takes_the_same_part_when_made_from_a_level(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(1601, 803);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_JPEG, 1);
  struct recipe recipe = wish(50, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG);
  recipe.has_crop = true;
  recipe.crop_x = 816;
  recipe.crop_width = 785;
  recipe.crop_height = 385;
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, recipe);
  rig_order_run(&order, rig->render);
  struct image *result = rig_open_product(&order.products[0]);
  for (uint32_t x = 0; x < result->width; x += 7) {
    rig_assert_pixel(result, x, 0, green, 4);
    rig_assert_pixel(result, x, result->height - 1, green, 4);
  }
  image_unref(&result);
  rig_order_finish(&order);
  image_unref(&image);
}

static void pads_with_the_background_when_contained(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(80, 40);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  struct rig_order order;
  struct recipe recipe = wish(60, 60, IMAGE_FIT_CONTAIN, RECIPE_FORMAT_PNG);
  memcpy(recipe.background, grey, 3);
  rig_order_init(&order, &original);
  rig_order_add(&order, recipe);
  rig_order_run(&order, rig->render);
  struct image *result = rig_open_product(&order.products[0]);
  assert_true(result->width == 60 && result->height == 60);
  rig_assert_pixel(result, 0, 0, grey, 0);
  rig_assert_pixel(result, 59, 13, grey, 0);  // 14 to 43: the picture begins at an even row
  rig_assert_pixel(result, 30, 45, grey, 0);
  rig_assert_pixel(result, 0, 16, red, 1);
  rig_assert_pixel(result, 59, 43, white, 1);
  image_unref(&result);
  rig_order_finish(&order);
  image_unref(&image);
}

static void keeps_alpha_where_the_format_can_and_flattens_where_not(void **state) {
  struct rig *rig = *state;
  struct image *image = island(40);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  struct rig_order order;
  struct recipe jpeg = wish(20, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_JPEG);
  memcpy(jpeg.background, blue, 3);
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(20, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
  rig_order_add(&order, wish(20, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
  rig_order_add(&order, jpeg);
  jpeg.quality = 95;  // is not lowered to stay below the size of the original
  jpeg.width = 40;    // the source's own size: flattened without touching the source of the one after
  rig_order_add(&order, jpeg);
  rig_order_add(&order, wish(40, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
  rig_order_run(&order, rig->render);
  for (int i = 0; i < 5; i++) {
    struct image *result = rig_open_product(&order.products[i]);
    const bool is_jpeg = i == 2 || i == 3;
    assert_int_equal(result->has_alpha, !is_jpeg);
    if (is_jpeg) {
      rig_assert_pixel(result, 1, 1, blue, 12);
    } else {
      assert_int_equal(image_row(result, 1)[1 * 4 + 3], 0);
    }
    rig_assert_pixel(result, result->width / 2, result->height / 2, red, 10);
    image_unref(&result);
  }
  rig_order_finish(&order);
  image_unref(&image);
}

static void drops_alpha_when_no_pixel_uses_it(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(16, 16);
  image->has_alpha = true;
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  assert_true(original.header.has_alpha);
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(8, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
  rig_order_run(&order, rig->render);
  struct image *result = rig_open_product(&order.products[0]);
  assert_false(result->has_alpha);
  image_unref(&result);
  rig_order_finish(&order);
  image_unref(&image);
}

static int64_t resample_jobs(struct rig *rig) {
  int64_t jobs = 0;
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    char labels[32];
    snprintf(labels, sizeof labels, "kernel=\"%s\"", resample_kernel_name((enum resample_kernel)kernel));
    jobs += rig_counter(rig, "pixpop_resample_jobs_total", labels);
  }
  return jobs;
}

static void needs_no_resampler_when_nothing_changes(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(33, 17);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  const int64_t jobs = resample_jobs(rig);
  struct rig_order order;
  rig_order_init(&order, &original);
  rig_order_add(&order, wish(0, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_PNG));
  rig_order_run(&order, rig->render);
  assert_int_equal(resample_jobs(rig), jobs);
  struct image *result = rig_open_product(&order.products[0]);
  for (uint32_t y = 0; y < 17; y++) assert_memory_equal(image_row(result, y), image_row(image, y), 33 * 4);
  image_unref(&result);
  rig_order_finish(&order);
  image_unref(&image);
}

static void fails_alone_when_only_one_recipe_is_impossible(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(64, 64);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_JPEG, 1);
  struct rig_order order;
  struct recipe huge = wish(8192, 0, IMAGE_FIT_FILL, RECIPE_FORMAT_WEBP);
  huge.dpr_milli = 4000;
  rig_order_init(&order, &original);
  rig_order_add(&order, huge);
  rig_order_add(&order, wish(32, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
  rig_order_add(&order, wish(32, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_AVIF));
  rig_order_run(&order, rig->render);
  assert_int_equal(order.products[0].fault.result, BASE_UNPROCESSABLE);
  assert_int_equal(order.products[2].fault.result, BASE_OK);
  struct image *result = rig_open_product(&order.products[1]);
  rig_assert_pixel(result, 2, 2, red, 12);
  image_unref(&result);
  rig_order_finish(&order);
  image_unref(&image);
}

static void fails_all_when_the_original_is_damaged_or_gone(void **state) {
  struct rig *rig = *state;
  struct base_buffer file;
  struct base_fault fault = {0};
  assert_int_equal(base_file_read(PHOTOGRAPH, 64 << 20, &file, &fault), BASE_OK);
  struct rig_original original = rig_store(rig, base_span_of(file.data, file.bytes / 2));
  base_buffer_finish(&file);
  for (int i = 0; i < 2; i++) {
    struct rig_order order;
    if (i == 1) original.id.bytes[0] ^= 1;
    rig_order_init(&order, &original);
    rig_order_add(&order, wish(1000, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
    rig_order_add(&order, wish(32, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
    rig_order_run(&order, rig->render);
    for (int j = 0; j < 2; j++) {
      assert_int_equal(order.products[j].fault.result, i ? BASE_NOT_FOUND : BASE_UNPROCESSABLE);
      assert_null(order.products[j].blob);
    }
    rig_order_finish(&order);
  }
}

// Holds a render thread until it is let go, then says that nobody waits any more.
struct gate {
  struct rig_order *order;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_reached, is_open;
};

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool wait_at_gate(void *self) {
  (void)self;
  pthread_mutex_lock(&gate.lock);
  gate.is_reached = true;
  pthread_cond_broadcast(&gate.changed);
  while (!gate.is_open) pthread_cond_wait(&gate.changed, &gate.lock);
  pthread_mutex_unlock(&gate.lock);
  return true;
}

static void refuses_when_the_queue_is_full_and_drops_what_nobody_wants(void **state) {
  struct rig *rig = *state;
  struct image *image = quarters(16, 16);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_PNG, 1);
  struct render_config config = rig_config(rig);
  config.threads = 1;
  config.queue_limit = 1;
  struct render *render = rig_render(&config);
  struct rig_order orders[3];
  for (int i = 0; i < 3; i++) {
    rig_order_init(&orders[i], &original);
    rig_order_add(&orders[i], wish(8, 0, IMAGE_FIT_INSIDE, RECIPE_FORMAT_WEBP));
  }
  orders[0].order.is_cancelled = wait_at_gate;
  assert_int_equal(rig_order_submit(&orders[0], render), BASE_OK);
  pthread_mutex_lock(&gate.lock);
  while (!gate.is_reached) pthread_cond_wait(&gate.changed, &gate.lock);
  pthread_mutex_unlock(&gate.lock);
  assert_int_equal(rig_order_submit(&orders[1], render), BASE_OK);
  assert_int_equal(rig_order_submit(&orders[2], render), BASE_BUSY);
  pthread_mutex_lock(&gate.lock);
  gate.is_open = true;
  pthread_cond_broadcast(&gate.changed);
  pthread_mutex_unlock(&gate.lock);
  render_destroy(&render);  // finishes what was accepted
  assert_int_equal(orders[0].done, 1);
  assert_int_equal(orders[1].done, 1);
  assert_int_equal(orders[2].done, 0);
  assert_int_equal(orders[0].products[0].fault.result, BASE_CANCELLED);
  assert_null(orders[0].products[0].blob);
  assert_int_equal(orders[1].products[0].fault.result, BASE_OK);
  for (int i = 0; i < 3; i++) rig_order_finish(&orders[i]);
  image_unref(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(makes_every_size_and_format_of_a_photograph_in_one_order),
      cmocka_unit_test(stands_upright_whatever_the_exif_orientation),
      cmocka_unit_test(takes_the_same_part_when_made_from_a_level),
      cmocka_unit_test(pads_with_the_background_when_contained),
      cmocka_unit_test(keeps_alpha_where_the_format_can_and_flattens_where_not),
      cmocka_unit_test(drops_alpha_when_no_pixel_uses_it),
      cmocka_unit_test(needs_no_resampler_when_nothing_changes),
      cmocka_unit_test(fails_alone_when_only_one_recipe_is_impossible),
      cmocka_unit_test(fails_all_when_the_original_is_damaged_or_gone),
      cmocka_unit_test(refuses_when_the_queue_is_full_and_drops_what_nobody_wants),
  };
  const struct CMUnitTest on_a_device[] = {
      cmocka_unit_test(makes_every_size_and_format_of_a_photograph_in_one_order),
      cmocka_unit_test(stands_upright_whatever_the_exif_orientation),
      cmocka_unit_test(keeps_alpha_where_the_format_can_and_flattens_where_not),
  };
  const int failed = cmocka_run_group_tests_name("cpu", tests, rig_setup, rig_teardown);
  return failed + cmocka_run_group_tests_name("vulkan", on_a_device, rig_setup_vulkan, rig_teardown);
}
