// Every kernel against the double-precision oracle: planes to planes, and RGBA8 to planes.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_oracle.h"
#include "resample_rig.h"

// 4:4:4, 4:2:2, 4:4:0, 4:2:0, 4:1:1, 4:1:0, grey
static const struct image_yuv SOURCES[] = {
    {.chroma_x = 1, .chroma_y = 1},
    {.chroma_x = 2, .chroma_y = 1},
    {.chroma_x = 1, .chroma_y = 2},
    {.chroma_x = 2, .chroma_y = 2},
    {.chroma_x = 4, .chroma_y = 1},
    {.chroma_x = 4, .chroma_y = 2},
    {.chroma_x = 1, .chroma_y = 1, .is_grey = true},
};
// What encoders take: WebP, JPEG, and what becomes RGB again.
static const struct image_yuv TARGETS[] = {
    {.range = IMAGE_RANGE_LIMITED, .chroma_x = 2, .chroma_y = 2},
    {.range = IMAGE_RANGE_FULL, .chroma_x = 2, .chroma_y = 2},
    {.range = IMAGE_RANGE_FULL, .chroma_x = 1, .chroma_y = 1},
};
enum { SOURCE_COUNT = sizeof(SOURCES) / sizeof(SOURCES[0]), TARGET_COUNT = sizeof(TARGETS) / sizeof(TARGETS[0]) };

static struct image_yuv sized(struct image_yuv kind, uint32_t width, uint32_t height) {
  kind.width = width;
  kind.height = height;
  return kind;
}

static struct resample_job planar_job(struct resample_rig *rig, struct image *image, const struct image_yuv *target,
                                      uint32_t width, uint32_t height) {
  struct resample_job job = resample_job_make(rig->resampler, image, width, height);
  struct image_yuv yuv = sized(*target, width, height);
  yuv.has_alpha = image->has_alpha;
  resample_job_retarget(&job, resample_noise_yuv(&yuv, 99));
  return job;
}

static void one_step_from_oracle_when_kinds_and_sizes_vary(void **state) {
  static const uint32_t SIZES[][4] = {{64, 48, 128, 96}, {61, 47, 133, 101}, {200, 150, 61, 45}, {33, 35, 33, 35},
                                      {1, 1, 1, 1},      {1, 300, 1, 77},    {3, 2, 40, 33},     {700, 33, 40, 9}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < SOURCE_COUNT * TARGET_COUNT; i++) {
    for (size_t s = i % 2; s < sizeof(SIZES) / sizeof(SIZES[0]); s += 2) {
      struct image_yuv kind = sized(SOURCES[i % SOURCE_COUNT], SIZES[s][0], SIZES[s][1]);
      kind.range = i % 5 == 0 ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL;
      kind.has_alpha = i % 4 == 3;
      struct image *source = resample_noise_yuv(&kind, i);
      struct resample_job job = planar_job(rig, source, &TARGETS[i / SOURCE_COUNT], SIZES[s][2], SIZES[s][3]);
      resample_rig_check(rig, &job);
      resample_job_finish(&job);
      image_unref(&source);
    }
  }
}

// The chroma grid hangs at the target's left and top edge, also where an odd target is seen from its other side.
static void one_step_from_oracle_when_odd_planes_are_turned(void **state) {
  static const uint32_t SIZES[][2] = {{71, 45}, {21, 13}, {38, 53}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < SOURCE_COUNT * 8; i++) {
    const struct image_yuv kind = sized(SOURCES[i % SOURCE_COUNT], 53, 39);
    struct image *source = resample_noise_yuv(&kind, i);
    struct resample_job job = planar_job(rig, source, &TARGETS[i % TARGET_COUNT], SIZES[i % 3][0], SIZES[i % 3][1]);
    job.orientation = (enum image_orientation)(1 + i / SOURCE_COUNT);
    job.filter = (enum resample_filter)(i % 3);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void one_step_from_oracle_when_planes_are_cropped(void **state) {
  static const struct image_rect RECTS[] = {{3.25, 5.5, 40.5, 30.125},  {0.75, 0.0, 10.0, 0.5}, {20.4, 30.3, 0.2, 0.2},
                                            {-5.0, -7.5, 30.0, 30.0},   {3, 5, 31, 29},         {1, 1, 1, 1},
                                            {49.5, 39.5, 100.0, 100.0}, {10.0, 0.0, 1.0, 50.0}};
  enum { RECT_COUNT = sizeof(RECTS) / sizeof(RECTS[0]) };
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < SOURCE_COUNT * RECT_COUNT; i++) {
    const struct image_yuv kind = sized(SOURCES[i % SOURCE_COUNT], 61, 51);
    struct image *source = resample_noise_yuv(&kind, i);
    struct resample_job job = planar_job(rig, source, &TARGETS[i % TARGET_COUNT], 45, 33);
    job.rect = RECTS[i / SOURCE_COUNT];
    job.orientation = (enum image_orientation)(1 + i % 8);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void nothing_else_is_touched_when_target_is_larger(void **state) {
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < TARGET_COUNT * 4; i++) {
    const struct image_yuv kind = sized(SOURCES[3], 50, 41);
    struct image *source = i % 2 ? resample_noise(50, 41, i % 4 == 3, i) : resample_noise_yuv(&kind, i);
    struct resample_job job = planar_job(rig, source, &TARGETS[i / 4], 101, 99);
    job.width = 33, job.height = 45, job.x = 6, job.y = 12;
    job.orientation = (enum image_orientation)(1 + i % 8);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void fill_plane(struct image *image, unsigned plane, uint8_t value) {
  for (uint32_t y = 0; y < image->planes[plane].height; y++) {
    memset(image_plane_row(&image->planes[plane], y), value, image->planes[plane].width);
  }
}

static void assert_plane_is(const struct image *image, unsigned plane, uint8_t value) {
  for (uint32_t y = 0; y < image->planes[plane].height; y++) {
    for (uint32_t x = 0; x < image->planes[plane].width; x++) {
      assert_int_equal(image_plane_row(&image->planes[plane], y)[x], value);
    }
  }
}

static void constants_stay_exact_when_range_stays(void **state) {
  static const uint8_t VALUES[] = {0, 1, 2, 127, 254, 255};
  static const uint32_t SIZES[][2] = {{97, 61}, {13, 11}, {41, 31}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < sizeof(VALUES) * 3 * 3; i++) {
    struct image_yuv kind = sized(SOURCES[i % SOURCE_COUNT], 41, 31);
    kind.range = IMAGE_RANGE_FULL;
    struct image *source = resample_picture_yuv(&kind);
    for (unsigned p = 0; p < 3; p++) fill_plane(source, p, VALUES[(i + p) % sizeof(VALUES)]);
    struct resample_job job =
        planar_job(rig, source, &TARGETS[1 + i % 2], SIZES[i / sizeof(VALUES) % 3][0], SIZES[i % 3][1]);
    job.filter = (enum resample_filter)(i / (sizeof(VALUES) * 3));
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      for (unsigned p = 0; p < 3; p++) {
        assert_plane_is(job.target, p, kind.is_grey && p > 0 ? 128 : VALUES[(i + p) % sizeof(VALUES)]);
      }
    }
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void ends_of_the_range_meet_when_it_changes(void **state) {
  static const uint8_t FULL[][2] = {{0, 128}, {255, 255}, {0, 255}, {255, 128}};  // of luma, chroma
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < 4 * 2; i++) {
    const bool to_limited = i % 2 == 0;
    struct image_yuv kind = sized(SOURCES[3], 20, 16);
    kind.range = to_limited ? IMAGE_RANGE_FULL : IMAGE_RANGE_LIMITED;
    struct image *source = resample_picture_yuv(&kind);
    const uint8_t luma = FULL[i / 2][0], chroma = FULL[i / 2][1];
    // BT.601: 16 + 219 / 255 Y and 128 + 224 / 255 (C - 128)
    const uint8_t limited[2] = {(uint8_t)lround(16 + luma * 219.0 / 255),
                                (uint8_t)lround(128 + (chroma - 128) * 224.0 / 255)};
    const uint8_t from[2] = {to_limited ? luma : limited[0], to_limited ? chroma : limited[1]};
    const uint8_t to[2] = {to_limited ? limited[0] : luma, to_limited ? limited[1] : chroma};
    for (unsigned p = 0; p < 3; p++) fill_plane(source, p, from[p > 0]);
    struct resample_job job = planar_job(rig, source, &TARGETS[to_limited ? 0 : 1], 31, 9);
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      assert_plane_is(job.target, IMAGE_PLANE_Y, to[0]);
      assert_plane_is(job.target, IMAGE_PLANE_U, to[1]);
      assert_plane_is(job.target, IMAGE_PLANE_V, to[1]);
    }
    resample_job_finish(&job);
    image_unref(&source);
  }
}

// Chroma of a block is in its middle: between planes of the same grid nothing moves.
static void samples_only_move_when_planes_are_turned_at_full_size(void **state) {
  struct resample_rig *rig = *state;
  struct image_yuv kind = sized(SOURCES[3], 12, 8);
  kind.range = IMAGE_RANGE_FULL;
  struct image *source = resample_noise_yuv(&kind, 12);
  struct resample_job job = planar_job(rig, source, &TARGETS[1], 8, 12);
  job.orientation = IMAGE_ROTATE_90;
  enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
  while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
    resample_rig_run(rig->resampler, &job);
    for (unsigned p = 0; p < 3; p++) {
      const struct image_plane *from = &source->planes[p], *to = &job.target->planes[p];
      for (uint32_t y = 0; y < to->height; y++) {
        for (uint32_t x = 0; x < to->width; x++) {
          assert_int_equal(image_plane_row(to, y)[x], image_plane_row(from, from->height - 1 - x)[y]);
        }
      }
    }
  }
  resample_job_finish(&job);
  image_unref(&source);
}

static void one_step_from_oracle_when_source_is_an_impulse(void **state) {
  static const uint32_t PLACES[][2] = {{0, 0}, {16, 20}, {16, 0}, {15, 1}, {1, 19}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]) * 3; i++) {
    const struct image_yuv kind = sized(SOURCES[3], 33, 41);
    struct image *source = resample_picture_yuv(&kind);
    const uint32_t *place = PLACES[i / 3];
    for (unsigned p = 0; p < 3; p++) {
      fill_plane(source, p, p == 1 ? 255 : 0);
      image_plane_row(&source->planes[p], place[1])[place[0]] = p == 1 ? 0 : 255;
    }
    struct resample_job job = planar_job(rig, source, &TARGETS[i % TARGET_COUNT], 77, 90);
    job.filter = (enum resample_filter)(i % 3);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void one_step_from_oracle_when_colour_becomes_planes(void **state) {
  static const uint32_t SIZES[][4] = {{64, 48, 128, 96}, {61, 47, 133, 101}, {200, 150, 61, 45},
                                      {33, 35, 33, 35},  {1, 1, 1, 1},       {700, 33, 40, 9}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < 6 * TARGET_COUNT * 2; i++) {
    const uint32_t *sides = SIZES[i % 6];
    const bool has_alpha = i / 6 % 2 != 0;
    struct image *source = resample_noise(sides[0], sides[1], has_alpha, i);
    struct resample_job job = planar_job(rig, source, &TARGETS[i / 12], sides[2], sides[3]);
    job.orientation = (enum image_orientation)(1 + i % 8);
    job.filter = (enum resample_filter)(i % 3);
    job.is_linear = i % 4 == 1;
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

// The planes of plain colours, from the standard's own formula.
static void plain_colours_are_bt601_when_colour_becomes_planes(void **state) {
  static const struct {
    uint8_t rgba[4], full[3], limited[3];
  } COLOURS[] = {
      {{0, 0, 0, 255}, {0, 128, 128}, {16, 128, 128}},    {{255, 255, 255, 255}, {255, 128, 128}, {235, 128, 128}},
      {{255, 0, 0, 255}, {76, 85, 255}, {81, 90, 240}},   {{0, 255, 0, 255}, {150, 44, 21}, {145, 54, 34}},
      {{0, 0, 255, 255}, {29, 255, 107}, {41, 240, 110}},
  };
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < sizeof(COLOURS) / sizeof(COLOURS[0]) * TARGET_COUNT; i++) {
    struct image *source = resample_picture(21, 15, false);
    image_fill(source, COLOURS[i / TARGET_COUNT].rgba);
    const struct image_yuv *target = &TARGETS[i % TARGET_COUNT];
    const bool is_full = target->range == IMAGE_RANGE_FULL;
    struct resample_job job = planar_job(rig, source, target, 33, 9);
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      for (unsigned p = 0; p < 3; p++) {
        assert_plane_is(job.target, p,
                        is_full ? COLOURS[i / TARGET_COUNT].full[p] : COLOURS[i / TARGET_COUNT].limited[p]);
      }
    }
    resample_job_finish(&job);
    image_unref(&source);
  }
}

// Its edges are two for luma and one for chroma, in the middle of a plane and at its end.
static void plane_is_one_sample_when_the_rect_is_a_sliver(void **state) {
  static const uint8_t VALUES[] = {40, 90, 200};
  struct resample_rig *rig = *state;
  for (int i = 0; i < 4; i++) {
    const struct image_yuv kind = sized(SOURCES[3], i < 2 ? 8 : 16, 16);
    struct image *source = resample_picture_yuv(&kind);
    for (unsigned p = 0; p < 3; p++) fill_plane(source, p, VALUES[p]);
    struct resample_job job = planar_job(rig, source, &TARGETS[1], 9, 7);
    job.rect = (struct image_rect){7.9999985, 5.0, 1.6e-6, 9.0};
    job.orientation = i % 2 ? IMAGE_FLIP_H : IMAGE_UPRIGHT;
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      job.kernel = kernel;
      assert_int_equal(resample_run(rig->resampler, &job, 1, NULL), BASE_OK);
      for (unsigned p = 0; p < 3; p++) assert_plane_is(job.target, p, VALUES[p]);
    }
    resample_job_finish(&job);
    image_unref(&source);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_kinds_and_sizes_vary),
      cmocka_unit_test(one_step_from_oracle_when_odd_planes_are_turned),
      cmocka_unit_test(one_step_from_oracle_when_planes_are_cropped),
      cmocka_unit_test(plane_is_one_sample_when_the_rect_is_a_sliver),
      cmocka_unit_test(nothing_else_is_touched_when_target_is_larger),
      cmocka_unit_test(constants_stay_exact_when_range_stays),
      cmocka_unit_test(ends_of_the_range_meet_when_it_changes),
      cmocka_unit_test(samples_only_move_when_planes_are_turned_at_full_size),
      cmocka_unit_test(one_step_from_oracle_when_source_is_an_impulse),
      cmocka_unit_test(one_step_from_oracle_when_colour_becomes_planes),
      cmocka_unit_test(plain_colours_are_bt601_when_colour_becomes_planes),
  };
  return cmocka_run_group_tests(tests, resample_rig_setup, resample_rig_teardown);
}
