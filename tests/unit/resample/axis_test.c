// Weight tables against numbers worked out by hand, and against what must hold for every table.

#include "axis.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter.h"
#include "table.h"

static struct resample_axis make_span(const struct resample_span *span) {
  struct resample_axis axis;
  assert_int_equal(resample_axis_init(&axis, span, NULL), BASE_OK);
  assert_int_equal(resample_axis_weigh(&axis, NULL), BASE_OK);
  return axis;
}

static struct resample_axis make(enum resample_filter filter, double origin, double extent, uint32_t outputs,
                                 bool is_flipped) {
  const double step = extent / outputs;
  const struct resample_span span = {.filter = filter,
                                     .begin = is_flipped ? origin + extent : origin,
                                     .step = is_flipped ? -step : step,
                                     .outputs = outputs,
                                     .first = (uint32_t)floor(origin),
                                     .length = (uint32_t)(ceil(origin + extent) - floor(origin))};
  return make_span(&span);
}

static double weight(const struct resample_axis *axis, uint32_t output, uint32_t sample) {
  const struct resample_taps *taps = &axis->taps[output];
  bool is_inside = sample >= taps->start && sample - taps->start < taps->count;
  return is_inside ? axis->weights[taps->offset + sample - taps->start] : 0.0;
}

static void assert_near(double have, double want) {
  if (!(fabs(have - want) < 1e-11)) fail_msg("%.15f is not %.15f", have, want);
}

static void weights_match_keys_when_doubled(void **state) {
  (void)state;
  struct resample_axis axis = make(RESAMPLE_BICUBIC, 0, 10, 20, false);
  // Output 9 is centred on 4.75: samples 3, 4, 5, 6 at distances 1.25, 0.25, 0.75, 1.75.
  assert_near(weight(&axis, 9, 3), -0.0703125);
  assert_near(weight(&axis, 9, 4), 0.8671875);
  assert_near(weight(&axis, 9, 5), 0.2265625);
  assert_near(weight(&axis, 9, 6), -0.0234375);
  // Output 2, centred on 1.25, reaches sample -1, which is 0 again.
  assert_near(weight(&axis, 2, 0), 0.2265625 - 0.0234375);
  assert_near(weight(&axis, 2, 1), 0.8671875);
  assert_near(weight(&axis, 2, 2), -0.0703125);
  // Output 0, centred on 0.25: -1 is 0 and -2 is 1.
  assert_near(weight(&axis, 0, 0), 0.8671875 + 0.2265625);
  assert_near(weight(&axis, 0, 1), -0.0703125 - 0.0234375);
  resample_axis_finish(&axis);
}

static void weights_are_one_sample_when_size_is_kept(void **state) {
  (void)state;
  for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter += 2) {
    struct resample_axis axis = make((enum resample_filter)filter, 0, 9, 9, false);
    for (uint32_t i = 0; i < 9; i++) assert_near(weight(&axis, i, i), 1.0);
    resample_axis_finish(&axis);
  }
}

static void all_weight_is_on_the_sample_when_there_is_one(void **state) {
  (void)state;
  struct resample_axis axis = make(RESAMPLE_LANCZOS3, 4.25, 0.5, 7, false);
  assert_int_equal(axis.span.first, 4);
  assert_int_equal(axis.span.length, 1);
  for (uint32_t i = 0; i < 7; i++) assert_near(weight(&axis, i, 4), 1.0);
  resample_axis_finish(&axis);
}

static void order_is_reversed_when_flipped(void **state) {
  (void)state;
  struct resample_axis forward = make(RESAMPLE_LANCZOS3, 2.5, 20.25, 13, false);
  struct resample_axis backward = make(RESAMPLE_LANCZOS3, 2.5, 20.25, 13, true);
  for (uint32_t i = 0; i < 13; i++) {
    for (uint32_t s = 0; s < 30; s++) assert_near(weight(&forward, i, s), weight(&backward, 12 - i, s));
  }
  resample_axis_finish(&forward);
  resample_axis_finish(&backward);
}

static const struct {
  double origin, extent;
  uint32_t outputs;
} AXES[] = {{0, 1, 1},      {0, 2, 9},     {0, 3, 2},     {0, 100, 7},   {0, 65000, 1}, {0, 7, 100},   {3.3, 11.1, 5},
            {5.5, 0.1, 40}, {0, 101, 100}, {0, 100, 101}, {0, 16384, 3}, {1, 33, 33},   {17.2, 5, 300}};

static void sums_are_one_and_taps_inside_when_axes_vary(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(AXES) / sizeof(AXES[0]) * 3; i++) {
    struct resample_axis axis =
        make((enum resample_filter)(i % 3), AXES[i / 3].origin, AXES[i / 3].extent, AXES[i / 3].outputs, i % 2 != 0);
    for (uint32_t o = 0; o < axis.span.outputs; o++) {
      const struct resample_taps *taps = &axis.taps[o];
      assert_true(taps->count > 0 && taps->start >= axis.span.first);
      assert_true(taps->start + taps->count <= axis.span.first + axis.span.length);
      double sum = 0.0;
      for (uint32_t k = 0; k < taps->count; k++) sum += axis.weights[taps->offset + k];
      assert_near(sum, 1.0);
    }
    resample_axis_finish(&axis);
  }
}

// The kernels' tables hold the same weights: every block's record, read as the kernel reads it.
static void packed_tables_hold_the_axis_when_axes_vary(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(AXES) / sizeof(AXES[0]); i++) {
    struct resample_axis axis = make(RESAMPLE_BICUBIC, AXES[i].origin, AXES[i].extent, AXES[i].outputs, i % 2 != 0);
    struct resample_blocks blocks;
    assert_int_equal(resample_blocks_init(&blocks, &axis, NULL), BASE_OK);
    assert_int_equal(blocks.taps % 2, 0);
    struct resample_texel *fours = calloc(resample_blocks_texels(&blocks), sizeof(*fours));
    uint32_t each = resample_singles_texels_each(&axis);
    struct resample_texel *ones = calloc((size_t)each * axis.span.outputs, sizeof(*ones));
    resample_blocks_pack(&blocks, fours);
    resample_singles_pack(&axis, ones);
    for (uint32_t o = 0; o < axis.span.outputs; o++) {
      const struct resample_texel *record = fours + (size_t)(o / 4) * (blocks.taps + 1);
      const struct resample_texel *single = ones + (size_t)o * each;
      uint32_t start = (uint32_t)record->values[0];
      uint32_t single_start = (uint32_t)single->values[0];
      for (uint32_t k = 0; k < blocks.taps; k++) {
        assert_true(record[1 + k].values[o % 4] == (float)weight(&axis, o, start + k));
      }
      for (uint32_t k = 0; k < (each - 1) * 4; k++) {
        assert_true(single[1 + k / 4].values[k % 4] == (float)weight(&axis, o, single_start + k));
      }
    }
    free(fours);
    free(ones);
    resample_blocks_finish(&blocks);
    resample_axis_finish(&axis);
  }
}

// As chroma planes of odd sizes have them: the last output is centred on the picture's edge, or beyond it.
static void taps_are_mirrored_when_centres_leave_the_samples(void **state) {
  (void)state;
  struct resample_span span = {.filter = RESAMPLE_BICUBIC, .begin = 0.0, .step = 1.0, .outputs = 5, .length = 4};
  struct resample_axis axis = make_span(&span);
  // Output 4 is centred on 4.5, where sample 4 would be: that is 3 again.
  assert_near(weight(&axis, 4, 3), 1.0);
  resample_axis_finish(&axis);
  span = (struct resample_span){
      .filter = RESAMPLE_BICUBIC, .begin = 6.0, .step = -1.0, .outputs = 5, .first = 2, .length = 4};
  axis = make_span(&span);
  assert_near(weight(&axis, 0, 5), 1.0);
  assert_near(weight(&axis, 4, 2), 1.0);  // centred on 1.5, sample 1, which is 2 again
  resample_axis_finish(&axis);
  // Halves: centred on the edge itself, both sides mirror each other.
  span = (struct resample_span){
      .filter = RESAMPLE_BICUBIC, .begin = 2.5, .step = 1.0, .outputs = 4, .first = 2, .length = 4};
  axis = make_span(&span);
  assert_near(weight(&axis, 3, 5), 2 * 0.5625);  // 0.5 away, twice
  assert_near(weight(&axis, 3, 4), 2 * -0.0625);
  resample_axis_finish(&axis);
}

static void axis_is_refused_when_source_is_over_the_limit(void **state) {
  (void)state;
  struct resample_axis axis;
  struct base_fault fault = {0};
  const struct resample_span span = {
      .step = (RESAMPLE_MAX_SIDE + 1) / 10.0, .outputs = 10, .length = RESAMPLE_MAX_SIDE + 1};
  assert_int_equal(resample_axis_init(&axis, &span, &fault), BASE_TOO_LARGE);
}

static void filters_have_their_shape_when_sampled(void **state) {
  (void)state;
  assert_near(resample_filter_at(RESAMPLE_BICUBIC, 0.0), 1.0);
  assert_near(resample_filter_at(RESAMPLE_BICUBIC, 1.0), 0.0);
  assert_near(resample_filter_at(RESAMPLE_BICUBIC, -1.5), -0.0625);
  assert_near(resample_filter_at(RESAMPLE_MITCHELL, 0.0), 8.0 / 9.0);
  assert_near(resample_filter_at(RESAMPLE_MITCHELL, 1.0), 1.0 / 18.0);
  assert_near(resample_filter_at(RESAMPLE_LANCZOS3, 0.0), 1.0);
  assert_near(resample_filter_at(RESAMPLE_LANCZOS3, 1.5), -4.0 / (3.0 * M_PI * M_PI));
  for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter++) {
    double support = resample_filter_support((enum resample_filter)filter);
    assert_near(resample_filter_at((enum resample_filter)filter, support), 0.0);
    assert_true(fabs(resample_filter_at((enum resample_filter)filter, support - 0.1)) > DBL_EPSILON);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_match_keys_when_doubled),
      cmocka_unit_test(weights_are_one_sample_when_size_is_kept),
      cmocka_unit_test(all_weight_is_on_the_sample_when_there_is_one),
      cmocka_unit_test(order_is_reversed_when_flipped),
      cmocka_unit_test(sums_are_one_and_taps_inside_when_axes_vary),
      cmocka_unit_test(packed_tables_hold_the_axis_when_axes_vary),
      cmocka_unit_test(taps_are_mirrored_when_centres_leave_the_samples),
      cmocka_unit_test(axis_is_refused_when_source_is_over_the_limit),
      cmocka_unit_test(filters_have_their_shape_when_sampled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
