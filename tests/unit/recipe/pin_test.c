// Pinning: what becomes explicit, what goes back to one spelling, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/recipe.h"

static const struct image_header landscape = {
    .format = IMAGE_FILE_JPEG, .width = 3000, .height = 2000, .orientation = IMAGE_UPRIGHT};
static const struct image_header lying = {
    .format = IMAGE_FILE_JPEG, .width = 3000, .height = 2000, .orientation = IMAGE_ROTATE_90};
static const struct image_header transparent = {
    .format = IMAGE_FILE_PNG, .width = 300, .height = 200, .orientation = IMAGE_UPRIGHT, .has_alpha = true};

static void assert_pins(const struct recipe *wanted, enum recipe_format format, const struct image_header *header,
                        const char *text) {
  struct recipe pinned;
  char pinned_text[RECIPE_TEXT_BYTES];
  struct base_fault fault = {0};
  assert_int_equal(recipe_pin(wanted, format, header, &pinned, &fault), BASE_OK);
  recipe_text(&pinned, pinned_text);
  assert_string_equal(pinned_text, text);
  // What is pinned stays as it is.
  assert_int_equal(recipe_pin(&pinned, RECIPE_FORMAT_AUTO, header, &pinned, &fault), BASE_OK);
  recipe_text(&pinned, pinned_text);
  assert_string_equal(pinned_text, text);
}

static void takes_the_original_s_width_when_no_side_is_given(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=3000");
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &lying, "dpr=1&fm=webp&q=80&w=2000");
  recipe.turn = IMAGE_ROTATE_90;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &lying, "dpr=1&fm=webp&q=80&rot=90&w=3000");
  recipe.turn = IMAGE_UPRIGHT;
  recipe.has_crop = true;
  recipe.crop_x = 100;
  recipe.crop_width = 500;
  recipe.crop_height = 400;
  assert_pins(&recipe, RECIPE_FORMAT_JPEG, &landscape, "crop=100,0,500,400&dpr=1&fm=jpeg&q=80&w=500");
}

static void takes_the_original_s_height_when_it_is_wider_than_a_box(void **state) {
  (void)state;
  const struct image_header wide = {
      .format = IMAGE_FILE_JPEG, .width = 8193, .height = 10, .orientation = IMAGE_UPRIGHT};
  struct recipe recipe = RECIPE_DEFAULT;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &wide, "dpr=1&fm=webp&h=10&q=80");
  recipe.turn = IMAGE_ROTATE_90;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &wide, "dpr=1&fm=webp&q=80&rot=90&w=10");
}

static void leaves_the_size_open_when_both_sides_are_over_a_box(void **state) {
  (void)state;
  const struct image_header large = {
      .format = IMAGE_FILE_JPEG, .width = 8193, .height = 8193, .orientation = IMAGE_UPRIGHT};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.dpr_milli = 500;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &large, "dpr=0.5&fm=webp&q=80");
}

static void keeps_what_is_given_when_everything_is_explicit(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 400;
  recipe.dpr_milli = 2000;
  recipe.format = RECIPE_FORMAT_JPEG;
  recipe.quality = 55;
  recipe.filter = RECIPE_FILTER_MITCHELL;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=2&filter=mitchell&fm=jpeg&q=55&w=400");
}

static void clips_the_crop_and_drops_it_when_it_is_the_whole_picture(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  recipe.has_crop = true;
  recipe.crop_x = 2900;
  recipe.crop_width = 65535;
  recipe.crop_height = 65535;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "crop=2900,0,100,2000&dpr=1&fm=webp&q=80&w=10");
  recipe.crop_x = 0;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=10");
}

static void refuses_the_crop_when_it_lies_outside(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT, pinned;
  struct base_fault fault = {0};
  recipe.has_crop = true;
  recipe.crop_x = 2000;  // inside the stored picture, outside the upright one
  recipe.crop_width = recipe.crop_height = 1;
  assert_int_equal(recipe_pin(&recipe, RECIPE_FORMAT_WEBP, &landscape, &pinned, NULL), BASE_OK);
  assert_int_equal(recipe_pin(&recipe, RECIPE_FORMAT_WEBP, &lying, &pinned, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "crop");
}

static void forgets_the_focus_unless_cover_uses_it(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  recipe.focus_x = 0;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=10");
  recipe.fit = IMAGE_FIT_COVER;
  recipe.height = 10;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fit=cover&fm=webp&h=10&pos=0,0.5&q=80&w=10");
}

static void forgets_the_background_unless_padding_or_flattening_uses_it(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  recipe.background[0] = 0;
  assert_pins(&recipe, RECIPE_FORMAT_JPEG, &landscape, "dpr=1&fm=jpeg&q=80&w=10");
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &transparent, "dpr=1&fm=webp&q=80&w=10");
  assert_pins(&recipe, RECIPE_FORMAT_JPEG, &transparent, "bg=00ffff&dpr=1&fm=jpeg&q=80&w=10");
  recipe.fit = IMAGE_FIT_CONTAIN;
  recipe.height = 10;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "bg=00ffff&dpr=1&fit=contain&fm=webp&h=10&q=80&w=10");
}

static void forgets_the_quality_when_png_or_lossless_ignore_it(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  recipe.quality = 30;
  assert_pins(&recipe, RECIPE_FORMAT_PNG, &landscape, "dpr=1&fm=png&q=80&w=10");
  recipe.lossless = true;
  assert_pins(&recipe, RECIPE_FORMAT_PNG, &landscape, "dpr=1&fm=png&q=80&w=10");
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=lossless&w=10");
}

static void shares_one_fit_when_only_one_side_is_given(void **state) {
  (void)state;
  static const enum image_fit fits[] = {IMAGE_FIT_COVER, IMAGE_FIT_CONTAIN, IMAGE_FIT_FILL, IMAGE_FIT_OUTSIDE};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
    recipe.fit = fits[i];
    assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fit=fill&fm=webp&q=80&w=10");
  }
}

static void refuses_a_lossless_jpeg(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT, pinned;
  struct base_fault fault = {0};
  recipe.lossless = true;
  assert_int_equal(recipe_pin(&recipe, RECIPE_FORMAT_JPEG, &landscape, &pinned, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "q");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_the_original_s_width_when_no_side_is_given),
      cmocka_unit_test(takes_the_original_s_height_when_it_is_wider_than_a_box),
      cmocka_unit_test(leaves_the_size_open_when_both_sides_are_over_a_box),
      cmocka_unit_test(keeps_what_is_given_when_everything_is_explicit),
      cmocka_unit_test(clips_the_crop_and_drops_it_when_it_is_the_whole_picture),
      cmocka_unit_test(refuses_the_crop_when_it_lies_outside),
      cmocka_unit_test(forgets_the_focus_unless_cover_uses_it),
      cmocka_unit_test(forgets_the_background_unless_padding_or_flattening_uses_it),
      cmocka_unit_test(forgets_the_quality_when_png_or_lossless_ignore_it),
      cmocka_unit_test(shares_one_fit_when_only_one_side_is_given),
      cmocka_unit_test(refuses_a_lossless_jpeg),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
