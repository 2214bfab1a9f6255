#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "small_picture.h"

#define FOR_EACH_ORIENTATION(name) for (enum image_orientation name = IMAGE_UPRIGHT; name <= IMAGE_ROTATE_270; name++)

static void assert_same_picture(const struct small_picture *a, const struct small_picture *b) {
  assert_int_equal(a->width, b->width);
  assert_int_equal(a->height, b->height);
  assert_memory_equal(a->pixels, b->pixels, sizeof a->pixels);
}

static void compose_equals_turning_twice_when_done_pixel_by_pixel(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(3, 2);
  FOR_EACH_ORIENTATION(first) {
    FOR_EACH_ORIENTATION(second) {
      struct small_picture once = small_picture_turn(&stored, first);
      struct small_picture twice = small_picture_turn(&once, second);
      struct small_picture composed = small_picture_turn(&stored, image_orientation_compose(first, second));
      assert_same_picture(&twice, &composed);
    }
  }
}

static void inverse_restores_the_picture_for_all_eight(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(3, 2);
  FOR_EACH_ORIENTATION(orientation) {
    struct small_picture turned = small_picture_turn(&stored, orientation);
    struct small_picture back = small_picture_turn(&turned, image_orientation_inverse(orientation));
    assert_same_picture(&stored, &back);
  }
}

static void swaps_is_true_when_the_sides_change_places(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(3, 2);
  FOR_EACH_ORIENTATION(orientation) {
    assert_int_equal(image_orientation_swaps(orientation), small_picture_turn(&stored, orientation).width == 2);
  }
}

static void rect_orient_holds_the_same_pixels_for_every_rect_and_orientation(void **state) {
  (void)state;
  struct small_picture stored = small_picture_numbered(4, 3);
  FOR_EACH_ORIENTATION(orientation) {
    struct small_picture upright = small_picture_turn(&stored, orientation);
    for (int x = 0; x < 4; x++) {
      for (int y = 0; y < 3; y++) {
        for (int w = 1; x + w <= 4; w++) {
          for (int h = 1; y + h <= 3; h++) {
            struct small_picture part = small_picture_crop(&stored, x, y, w, h);
            struct small_picture expected = small_picture_turn(&part, orientation);
            struct image_rect rect = image_rect_orient((struct image_rect){x, y, w, h}, orientation, 4, 3);
            struct small_picture got =
                small_picture_crop(&upright, (int)rect.x, (int)rect.y, (int)rect.width, (int)rect.height);
            assert_same_picture(&expected, &got);
          }
        }
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compose_equals_turning_twice_when_done_pixel_by_pixel),
      cmocka_unit_test(inverse_restores_the_picture_for_all_eight),
      cmocka_unit_test(swaps_is_true_when_the_sides_change_places),
      cmocka_unit_test(rect_orient_holds_the_same_pixels_for_every_rect_and_orientation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
