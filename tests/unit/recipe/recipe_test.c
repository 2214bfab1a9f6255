// Canonical text, what counts as pinned, the plan and the key.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/recipe.h"

static void assert_text(const struct recipe *recipe, const char *wanted) {
  char text[RECIPE_TEXT_BYTES];
  recipe_text(recipe, text);
  assert_string_equal(text, wanted);
}

static void text_is_empty_when_everything_is_default(void **state) {
  (void)state;
  const struct recipe recipe = RECIPE_DEFAULT;
  assert_text(&recipe, "");
}

static void text_names_every_option_in_order_when_all_are_given(void **state) {
  (void)state;
  const struct recipe recipe = {
      .width = 8192,
      .height = 1,
      .dpr_milli = 1250,
      .fit = IMAGE_FIT_COVER,
      .focus_x = 0,
      .focus_y = 333,
      .has_crop = true,
      .crop_x = 10,
      .crop_y = 0,
      .crop_width = 65535,
      .crop_height = 7,
      .turn = IMAGE_TRANSVERSE,
      .format = RECIPE_FORMAT_WEBP,
      .or_own = true,
      .lossless = true,
      .filter = RECIPE_FILTER_LANCZOS3,
      .background = {0, 0xab, 0x0f},
      .grey = true,
      .pad_top = 4096,
      .pad_left = 1,
  };
  assert_text(&recipe,
              "bg=00ab0f&crop=10,0,65535,7&dpr=1.25&filter=lanczos3&fit=cover&flip=h&fm=webp,own&h=1&pad=4096,0,0,1&"
              "pos=0,0.0333&q=lossless&rot=270&tone=grey&w=8192");
}

static void text_writes_decimals_shortest_when_they_end_in_zeros(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.dpr_milli = 500;
  assert_text(&recipe, "dpr=0.5");
  recipe.dpr_milli = 4000;
  assert_text(&recipe, "dpr=4");
  recipe.dpr_milli = 1001;
  recipe.focus_x = 10000;
  assert_text(&recipe, "dpr=1.001&pos=1,0.5");
}

static void turn_is_written_as_rot_then_flip_for_each_of_the_eight(void **state) {
  (void)state;
  static const struct {
    enum image_orientation rot, flip;
    const char *text;
  } cases[] = {
      {IMAGE_UPRIGHT, IMAGE_UPRIGHT, ""},
      {IMAGE_UPRIGHT, IMAGE_FLIP_H, "flip=h"},
      {IMAGE_ROTATE_180, IMAGE_UPRIGHT, "rot=180"},
      {IMAGE_UPRIGHT, IMAGE_FLIP_V, "flip=v"},
      {IMAGE_ROTATE_90, IMAGE_FLIP_H, "flip=h&rot=90"},
      {IMAGE_ROTATE_90, IMAGE_UPRIGHT, "rot=90"},
      {IMAGE_ROTATE_270, IMAGE_FLIP_H, "flip=h&rot=270"},
      {IMAGE_ROTATE_270, IMAGE_UPRIGHT, "rot=270"},
      {IMAGE_ROTATE_90, IMAGE_FLIP_V, "flip=h&rot=270"},
      {IMAGE_ROTATE_180, IMAGE_FLIP_H, "flip=v"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe = RECIPE_DEFAULT;
    recipe.turn = image_orientation_compose(cases[i].rot, cases[i].flip);
    assert_text(&recipe, cases[i].text);
  }
}

static void is_pinned_only_when_size_dpr_format_and_quality_are_given(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  assert_false(recipe_is_pinned(&recipe));
  recipe.height = 10;
  recipe.dpr_milli = 1000;
  recipe.format = RECIPE_FORMAT_PNG;
  assert_false(recipe_is_pinned(&recipe));
  recipe.quality = 1;
  assert_true(recipe_is_pinned(&recipe));
  recipe.quality = 0;
  recipe.lossless = true;
  assert_true(recipe_is_pinned(&recipe));
  recipe.height = 0;
  assert_false(recipe_is_pinned(&recipe));
  recipe.width = 10;
  assert_true(recipe_is_pinned(&recipe));
  recipe.dpr_milli = 0;
  assert_false(recipe_is_pinned(&recipe));
  recipe.dpr_milli = 1000;
  recipe.format = RECIPE_FORMAT_AUTO;
  assert_false(recipe_is_pinned(&recipe));
}

static void plan_refuses_when_the_box_times_dpr_is_over_the_limit(void **state) {
  (void)state;
  const struct image_header header = {.width = 100, .height = 100, .orientation = IMAGE_UPRIGHT};
  struct recipe recipe = RECIPE_DEFAULT;
  struct image_layout layout;
  struct base_fault fault = {0};
  recipe.width = 8192;
  recipe.dpr_milli = 4000;
  assert_int_equal(recipe_plan(&recipe, &header, &layout, &fault), BASE_UNPROCESSABLE);
  assert_non_null(strstr(fault.text, "16383"));
  recipe.width = 50;
  recipe.dpr_milli = 1500;
  recipe.turn = IMAGE_ROTATE_90;
  assert_int_equal(recipe_plan(&recipe, &header, &layout, NULL), BASE_OK);
  assert_int_equal(layout.width, 75);
  assert_int_equal(layout.orientation, IMAGE_ROTATE_90);
}

static void key_differs_when_tenant_salt_original_profile_or_text_differ(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  struct integrity_digest original = {{1}}, other_original = {{2}};
  struct integrity_digest key, same, tenant, salt, other_salt, source, profile, text;
  recipe.width = 400;
  recipe_key(&recipe, "default", "", &original, "effort4", &key);
  recipe_key(&recipe, "default", "", &original, "effort4", &same);
  recipe_key(&recipe, "museum", "", &original, "effort4", &tenant);
  recipe_key(&recipe, "default", "saffron", &original, "effort4", &salt);
  recipe_key(&recipe, "default", "saffro", &original, "effort4", &other_salt);
  recipe_key(&recipe, "default", "", &other_original, "effort4", &source);
  recipe_key(&recipe, "default", "", &original, "effort6", &profile);
  recipe.width = 401;
  recipe_key(&recipe, "default", "", &original, "effort4", &text);
  assert_true(integrity_digest_equal(&key, &same));
  assert_false(integrity_digest_equal(&key, &tenant));
  assert_false(integrity_digest_equal(&key, &salt));
  assert_false(integrity_digest_equal(&salt, &other_salt));
  assert_false(integrity_digest_equal(&key, &source));
  assert_false(integrity_digest_equal(&key, &profile));
  assert_false(integrity_digest_equal(&key, &text));
}

// Computed outside with sha256sum: changes only together with RECIPE_RENDER_VERSION.
static void key_is_the_documented_digest(void **state) {
  (void)state;
  struct recipe recipe = RECIPE_DEFAULT;
  const struct integrity_digest original = {{0}};
  struct integrity_digest key;
  char hex[2 * BASE_DIGEST_BYTES + 1];
  recipe.width = 400;
  recipe_key(&recipe, "default", "saffron", &original, "effort4", &key);
  base_hex_encode(base_span_of(key.bytes, sizeof key.bytes), hex, sizeof hex);
  assert_string_equal(hex, "4a3dd79cb05484cc5103d1f8089fda00f122ec60023b49e1696dae1a503a4adc");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_empty_when_everything_is_default),
      cmocka_unit_test(text_names_every_option_in_order_when_all_are_given),
      cmocka_unit_test(text_writes_decimals_shortest_when_they_end_in_zeros),
      cmocka_unit_test(turn_is_written_as_rot_then_flip_for_each_of_the_eight),
      cmocka_unit_test(is_pinned_only_when_size_dpr_format_and_quality_are_given),
      cmocka_unit_test(plan_refuses_when_the_box_times_dpr_is_over_the_limit),
      cmocka_unit_test(key_differs_when_tenant_salt_original_profile_or_text_differ),
      cmocka_unit_test(key_is_the_documented_digest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
