// A real photograph's variants beside the double-precision oracle, computed from the same decoded source.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "resample_oracle.h"
#include "rig.h"

#define PHOTOGRAPH "/usr/share/backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg"

enum { PHOTOGRAPH_WIDTH = 3088, PHOTOGRAPH_HEIGHT = 2056, MAX_FILE_BYTES = 16 << 20 };

// The oracle's picture of `width` from the photograph decoded at 1/shrink, compared with the product.
static void assert_matches_oracle(struct rig *rig, const struct rig_original *original, struct image *product,
                                  unsigned shrink) {
  int fd;
  struct image *source;
  assert_int_equal(store_original_open(rig->store, &original->id, &fd, NULL), BASE_OK);
  assert_int_equal(sandbox_decode(rig->sandbox, fd, &original->header, shrink, &source, NULL), BASE_OK);
  const struct resample_job job = {
      .source = source,
      .rect = {0, 0, (double)PHOTOGRAPH_WIDTH / shrink, (double)PHOTOGRAPH_HEIGHT / shrink},
      .orientation = IMAGE_UPRIGHT,
      .width = product->width,
      .height = product->height,
      .target = product,
      .filter = RESAMPLE_BICUBIC,
  };
  double *expected = resample_oracle(&job);
  assert_true(resample_oracle_difference(&job, expected) <= 1);
  assert_true(resample_oracle_psnr(&job, expected) >= 59);
  free(expected);
  image_unref(&source);
  base_fd_close(&fd);
}

static void a_photograph_matches_the_oracle_at_400_and_1200_pixels(void **state) {
  struct rig *rig = *state;
  struct base_buffer file;
  assert_int_equal(base_file_read(PHOTOGRAPH, MAX_FILE_BYTES, &file, NULL), BASE_OK);
  const struct rig_original original = rig_store(rig, base_buffer_span(&file));
  base_buffer_finish(&file);
  assert_int_equal(original.header.width, PHOTOGRAPH_WIDTH);
  assert_int_equal(original.header.height, PHOTOGRAPH_HEIGHT);

  // By the rule "at least twice the result": 400 is made from 1/2 (1544, since 772 < 800), 1200 from the whole.
  static const struct {
    uint32_t width;
    unsigned shrink;
  } cases[] = {{400, 2}, {1200, 1}};
  struct rig_order order;
  rig_order_init(&order, &original);
  for (size_t i = 0; i < 2; i++) {
    struct recipe recipe = RECIPE_DEFAULT;
    recipe.width = cases[i].width;
    recipe.format = RECIPE_FORMAT_PNG;  // lossless, so that only the resampler is judged
    rig_order_add(&order, recipe);
  }
  rig_order_run(&order, rig->render);
  for (size_t i = 0; i < 2; i++) {
    struct image *product = rig_open_product(&order.products[i]);
    assert_int_equal(product->width, cases[i].width);
    assert_matches_oracle(rig, &original, product, cases[i].shrink);
    image_unref(&product);
  }
  rig_order_finish(&order);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_photograph_matches_the_oracle_at_400_and_1200_pixels),
  };
  return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
