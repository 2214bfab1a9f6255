// A variant of the original's own size is never larger than the original.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define PHOTOGRAPH "/usr/share/backgrounds/Bridge_by_Sander_Klootwijk.jpg"

enum { EXIF_BYTES = 3000 };

static struct recipe wish(enum recipe_format format, uint8_t quality) {
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.format = format;
  recipe.quality = quality;
  return recipe;
}

// A crop of a photograph.
static struct image *photograph(struct rig *rig) {
  const struct rig_original original = rig_store_file(rig, PHOTOGRAPH);
  struct rig_order order;
  struct recipe recipe = wish(RECIPE_FORMAT_PNG, 0);
  recipe.width = 320;
  rig_order_init(&order, &original);
  rig_order_add(&order, recipe);
  rig_order_run(&order, rig->render);
  struct image *image = rig_open_product(&order.products[0]);
  rig_order_finish(&order);
  return image;
}

static struct base_buffer encode(const struct image *image, enum codec_output output,
                                 const struct codec_encode_options *options) {
  struct base_buffer out;
  base_buffer_init(&out, 1 << 26);
  assert_int_equal(codec_encoder_for(output)->encode(image, options, &out, NULL), BASE_OK);
  return out;
}

// The originals: well compressed, small for what they show.
struct sample {
  const char *name;
  enum codec_output output;
  struct codec_encode_options options;
};
static const struct sample samples[] = {
    {"jpeg of low quality", CODEC_JPEG, {.quality = 25}},
    {"jpeg of middle quality", CODEC_JPEG, {.quality = 60}},
    {"jpeg of high quality", CODEC_JPEG, {.quality = 95}},
    {"webp of low quality", CODEC_WEBP, {.quality = 20, .effort = 6}},
    {"webp of middle quality", CODEC_WEBP, {.quality = 60, .effort = 6}},
    {"lossless webp", CODEC_WEBP, {.lossless = true, .effort = 6}},
    {"png", CODEC_PNG, {.effort = 6}},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static struct image *flat_picture(void) {
  struct image *image;
  static const uint8_t colours[][4] = {{250, 250, 250, 255}, {200, 30, 40, 255}, {20, 20, 30, 255}};
  assert_int_equal(image_create(240, 160, false, &image), BASE_OK);
  for (uint32_t y = 0; y < 160; y++) {
    for (uint32_t x = 0; x < 240; x++) {
      memcpy(image_row(image, y) + (size_t)x * 4, colours[(x / 40 + y / 40) % 3], 4);
    }
  }
  return image;
}

// fm=auto in every format that it may come to, with and without a quality.
static void assert_none_is_larger(struct rig *rig, const struct sample *sample, const struct image *image) {
  static const enum recipe_format choices[] = {RECIPE_FORMAT_WEBP, RECIPE_FORMAT_AVIF, RECIPE_FORMAT_JPEG,
                                               RECIPE_FORMAT_PNG};
  static const uint8_t qualities[] = {0, 95};
  struct base_buffer file = encode(image, sample->output, &sample->options);
  const struct rig_original original = rig_store(rig, base_buffer_span(&file));
  struct rig_order order;
  rig_order_init(&order, &original);
  for (size_t i = 0; i < 8; i++) {
    const struct recipe wanted = wish(RECIPE_FORMAT_AUTO, qualities[i / 4]);
    assert_int_equal(recipe_pin(&wanted, choices[i % 4], &original.header, &order.recipes[i], NULL), BASE_OK);
    order.order.count++;
  }
  rig_order_run(&order, rig->render);
  for (size_t i = 0; i < 8; i++) {
    const struct recipe_product *product = &order.products[i];
    struct image *result = rig_open_product(product);
    if (product->blob->bytes > file.bytes) {
      fail_msg("%s of %zu bytes: fm=auto as %s, q %u has %zu", sample->name, file.bytes,
               recipe_format_name(choices[i % 4]), qualities[i / 4], product->blob->bytes);
    }
    assert_true(result->width == image->width && result->height == image->height);
    image_unref(&result);
  }
  rig_order_finish(&order);
  base_buffer_finish(&file);
}

static void no_automatic_variant_is_larger_than_a_well_compressed_original(void **state) {
  struct image *pictures[] = {photograph(*state), flat_picture()};
  for (size_t i = 0; i < 2; i++) {
    for (size_t j = 0; j < SAMPLES; j++) assert_none_is_larger(*state, &samples[j], pictures[i]);
    image_unref(&pictures[i]);
  }
}

// A JPEG with EXIF and a comment behind its first marker.
static struct base_buffer with_metadata(const struct base_buffer *jpeg) {
  static const uint8_t comment[] = {0xff, 0xfe, 0, 8, 's', 'e', 'c', 'r', 'e', 't'};
  struct base_buffer out;
  uint8_t exif[2 + EXIF_BYTES] = {
      0xff, 0xe1, EXIF_BYTES >> 8, EXIF_BYTES & 0xff, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 0};
  base_buffer_init(&out, 1 << 26);
  assert_int_equal(base_buffer_append(&out, jpeg->data, 2), BASE_OK);
  assert_int_equal(base_buffer_append(&out, exif, sizeof exif), BASE_OK);
  assert_int_equal(base_buffer_append(&out, comment, sizeof comment), BASE_OK);
  assert_int_equal(base_buffer_append(&out, jpeg->data + 2, jpeg->bytes - 2), BASE_OK);
  return out;
}

static struct recipe_product run_one(struct rig *rig, const struct rig_original *original, struct recipe wanted) {
  struct rig_order order;
  rig_order_init(&order, original);
  rig_order_add(&order, wanted);
  rig_order_run(&order, rig->render);
  assert_int_equal(order.products[0].fault.result, BASE_OK);
  const struct recipe_product product = order.products[0];
  order.products[0].blob = NULL;
  rig_order_finish(&order);
  return product;
}

static void the_own_file_comes_without_its_metadata(void **state) {
  struct rig *rig = *state;
  struct image *image = photograph(rig);
  struct base_buffer bare = encode(image, CODEC_JPEG, &(struct codec_encode_options){.quality = 30});
  struct base_buffer file = with_metadata(&bare);
  const struct rig_original original = rig_store(rig, base_buffer_span(&file));
  const struct recipe wishes[] = {wish(RECIPE_FORMAT_JPEG, 80), wish(RECIPE_FORMAT_JPEG, 95),
                                  wish(RECIPE_FORMAT_AUTO, 0)};
  for (size_t i = 0; i < 3; i++) {
    struct recipe_product product = run_one(rig, &original, wishes[i]);
    assert_string_equal(product.media_type, "image/jpeg");
    assert_int_equal(product.blob->bytes, bare.bytes);
    assert_memory_equal(product.blob->data, bare.data, bare.bytes);
    base_blob_unref(&product.blob);
  }
  image_unref(&image);
  base_buffer_finish(&bare);
  base_buffer_finish(&file);
}

static size_t bytes_of(struct rig *rig, const struct rig_original *original, struct recipe wanted,
                       const char *media_type) {
  struct recipe_product product = run_one(rig, original, wanted);
  const size_t bytes = product.blob->bytes;
  assert_string_equal(product.media_type, media_type);
  base_blob_unref(&product.blob);
  return bytes;
}

static void the_default_quality_gives_way_and_a_wished_one_stays(void **state) {
  struct rig *rig = *state;
  struct image *image = photograph(rig);
  struct base_buffer file = encode(image, CODEC_JPEG, &(struct codec_encode_options){.quality = 60});
  const struct rig_original original = rig_store(rig, base_buffer_span(&file));
  const size_t by_default = bytes_of(rig, &original, wish(RECIPE_FORMAT_WEBP, 0), "image/webp");
  const size_t at_79 = bytes_of(rig, &original, wish(RECIPE_FORMAT_WEBP, 79), "image/webp");
  const size_t at_95 = bytes_of(rig, &original, wish(RECIPE_FORMAT_WEBP, 95), "image/webp");
  assert_true(by_default <= file.bytes);
  assert_true(by_default < at_79);
  assert_true(at_95 > file.bytes);
  // Nothing of this where the picture itself changes.
  struct recipe small = wish(RECIPE_FORMAT_AUTO, 0);
  small.width = image->width - 1;
  assert_true(bytes_of(rig, &original, small, "image/webp") > by_default);
  // What is lossless by wish stays so.
  assert_true(bytes_of(rig, &original, wish(RECIPE_FORMAT_PNG, 0), "image/png") > file.bytes);
  image_unref(&image);
  base_buffer_finish(&file);
}

// Browsers would have to turn it, by metadata that is not there any more.
static void a_file_that_is_not_upright_does_not_stand_for_itself(void **state) {
  struct rig *rig = *state;
  struct image *image = photograph(rig);
  const struct rig_original original = rig_store_picture(rig, image, CODEC_JPEG, 6);
  struct recipe_product product = run_one(rig, &original, wish(RECIPE_FORMAT_JPEG, 100));
  struct image *result = rig_open_product(&product);
  assert_int_equal(result->width, image->height);
  image_unref(&result);
  base_blob_unref(&product.blob);
  image_unref(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_automatic_variant_is_larger_than_a_well_compressed_original),
      cmocka_unit_test(the_own_file_comes_without_its_metadata),
      cmocka_unit_test(the_default_quality_gives_way_and_a_wished_one_stays),
      cmocka_unit_test(a_file_that_is_not_upright_does_not_stand_for_itself),
  };
  return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
