#include "image/geometry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "small_picture.h"

#define FOR_EACH_ORIENTATION(name) for (enum image_orientation name = IMAGE_UPRIGHT; name <= IMAGE_ROTATE_270; name++)

static const struct image_wish plain = {.dpr = 1, .focus_x = 0.5, .focus_y = 0.5, .turn = IMAGE_UPRIGHT};

static struct image_wish wish_of(enum image_fit fit, uint32_t width, uint32_t height) {
  struct image_wish wish = plain;
  wish.fit = fit;
  wish.width = width;
  wish.height = height;
  return wish;
}

static struct image_layout plan(const struct image_wish *wish, uint32_t width, uint32_t height,
                                enum image_orientation exif) {
  struct image_layout layout = {0};
  struct base_fault fault = {0};
  if (image_layout_plan(wish, width, height, exif, &layout, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return layout;
}

static void assert_refused(const struct image_wish *wish, uint32_t width, uint32_t height, enum base_result result,
                           const char *subject, const char *text) {
  struct image_layout layout;
  struct base_fault fault = {0};
  assert_int_equal(image_layout_plan(wish, width, height, IMAGE_UPRIGHT, &layout, &fault), result);
  assert_string_equal(fault.subject, subject);
  assert_non_null(strstr(fault.text, text));
}

static void assert_size(const struct image_wish *wish, uint32_t from_width, uint32_t from_height, uint32_t width,
                        uint32_t height) {
  struct image_layout layout = plan(wish, from_width, from_height, IMAGE_UPRIGHT);
  assert_int_equal(layout.width, width);
  assert_int_equal(layout.height, height);
}

static void assert_canvas_is_picture(const struct image_layout *layout) {
  assert_int_equal(layout->canvas_width, layout->width);
  assert_int_equal(layout->canvas_height, layout->height);
  assert_int_equal(layout->x, 0);
  assert_int_equal(layout->y, 0);
}

static void assert_rect(const struct image_rect *rect, double x, double y, double width, double height) {
  assert_true(fabs(rect->x - x) < 1e-9);
  assert_true(fabs(rect->y - y) < 1e-9);
  assert_true(fabs(rect->width - width) < 1e-9);
  assert_true(fabs(rect->height - height) < 1e-9);
}

static void inside_fits_the_box_and_never_upscales(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 400, 400);
  assert_size(&wish, 3000, 2000, 400, 267);
  assert_size(&wish, 2000, 3000, 267, 400);
  assert_size(&wish, 300, 200, 300, 200);
  assert_size(&wish, 400, 401, 399, 400);
  struct image_layout layout = plan(&wish, 3000, 2000, IMAGE_UPRIGHT);
  assert_canvas_is_picture(&layout);
  assert_rect(&layout.source, 0, 0, 3000, 2000);
}

static void cover_fills_the_box_and_crops_at_the_focus(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_COVER, 100, 100);
  struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_rect(&layout.source, 50, 0, 200, 200);
  assert_int_equal(layout.width, 100);
  assert_int_equal(layout.height, 100);
  assert_canvas_is_picture(&layout);
  wish.focus_x = 0;
  layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_rect(&layout.source, 0, 0, 200, 200);
  wish.focus_x = 1;
  layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_rect(&layout.source, 100, 0, 200, 200);
  wish.focus_y = 0.25;
  layout = plan(&wish, 200, 300, IMAGE_UPRIGHT);
  assert_rect(&layout.source, 0, 25, 200, 200);
  assert_size(&wish, 30, 20, 100, 100);
}

static void contain_pads_to_the_box_centred_on_even_corners(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_CONTAIN, 100, 101);
  struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_int_equal(layout.width, 100);
  assert_int_equal(layout.height, 67);
  assert_int_equal(layout.canvas_width, 100);
  assert_int_equal(layout.canvas_height, 101);
  assert_int_equal(layout.x, 0);
  assert_int_equal(layout.y, 16);
  assert_rect(&layout.source, 0, 0, 300, 200);
  wish = wish_of(IMAGE_FIT_CONTAIN, 103, 100);
  layout = plan(&wish, 200, 300, IMAGE_UPRIGHT);
  assert_int_equal(layout.width, 67);
  assert_int_equal(layout.x, 18);
  assert_int_equal(layout.y, 0);
  wish = wish_of(IMAGE_FIT_CONTAIN, 100, 101);
  assert_size(&wish, 3, 2, 100, 67);
}

static void pads_come_around_the_result_and_are_exact(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 150, 0);
  wish.pad_top = 1;
  wish.pad_right = 2;
  wish.pad_bottom = 3;
  wish.pad_left = 5;
  struct image_layout layout = plan(&wish, 300, 200, IMAGE_ROTATE_180);
  assert_int_equal(layout.width, 150);
  assert_int_equal(layout.height, 100);
  assert_int_equal(layout.canvas_width, 157);
  assert_int_equal(layout.canvas_height, 104);
  assert_int_equal(layout.x, 5);
  assert_int_equal(layout.y, 1);
  assert_rect(&layout.source, 0, 0, 300, 200);
}

static void pads_are_multiplied_by_dpr_and_rounded_each(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 100, 0);
  wish.dpr = 1.5;
  wish.pad_right = wish.pad_left = 3;  // 4.5 each
  wish.pad_top = 4;
  const struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_int_equal(layout.width, 150);
  assert_int_equal(layout.canvas_width, 160);
  assert_int_equal(layout.canvas_height, 106);
  assert_int_equal(layout.x, 5);
  assert_int_equal(layout.y, 6);
}

static void pads_come_outside_of_what_contain_adds(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_CONTAIN, 100, 100);
  wish.pad_top = 7;
  const struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_int_equal(layout.height, 67);
  assert_int_equal(layout.canvas_width, 100);
  assert_int_equal(layout.canvas_height, 107);
  assert_int_equal(layout.y, 7 + 16);
}

static void pads_count_for_the_limits_of_the_result(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_FILL, 8192, 10);
  wish.dpr = 1.9;
  wish.pad_left = 400;
  plan(&wish, 300, 200, IMAGE_UPRIGHT);
  wish.pad_right = 100;
  assert_refused(&wish, 300, 200, BASE_UNPROCESSABLE, "size", "max_result_side");
  wish = wish_of(IMAGE_FIT_FILL, 8192, 4096);
  wish.pad_top = 4096;
  assert_refused(&wish, 300, 200, BASE_UNPROCESSABLE, "size", "max_result_pixels");
  wish.pad_top = UINT32_MAX;
  wish.dpr = 1e300;
  wish.width = wish.height = 0;
  wish.fit = IMAGE_FIT_INSIDE;
  assert_refused(&wish, 300, 200, BASE_UNPROCESSABLE, "size", "max_result_side");
}

static void fill_is_the_exact_box_and_outside_the_smallest_that_covers_it(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_FILL, 100, 50);
  assert_size(&wish, 30, 20, 100, 50);
  wish.fit = IMAGE_FIT_OUTSIDE;
  assert_size(&wish, 300, 200, 100, 67);
  assert_size(&wish, 300, 100, 150, 50);
  assert_size(&wish, 30, 10, 150, 50);
  struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_canvas_is_picture(&layout);
}

static void missing_side_follows_the_aspect_ratio_for_every_fit(void **state) {
  (void)state;
  for (int fit = IMAGE_FIT_INSIDE; fit <= IMAGE_FIT_OUTSIDE; fit++) {
    struct image_wish wish = wish_of((enum image_fit)fit, 100, 0);
    assert_size(&wish, 300, 200, 100, 67);
    struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
    assert_canvas_is_picture(&layout);
    assert_rect(&layout.source, 0, 0, 300, 200);
    wish = wish_of((enum image_fit)fit, 0, 100);
    assert_size(&wish, 300, 200, 150, 100);
    wish.height = 400;
    if (fit == IMAGE_FIT_INSIDE) {
      assert_size(&wish, 300, 200, 300, 200);
    } else {
      assert_size(&wish, 300, 200, 600, 400);
    }
  }
}

static void dpr_multiplies_the_box_or_the_original(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_COVER, 101, 33);
  wish.dpr = 1.5;
  assert_size(&wish, 1000, 1000, 152, 50);
  wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
  wish.dpr = 0.5;
  assert_size(&wish, 301, 200, 151, 100);
  wish.dpr = 2;
  assert_size(&wish, 301, 200, 301, 200);
  wish.fit = IMAGE_FIT_FILL;
  assert_size(&wish, 301, 200, 602, 400);
}

static void sides_round_to_nearest_and_stay_at_least_one(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 0, 1);
  assert_size(&wish, 1, 16384, 1, 1);
  wish = wish_of(IMAGE_FIT_INSIDE, 0, 8192);
  assert_size(&wish, 1, 16384, 1, 8192);
  wish = wish_of(IMAGE_FIT_INSIDE, 10, 10);
  assert_size(&wish, 16384, 1, 10, 1);
  assert_size(&wish, 40, 10, 10, 3);
  assert_size(&wish, 1000, 249, 10, 2);
}

static void crop_is_clipped_to_the_picture(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
  wish.has_crop = true;
  wish.crop_x = 250;
  wish.crop_y = 10;
  wish.crop_width = UINT32_MAX;
  wish.crop_height = 20;
  struct image_layout layout = plan(&wish, 300, 200, IMAGE_UPRIGHT);
  assert_rect(&layout.source, 250, 10, 50, 20);
  assert_int_equal(layout.width, 50);
  assert_int_equal(layout.height, 20);
}

static void crop_is_refused_when_it_holds_no_pixel(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
  wish.has_crop = true;
  wish.crop_width = wish.crop_height = 10;
  wish.crop_x = 300;
  assert_refused(&wish, 300, 200, BASE_BAD_INPUT, "crop", "300 x 200");
  wish.crop_x = 0;
  wish.crop_y = UINT32_MAX;
  assert_refused(&wish, 300, 200, BASE_BAD_INPUT, "crop", "300 x 200");
  wish.crop_y = 0;
  wish.crop_width = 0;
  assert_refused(&wish, 300, 200, BASE_BAD_INPUT, "crop", "0,0,0,10");
}

static void limits_are_named_when_the_result_is_too_large(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 8192, 0);
  wish.dpr = 4;
  assert_refused(&wish, 3000, 2000, BASE_UNPROCESSABLE, "size", "max_result_side");
  wish = wish_of(IMAGE_FIT_COVER, 0, 8192);
  wish.dpr = 2;
  assert_refused(&wish, 3000, 2000, BASE_UNPROCESSABLE, "size", "16383 pixels a side");
  wish = wish_of(IMAGE_FIT_FILL, 8192, 0);
  assert_refused(&wish, 1, 16384, BASE_UNPROCESSABLE, "size", "max_result_side");
  wish = wish_of(IMAGE_FIT_OUTSIDE, 8192, 8192);
  assert_refused(&wish, 16384, 1, BASE_UNPROCESSABLE, "size", "max_result_side");
  wish = wish_of(IMAGE_FIT_FILL, 8000, 5001);
  assert_refused(&wish, 30, 20, BASE_UNPROCESSABLE, "size", "40000000 pixels");
  wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
  assert_refused(&wish, 1, 16384, BASE_UNPROCESSABLE, "size", "max_result_side");
}

static void limits_are_reached_exactly_without_refusal(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_FILL, 8000, 5000);
  assert_size(&wish, 30, 20, 8000, 5000);
  wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
  assert_size(&wish, 1, 16383, 1, 16383);
}

static void nonsense_numbers_are_refused(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_COVER, 10, 10);
  wish.dpr = NAN;
  assert_refused(&wish, 30, 20, BASE_BAD_INPUT, "dpr", "positive");
  wish.dpr = 0;
  assert_refused(&wish, 30, 20, BASE_BAD_INPUT, "dpr", "positive");
  wish.dpr = INFINITY;
  assert_refused(&wish, 30, 20, BASE_BAD_INPUT, "dpr", "positive");
  wish.dpr = 1;
  wish.focus_y = NAN;
  assert_refused(&wish, 30, 20, BASE_BAD_INPUT, "pos", "0..1");
}

// Crop and turn without scaling, for every EXIF orientation and turn: the layout must name the very pixels that
// turning, cropping and turning again give.
static void layout_names_the_same_pixels_as_turning_step_by_step(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(5, 4);
  FOR_EACH_ORIENTATION(exif) {
    FOR_EACH_ORIENTATION(turn) {
      struct small_picture upright = small_picture_turn(&stored, exif);
      struct small_picture cropped = small_picture_crop(&upright, 1, 0, 3, 2);
      struct small_picture expected = small_picture_turn(&cropped, turn);

      struct image_wish wish = wish_of(IMAGE_FIT_INSIDE, 0, 0);
      wish.has_crop = true;
      wish.crop_x = 1;
      wish.crop_width = 3;
      wish.crop_height = 2;
      wish.turn = turn;
      struct image_layout layout = plan(&wish, 5, 4, exif);
      struct small_picture part = small_picture_crop(&stored, (int)layout.source.x, (int)layout.source.y,
                                                     (int)layout.source.width, (int)layout.source.height);
      struct small_picture got = small_picture_turn(&part, layout.orientation);
      assert_int_equal(layout.width, expected.width);
      assert_int_equal(layout.height, expected.height);
      assert_int_equal(got.width, expected.width);
      assert_memory_equal(got.pixels, expected.pixels, sizeof got.pixels);
    }
  }
}

static void focus_is_meant_in_the_turned_picture(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(6, 3);
  FOR_EACH_ORIENTATION(exif) {
    FOR_EACH_ORIENTATION(turn) {
      struct small_picture upright = small_picture_turn(&stored, exif);
      struct small_picture turned = small_picture_turn(&upright, turn);
      struct small_picture expected = small_picture_crop(&turned, 0, 0, 3, 3);

      struct image_wish wish = wish_of(IMAGE_FIT_COVER, 3, 3);
      wish.turn = turn;
      wish.focus_x = wish.focus_y = 0;
      struct image_layout layout = plan(&wish, 6, 3, exif);
      struct small_picture part = small_picture_crop(&stored, (int)layout.source.x, (int)layout.source.y, 3, 3);
      struct small_picture got = small_picture_turn(&part, layout.orientation);
      assert_memory_equal(got.pixels, expected.pixels, sizeof got.pixels);
    }
  }
}

static void shrink_leaves_twice_the_result_along_both_axes(void **state) {
  (void)state;
  struct image_wish wish = wish_of(IMAGE_FIT_FILL, 100, 100);
  struct image_layout layout = plan(&wish, 1600, 1600, IMAGE_UPRIGHT);
  assert_int_equal(image_layout_shrink(&layout), 8);
  layout = plan(&wish, 1600, 1599, IMAGE_UPRIGHT);
  assert_int_equal(image_layout_shrink(&layout), 4);
  layout = plan(&wish, 400, 1600, IMAGE_UPRIGHT);
  assert_int_equal(image_layout_shrink(&layout), 2);
  layout = plan(&wish, 399, 1600, IMAGE_UPRIGHT);
  assert_int_equal(image_layout_shrink(&layout), 1);
  wish = wish_of(IMAGE_FIT_FILL, 50, 200);
  layout = plan(&wish, 1600, 400, IMAGE_UPRIGHT);
  assert_int_equal(image_layout_shrink(&layout), 1);
  layout = plan(&wish, 1600, 400, IMAGE_ROTATE_90);
  assert_int_equal(image_layout_shrink(&layout), 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inside_fits_the_box_and_never_upscales),
      cmocka_unit_test(cover_fills_the_box_and_crops_at_the_focus),
      cmocka_unit_test(contain_pads_to_the_box_centred_on_even_corners),
      cmocka_unit_test(pads_come_around_the_result_and_are_exact),
      cmocka_unit_test(pads_are_multiplied_by_dpr_and_rounded_each),
      cmocka_unit_test(pads_come_outside_of_what_contain_adds),
      cmocka_unit_test(pads_count_for_the_limits_of_the_result),
      cmocka_unit_test(fill_is_the_exact_box_and_outside_the_smallest_that_covers_it),
      cmocka_unit_test(missing_side_follows_the_aspect_ratio_for_every_fit),
      cmocka_unit_test(dpr_multiplies_the_box_or_the_original),
      cmocka_unit_test(sides_round_to_nearest_and_stay_at_least_one),
      cmocka_unit_test(crop_is_clipped_to_the_picture),
      cmocka_unit_test(crop_is_refused_when_it_holds_no_pixel),
      cmocka_unit_test(limits_are_named_when_the_result_is_too_large),
      cmocka_unit_test(limits_are_reached_exactly_without_refusal),
      cmocka_unit_test(nonsense_numbers_are_refused),
      cmocka_unit_test(layout_names_the_same_pixels_as_turning_step_by_step),
      cmocka_unit_test(focus_is_meant_in_the_turned_picture),
      cmocka_unit_test(shrink_leaves_twice_the_result_along_both_axes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
