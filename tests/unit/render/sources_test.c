// Where sources come from makes no difference to the bytes: resident, a level from the store, or decoded anew.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "image/levels.h"
#include "rig.h"
#include "store/level.h"

enum { RESIDENT_BYTES = 64 << 20, DISK_BYTES = 256 << 20, RECIPES = 6 };

// A picture with something to see at every scale, the same for the same seed.
static struct image *scene(uint32_t width, uint32_t height, bool has_alpha, bool is_grey) {
  struct image *image;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  for (uint32_t y = 0; y < height; y++) {
    uint8_t *row = image_row(image, y);
    for (uint32_t x = 0; x < width; x++) {
      row[x * 4] = (uint8_t)(x * 255 / width);
      row[x * 4 + 1] = is_grey ? row[x * 4] : (uint8_t)(y * 255 / height);
      row[x * 4 + 2] = is_grey ? row[x * 4] : (uint8_t)((x / 7 + y / 5) % 2 * 200 + x * y % 50);
      row[x * 4 + 3] = has_alpha ? (uint8_t)((x + y) * 255 / (width + height)) : 255;
    }
  }
  return image;
}

static struct recipe wish(uint32_t width, enum recipe_format format, bool lossless) {
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = width;
  recipe.format = format;
  recipe.lossless = lossless;
  return recipe;
}

static void add_all(struct rig_order *order) {
  rig_order_add(order, wish(100, RECIPE_FORMAT_WEBP, false));
  rig_order_add(order, wish(230, RECIPE_FORMAT_JPEG, false));
  rig_order_add(order, wish(320, RECIPE_FORMAT_PNG, false));
  rig_order_add(order, wish(200, RECIPE_FORMAT_WEBP, true));
  rig_order_add(order, wish(900, RECIPE_FORMAT_WEBP, false));
  struct recipe padded = wish(90, RECIPE_FORMAT_WEBP, false);
  padded.height = 201;
  padded.fit = IMAGE_FIT_CONTAIN;
  padded.filter = RECIPE_FILTER_LANCZOS3;
  rig_order_add(order, padded);
}

struct path {
  unsigned decodes, levels;
};

// Runs an order of all recipes; remembers or compares the digests.
static struct path run_all(struct rig *rig, struct render *render, const struct rig_original *original,
                           struct integrity_digest digests[RECIPES], bool is_first) {
  struct rig_order order;
  (void)rig;
  rig_order_init(&order, original);
  add_all(&order);
  rig_order_run(&order, render);
  for (int i = 0; i < RECIPES; i++) {
    struct image *image = rig_open_product(&order.products[i]);
    image_unref(&image);
    if (is_first) digests[i] = order.products[i].digest;
    assert_true(integrity_digest_equal(&digests[i], &order.products[i].digest));
  }
  const struct path path = {rig_count_spans(&order, "decode"), rig_count_spans(&order, "level")};
  rig_order_finish(&order);
  return path;
}

static bool has_all_levels(struct rig *rig, const struct rig_original *original) {
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    if (!store_level_exists(rig->store, &original->id, image_level_shrink(i))) return false;
  }
  return true;
}

static void remove_levels(struct rig *rig) {
  rig_reopen_store(rig, 0);  // evicts all
  rig_reopen_store(rig, DISK_BYTES);
}

static struct render *render_of(struct rig *rig, uint64_t resident_bytes) {
  struct render_config config = rig_config(rig);
  config.resident_bytes = resident_bytes;
  return rig_render(&config);
}

static void assert_same_over_all_paths(struct rig *rig, const struct rig_original *original) {
  struct integrity_digest digests[RECIPES];
  // Decoded anew, which leaves the levels in the store.
  render_destroy(&rig->render);
  struct render *render = render_of(rig, 0);
  struct path path = run_all(rig, render, original, digests, true);
  assert_int_equal(path.decodes, 1);
  render_destroy(&render);  // the levels are kept by then
  assert_true(has_all_levels(rig, original));
  // From the store, after a restart; 900 pixels of 1100 want the whole.
  rig_reopen_store(rig, DISK_BYTES);
  render = render_of(rig, RESIDENT_BYTES);
  struct rig_order small;
  rig_order_init(&small, original);
  rig_order_add(&small, wish(100, RECIPE_FORMAT_WEBP, false));
  rig_order_add(&small, wish(230, RECIPE_FORMAT_JPEG, false));
  rig_order_run(&small, render);
  assert_int_equal(rig_count_spans(&small, "decode"), 0);
  assert_true(rig_count_spans(&small, "level") > 0);
  for (int i = 0; i < 2; i++) assert_true(integrity_digest_equal(&digests[i], &small.products[i].digest));
  rig_order_finish(&small);
  // Some resident, the whole decoded.
  path = run_all(rig, render, original, digests, false);
  assert_int_equal(path.decodes, 1);
  // All resident.
  path = run_all(rig, render, original, digests, false);
  assert_int_equal(path.decodes + path.levels, 0);
  render_destroy(&render);
  // Anew, when everything has been evicted.
  remove_levels(rig);
  assert_false(has_all_levels(rig, original));
  render = render_of(rig, RESIDENT_BYTES);
  path = run_all(rig, render, original, digests, false);
  assert_int_equal(path.decodes, 1);
  render_destroy(&render);
  assert_true(has_all_levels(rig, original));
  rig->render = render_of(rig, 0);
}

static void gives_the_same_bytes_over_every_path(void **state) {
  struct rig *rig = *state;
  static const struct {
    enum codec_output output;
    bool has_alpha, is_grey;
    unsigned orientation;
  } originals[] = {
      {CODEC_JPEG, false, false, 1}, {CODEC_JPEG, false, false, 6}, {CODEC_JPEG, false, true, 1},
      {CODEC_PNG, false, false, 1},  {CODEC_PNG, true, false, 1},
  };
  for (size_t i = 0; i < sizeof originals / sizeof *originals; i++) {
    // Odd sides, so that the levels' last boxes reach over the edge.
    struct image *image = scene(1101, 999 + (uint32_t)i * 2, originals[i].has_alpha, originals[i].is_grey);
    const struct rig_original original = rig_store_picture(rig, image, originals[i].output, originals[i].orientation);
    assert_same_over_all_paths(rig, &original);
    image_unref(&image);
  }
}

static struct rig_original store_scene(struct rig *rig, uint32_t width, uint32_t height, enum codec_output output) {
  struct image *image = scene(width, height, false, false);
  const struct rig_original original = rig_store_picture(rig, image, output, 1);
  image_unref(&image);
  return original;
}

static struct integrity_digest run_one(struct render *render, const struct rig_original *original,
                                       const struct recipe *recipe, struct path *path) {
  struct rig_order order;
  rig_order_init(&order, original);
  rig_order_add(&order, *recipe);
  rig_order_run(&order, render);
  assert_int_equal(order.products[0].fault.result, BASE_OK);
  const struct integrity_digest digest = order.products[0].digest;
  *path = (struct path){rig_count_spans(&order, "decode"), rig_count_spans(&order, "level")};
  rig_order_finish(&order);
  return digest;
}

static void leaves_no_levels_of_a_small_original(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = store_scene(rig, 800, 600, CODEC_JPEG);
  const struct recipe recipe = wish(50, RECIPE_FORMAT_WEBP, false);
  struct path path;
  (void)run_one(rig->render, &original, &recipe, &path);
  assert_int_equal(path.decodes, 1);
  struct image *image = scene(800, 600, false, false);
  render_keep_levels(rig->render, &original.id, image);
  image_unref(&image);
  render_destroy(&rig->render);
  for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
    assert_false(store_level_exists(rig->store, &original.id, shrink));
  }
  rig->render = render_of(rig, 0);
}

static struct image *decode(struct rig *rig, const struct rig_original *original) {
  int fd;
  struct image *image;
  assert_int_equal(store_original_open(rig->store, &original->id, &fd, NULL), BASE_OK);
  assert_int_equal(sandbox_decode(rig->sandbox, fd, &original->header, &image, NULL), BASE_OK);
  base_fd_close(&fd);
  return image;
}

static void never_decodes_again_when_the_upload_has_left_levels(void **state) {
  struct rig *rig = *state;
  static const enum codec_output outputs[] = {CODEC_JPEG, CODEC_PNG};
  for (int i = 0; i < 2; i++) {
    struct image *scenery = scene(1200, 900, false, false);
    scenery->has_alpha = outputs[i] == CODEC_PNG;  // of no use: the levels must be made without it
    const struct rig_original original = rig_store_picture(rig, scenery, outputs[i], 1);
    image_unref(&scenery);
    const struct recipe recipe = wish(300, RECIPE_FORMAT_PNG, false);
    struct image *picture = decode(rig, &original);
    render_keep_levels(rig->render, &original.id, picture);
    image_unref(&picture);
    render_destroy(&rig->render);
    assert_true(has_all_levels(rig, &original));
    rig_reopen_store(rig, DISK_BYTES);
    rig->render = render_of(rig, 0);
    struct path path;
    const struct integrity_digest from_level = run_one(rig->render, &original, &recipe, &path);
    assert_int_equal(path.decodes, 0);
    assert_int_equal(path.levels, 1);
    render_destroy(&rig->render);
    remove_levels(rig);
    rig->render = render_of(rig, 0);
    const struct integrity_digest anew = run_one(rig->render, &original, &recipe, &path);
    assert_int_equal(path.decodes, 1);
    assert_true(integrity_digest_equal(&from_level, &anew));
  }
}

static void decodes_again_when_a_level_is_not_what_it_should_be(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = store_scene(rig, 1300, 900, CODEC_JPEG);
  const struct recipe recipe = wish(300, RECIPE_FORMAT_WEBP, false);
  struct path path;
  const struct integrity_digest right = run_one(rig->render, &original, &recipe, &path);
  render_destroy(&rig->render);
  assert_int_equal(path.decodes, 1);
  for (int i = 0; i < 2; i++) {
    // Whole as records, but no level, or the level of something else.
    if (i == 0) {
      assert_int_equal(store_level_put(rig->store, &original.id, 2, base_span_text("not a level"), NULL), BASE_OK);
    } else {
      struct base_blob *other;
      assert_int_equal(store_level_get(rig->store, &original.id, 4, &other, NULL), BASE_OK);
      assert_int_equal(store_level_put(rig->store, &original.id, 2, base_blob_span(other), NULL), BASE_OK);
      base_blob_unref(&other);
    }
    rig->render = render_of(rig, 0);
    const struct integrity_digest digest = run_one(rig->render, &original, &recipe, &path);
    assert_int_equal(path.decodes, 1);
    assert_true(integrity_digest_equal(&digest, &right));
    render_destroy(&rig->render);
  }
  rig->render = render_of(rig, 0);
}

static void keeps_residents_within_their_budget(void **state) {
  struct rig *rig = *state;
  enum { BUDGET = 4 << 20 };  // of which one source may have a quarter
  render_destroy(&rig->render);
  struct render *render = render_of(rig, BUDGET);
  struct path path;
  const struct recipe recipe = wish(640, RECIPE_FORMAT_JPEG, false);
  for (uint32_t i = 0; i < 12; i++) {
    const struct rig_original original = store_scene(rig, 640, 600 + i, CODEC_JPEG);  // planes of 576 KB and more
    (void)run_one(render, &original, &recipe, &path);
    (void)run_one(render, &original, &recipe, &path);
    assert_int_equal(path.decodes, 0);
    assert_true(rig_gauge(rig, "pixpop_render_resident_bytes") <= BUDGET);
  }
  assert_true(rig_gauge(rig, "pixpop_render_resident_bytes") > BUDGET / 2);
  assert_true(rig_counter(rig, "pixpop_render_resident_evictions_total", "") > 3);
  const struct rig_original large = store_scene(rig, 2000, 1000, CODEC_JPEG);  // 3 MB
  const struct recipe whole = wish(2000, RECIPE_FORMAT_JPEG, false);
  (void)run_one(render, &large, &whole, &path);
  (void)run_one(render, &large, &whole, &path);
  assert_int_equal(path.decodes, 1);
  render_destroy(&render);
  rig->render = render_of(rig, 0);
}

// Black and white pixels by turns: half the light is sRGB 188, not 128.
static struct rig_original store_chequers(struct rig *rig, enum codec_output output) {
  struct image *image;
  assert_int_equal(image_create(1024, 768, false, &image), BASE_OK);
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width; x++) {
      uint8_t *pixel = image_row(image, y) + (size_t)x * 4;
      memset(pixel, (x + y) % 2 ? 255 : 0, 3);
      pixel[3] = 255;
    }
  }
  const struct rig_original original = rig_store_picture(rig, image, output, 1);
  image_unref(&image);
  return original;
}

static void filters_light_not_numbers_when_asked_to(void **state) {
  struct rig *rig = *state;
  static const enum codec_output outputs[] = {CODEC_PNG, CODEC_JPEG};
  static const enum recipe_format formats[] = {RECIPE_FORMAT_PNG, RECIPE_FORMAT_WEBP, RECIPE_FORMAT_JPEG};
  struct render_config config = rig_config(rig);
  config.linear_light = true;
  config.sharp_yuv = true;
  struct render *linear = rig_render(&config);
  assert_string_equal(render_renderer(linear).profile, "e1a8sharplin");
  render_destroy(&linear);
  config.sharp_yuv = false;
  linear = rig_render(&config);
  assert_string_equal(render_renderer(linear).profile, "e1a8lin");
  assert_string_equal(render_renderer(rig->render).profile, "e1a8");
  for (size_t i = 0; i < 6; i++) {
    const struct rig_original original = store_chequers(rig, outputs[i / 3]);
    for (int is_linear = 0; is_linear < 2; is_linear++) {
      struct rig_order order;
      rig_order_init(&order, &original);
      rig_order_add(&order, wish(128, formats[i % 3], false));
      rig_order_run(&order, is_linear ? linear : rig->render);
      struct image *image = rig_open_product(&order.products[0]);
      const uint8_t expected = is_linear ? 188 : 128;
      const uint8_t rgba[] = {expected, expected, expected, 255};
      rig_assert_pixel(image, 64, 48, rgba, 4);
      image_unref(&image);
      rig_order_finish(&order);
    }
  }
  render_destroy(&linear);
}

static void leaves_no_levels_in_linear_light(void **state) {
  struct rig *rig = *state;
  const struct rig_original original = store_scene(rig, 1010, 1000, CODEC_JPEG);
  struct render_config config = rig_config(rig);
  config.linear_light = true;
  struct render *linear = rig_render(&config);
  const struct recipe recipe = wish(100, RECIPE_FORMAT_WEBP, false);
  struct path path;
  (void)run_one(linear, &original, &recipe, &path);
  struct image *picture = decode(rig, &original);
  render_keep_levels(linear, &original.id, picture);
  image_unref(&picture);
  render_destroy(&linear);
  assert_false(store_level_exists(rig->store, &original.id, 8));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_same_bytes_over_every_path),
      cmocka_unit_test(leaves_no_levels_of_a_small_original),
      cmocka_unit_test(never_decodes_again_when_the_upload_has_left_levels),
      cmocka_unit_test(decodes_again_when_a_level_is_not_what_it_should_be),
      cmocka_unit_test(keeps_residents_within_their_budget),
      cmocka_unit_test(filters_light_not_numbers_when_asked_to),
      cmocka_unit_test(leaves_no_levels_in_linear_light),
  };
  const struct CMUnitTest on_a_device[] = {
      cmocka_unit_test(gives_the_same_bytes_over_every_path),
  };
  const int failed = cmocka_run_group_tests_name("cpu", tests, rig_setup, rig_teardown);
  return failed + cmocka_run_group_tests_name("vulkan", on_a_device, rig_setup_vulkan, rig_teardown);
}
