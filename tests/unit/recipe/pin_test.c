// Pinning: what becomes explicit, what goes back to one spelling, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/recipe.h"

static const struct image_header landscape = {
    .format = IMAGE_FILE_JPEG, .width = 3000, .height = 2000, .orientation = IMAGE_UPRIGHT, .colour = IMAGE_COLOUR_RGB};
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
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp,own&q=80&w=3000");
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
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &wide, "dpr=1&fm=webp,own&h=10&q=80");
  recipe.turn = IMAGE_ROTATE_90;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &wide, "dpr=1&fm=webp&q=80&rot=90&w=10");
}

static void names_the_result_s_size_when_the_original_is_over_a_box(void **state) {
  (void)state;
  const struct image_header large = {
      .format = IMAGE_FILE_JPEG, .width = 8193, .height = 8193, .orientation = IMAGE_UPRIGHT};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.dpr_milli = 500;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &large, "dpr=1&fm=webp&q=80&w=4097");
}

static void ignores_a_dpr_when_nothing_would_be_enlarged_by_it(void **state) {
  (void)state;
  const struct image_header large = {
      .format = IMAGE_FILE_JPEG, .width = 7000, .height = 5000, .orientation = IMAGE_UPRIGHT};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.dpr_milli = 3000;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &large, "dpr=1&fm=webp,own&q=80&w=7000");
}

static void shares_one_recipe_when_the_physical_size_is_the_same(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 400;
  recipe.dpr_milli = 2000;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=800");
  recipe.width = 1600;
  recipe.dpr_milli = 500;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=800");
  recipe.width = 333;  // 499.5
  recipe.dpr_milli = 1500;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=500");
  recipe.width = 200;
  recipe.height = 300;
  recipe.fit = IMAGE_FIT_COVER;
  recipe.dpr_milli = 2000;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fit=cover&fm=webp&h=600&q=80&w=400");
}

static void multiplies_the_pads_with_the_size(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 100;
  recipe.dpr_milli = 1500;
  recipe.pad_top = 3;  // 4.5
  recipe.pad_left = 10;
  recipe.background[0] = 0;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "bg=00ffff&dpr=1&fm=webp&pad=5,0,0,15&q=80&w=150");
  recipe.dpr_milli = 4000;
  recipe.pad_left = 1025;  // over what an URL can say
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "bg=00ffff&dpr=4&fm=webp&pad=3,0,0,1025&q=80&w=100");
}

static void keeps_the_dpr_when_the_result_is_over_a_box(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 8192;
  recipe.height = 2000;
  recipe.fit = IMAGE_FIT_FILL;
  recipe.dpr_milli = 1500;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1.5&fit=fill&fm=webp&h=2000&q=80&w=8192");
}

static void shares_one_recipe_when_the_box_is_larger_than_what_fills_it(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 300;
  recipe.height = 8000;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=300");
  recipe.width = 8000;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp,own&q=80&w=3000");
  recipe.height = 200;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=300");
  recipe.width = 300;
  for (enum image_fit fit = IMAGE_FIT_INSIDE; fit <= IMAGE_FIT_OUTSIDE; fit++) {
    recipe.fit = fit;
    recipe.focus_x = 0;
    recipe.background[1] = 0;
    assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=300");
  }
}

static void keeps_the_fit_when_another_would_give_other_pixels(void **state) {
  (void)state;
  static const struct {
    enum image_fit fit;
    uint32_t width, height;
    const char *text;
  } cases[] = {
      {IMAGE_FIT_FILL, 300, 201, "dpr=1&fit=fill&fm=webp&h=201&q=80&w=300"},
      {IMAGE_FIT_FILL, 6000, 4000, "dpr=1&fit=fill&fm=webp&q=80&w=6000"},
      {IMAGE_FIT_OUTSIDE, 300, 300, "dpr=1&fm=webp&q=80&w=450"},
      {IMAGE_FIT_CONTAIN, 300, 300, "dpr=1&fit=contain&fm=webp&h=300&q=80&w=300"},
      {IMAGE_FIT_COVER, 300, 100, "dpr=1&fit=cover&fm=webp&h=100&q=80&w=300"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe = RECIPE_DEFAULT;
    recipe.fit = cases[i].fit;
    recipe.width = cases[i].width;
    recipe.height = cases[i].height;
    assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, cases[i].text);
  }
}

static void drops_the_grey_tone_when_there_are_no_colours(void **state) {
  (void)state;
  struct image_header grey = landscape;
  grey.colour = IMAGE_COLOUR_GREY;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 10;
  recipe.grey = true;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&tone=grey&w=10");
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &grey, "dpr=1&fm=webp&q=80&w=10");
  recipe.background[0] = 0;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &grey, "dpr=1&fm=webp&q=80&w=10");
  recipe.pad_top = 1;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &grey, "bg=00ffff&dpr=1&fm=webp&pad=1,0,0,0&q=80&tone=grey&w=10");
}

static void keeps_format_quality_and_filter_when_they_are_given(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = 400;
  recipe.dpr_milli = 2000;
  recipe.format = RECIPE_FORMAT_JPEG;
  recipe.quality = 55;
  recipe.filter = RECIPE_FILTER_MITCHELL;
  assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&filter=mitchell&fm=jpeg&q=55&w=800");
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
  recipe.focus_y = 0;  // nothing is cut off above and below
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
  for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
    recipe.fit = fits[i];
    recipe.width = 10;
    assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fm=webp&q=80&w=10");
    recipe.width = 6000;
    assert_pins(&recipe, RECIPE_FORMAT_WEBP, &landscape, "dpr=1&fit=fill&fm=webp&q=80&w=6000");
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

static uint32_t draw(uint64_t *seed, uint32_t below) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33) % below;
}

static struct recipe draw_recipe(uint64_t *seed, uint32_t largest_side) {
  static const uint32_t dprs[] = {0, 500, 1000, 1001, 1250, 1500, 2000, 3000, 4000};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = draw(seed, 3) ? 1 + draw(seed, largest_side) : 0;
  recipe.height = draw(seed, 2) ? 1 + draw(seed, largest_side) : 0;
  recipe.dpr_milli = dprs[draw(seed, sizeof dprs / sizeof dprs[0])];
  recipe.fit = (enum image_fit)draw(seed, IMAGE_FIT_OUTSIDE + 1);
  recipe.focus_x = (uint16_t)draw(seed, RECIPE_FOCUS_UNIT + 1);
  recipe.turn = (enum image_orientation)(IMAGE_UPRIGHT + draw(seed, 8));
  if (draw(seed, 3) == 0) recipe.pad_left = (uint16_t)draw(seed, 50);
  if (draw(seed, 3) == 0) recipe.pad_bottom = (uint16_t)draw(seed, RECIPE_MAX_PAD / 4);
  if (draw(seed, 3) == 0) {
    recipe.has_crop = true;
    recipe.crop_x = draw(seed, 50);
    recipe.crop_width = 1 + draw(seed, 3000);
    recipe.crop_height = 1 + draw(seed, 3000);
  }
  return recipe;
}

static void changes_no_layout_and_pins_to_itself_in_a_sweep(void **state) {
  (void)state;
  uint64_t seed = 5;
  unsigned planned = 0;
  for (int i = 0; i < 50000; i++) {
    const struct image_header original = {.width = 1 + draw(&seed, i % 2 ? 9000 : 100),
                                          .height = 1 + draw(&seed, i % 2 ? 9000 : 100),
                                          .orientation = (enum image_orientation)(1 + draw(&seed, 8))};
    const struct recipe wanted = draw_recipe(&seed, i % 3 ? 200 : IMAGE_MAX_BOX_SIDE);
    struct recipe pinned, again;
    struct image_layout layout, pinned_layout;
    char text[RECIPE_TEXT_BYTES], again_text[RECIPE_TEXT_BYTES];
    if (recipe_plan(&wanted, &original, &layout, NULL) != BASE_OK) continue;
    // Such a result can be told by the original's side and the dpr alone, which may round otherwise.
    const bool is_over_box = layout.width > IMAGE_MAX_BOX_SIDE || layout.height > IMAGE_MAX_BOX_SIDE;
    if (!wanted.width && !wanted.height && is_over_box) continue;
    planned++;
    memset(&pinned_layout, 0, sizeof pinned_layout);
    assert_int_equal(recipe_pin(&wanted, RECIPE_FORMAT_WEBP, &original, &pinned, NULL), BASE_OK);
    assert_true(recipe_is_pinned(&pinned));
    recipe_text(&pinned, text);
    assert_int_equal(recipe_plan(&pinned, &original, &pinned_layout, NULL), BASE_OK);
    assert_memory_equal(&layout.source, &pinned_layout.source, sizeof layout.source);
    assert_int_equal(layout.orientation, pinned_layout.orientation);
    assert_int_equal(layout.width, pinned_layout.width);
    assert_int_equal(layout.height, pinned_layout.height);
    assert_int_equal(layout.canvas_width, pinned_layout.canvas_width);
    assert_int_equal(layout.canvas_height, pinned_layout.canvas_height);
    assert_int_equal(layout.x, pinned_layout.x);
    assert_int_equal(layout.y, pinned_layout.y);
    assert_int_equal(recipe_pin(&pinned, RECIPE_FORMAT_AUTO, &original, &again, NULL), BASE_OK);
    recipe_text(&again, again_text);
    assert_string_equal(text, again_text);
  }
  assert_true(planned > 20000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_the_original_s_width_when_no_side_is_given),
      cmocka_unit_test(takes_the_original_s_height_when_it_is_wider_than_a_box),
      cmocka_unit_test(names_the_result_s_size_when_the_original_is_over_a_box),
      cmocka_unit_test(ignores_a_dpr_when_nothing_would_be_enlarged_by_it),
      cmocka_unit_test(shares_one_recipe_when_the_physical_size_is_the_same),
      cmocka_unit_test(multiplies_the_pads_with_the_size),
      cmocka_unit_test(keeps_the_dpr_when_the_result_is_over_a_box),
      cmocka_unit_test(shares_one_recipe_when_the_box_is_larger_than_what_fills_it),
      cmocka_unit_test(keeps_the_fit_when_another_would_give_other_pixels),
      cmocka_unit_test(drops_the_grey_tone_when_there_are_no_colours),
      cmocka_unit_test(keeps_format_quality_and_filter_when_they_are_given),
      cmocka_unit_test(clips_the_crop_and_drops_it_when_it_is_the_whole_picture),
      cmocka_unit_test(refuses_the_crop_when_it_lies_outside),
      cmocka_unit_test(forgets_the_focus_unless_cover_uses_it),
      cmocka_unit_test(forgets_the_background_unless_padding_or_flattening_uses_it),
      cmocka_unit_test(forgets_the_quality_when_png_or_lossless_ignore_it),
      cmocka_unit_test(shares_one_fit_when_only_one_side_is_given),
      cmocka_unit_test(refuses_a_lossless_jpeg),
      cmocka_unit_test(changes_no_layout_and_pins_to_itself_in_a_sweep),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
