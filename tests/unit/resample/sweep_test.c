// Random jobs of every kind (seeded) against the oracle, the largest factors, batches, and jobs that must be refused.
//
// PIXPOP_LONG=N draws N times as many jobs; PIXPOP_SEED=N draws the jobs of another seed.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_oracle.h"
#include "resample_rig.h"

enum { JOBS = 250, MOST_SIDE = 80, MOST_CANVAS = 400, FIRST_SEED = 20260101 };

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

// --- drawing jobs ---

// Small sides are as likely as large ones.
static uint32_t random_side(struct resample_random *random) {
  return 1 + resample_random_next(random, 1 + resample_random_next(random, MOST_SIDE));
}

// Now and then a side that makes a factor far above 16 of a small target.
static uint32_t random_source_side(struct resample_random *random) {
  return resample_random_next(random, 8) ? random_side(random) : 100 + resample_random_next(random, 900);
}

static struct image_rect random_rect(struct resample_random *random, const struct image *source) {
  if (resample_random_next(random, 2)) return (struct image_rect){0, 0, source->width, source->height};
  double x = source->width * (resample_random_next(random, 900) / 1000.0);
  double y = source->height * (resample_random_next(random, 900) / 1000.0);
  double width = (source->width - x) * (1 + resample_random_next(random, 1000)) / 1000.0;
  double height = (source->height - y) * (1 + resample_random_next(random, 1000)) / 1000.0;
  return (struct image_rect){x, y, width, height};
}

static struct image *random_yuv_source(struct resample_random *random, uint32_t width, uint32_t height) {
  const struct image_yuv kind = {.width = width,
                                 .height = height,
                                 .range = resample_random_next(random, 3) ? IMAGE_RANGE_FULL : IMAGE_RANGE_LIMITED,
                                 .chroma_x = (uint8_t)(1u << resample_random_next(random, 3)),
                                 .chroma_y = (uint8_t)(1u << resample_random_next(random, 2)),
                                 .is_grey = resample_random_next(random, 6) == 0,
                                 .has_alpha = resample_random_next(random, 6) == 0};
  return resample_noise_yuv(&kind, resample_random_next(random, 1u << 20));
}

static struct image *random_source(struct resample_random *random) {
  const uint32_t width = random_source_side(random), height = random_source_side(random);
  const uint64_t seed = resample_random_next(random, 1u << 20);
  switch (resample_random_next(random, 6)) {
    case 0:
      return resample_binary_noise(width, height, seed);
    case 1:
      return resample_noise(width, height, false, seed);
    case 2:
      return resample_noise(width, height, true, seed);
    default:
      return random_yuv_source(random, width, height);
  }
}

// What the encoders take, at least as large as the job reaches.
static void random_target(struct resample_random *random, struct resample_job *job) {
  const struct image *source = resample_source_image(job->source);
  const bool is_planar = source->format == IMAGE_YUV || resample_random_next(random, 2);
  const bool has_alpha = source->has_alpha || resample_random_next(random, 6) == 0;
  struct image_yuv kind = {.range = resample_random_next(random, 2) ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL,
                           .chroma_x = (uint8_t)(1 + resample_random_next(random, 2)),
                           .chroma_y = (uint8_t)(1 + resample_random_next(random, 2)),
                           .has_alpha = has_alpha};
  if (resample_random_next(random, 3) == 0) {
    job->x = resample_random_next(random, 9) * (is_planar ? kind.chroma_x : 1);
    job->y = resample_random_next(random, 9) * (is_planar ? kind.chroma_y : 1);
  }
  kind.width = job->x + job->width + (job->x ? resample_random_next(random, 7) : 0);
  kind.height = job->y + job->height + (job->y ? resample_random_next(random, 7) : 0);
  resample_job_retarget(
      job, is_planar ? resample_noise_yuv(&kind, 99) : resample_noise(kind.width, kind.height, has_alpha, 99));
}

static void one_step_from_oracle_when_jobs_are_random(void **state) {
  struct resample_rig *rig = *state;
  const uint64_t first = number_of("PIXPOP_SEED", FIRST_SEED), jobs = JOBS * number_of("PIXPOP_LONG", 1);
  print_message("%llu jobs from seed %llu\n", (unsigned long long)jobs, (unsigned long long)first);
  for (rig->seed = first; rig->seed < first + jobs; rig->seed++) {
    struct resample_random random = {rig->seed * 0x9e3779b97f4a7c15u};
    struct image *source = random_source(&random);
    struct resample_job job = resample_job_make(rig->resampler, source, random_side(&random), random_side(&random));
    job.rect = random_rect(&random, source);
    job.orientation = (enum image_orientation)(1 + resample_random_next(&random, 8));
    job.filter = (enum resample_filter)resample_random_next(&random, 3);
    job.is_linear = source->format == IMAGE_RGBA8 && resample_random_next(&random, 4) == 0;
    random_target(&random, &job);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
  rig->seed = 0;
}

// --- what recipes make of a picture and its levels ---

static struct image_wish random_wish(struct resample_random *random, const struct image_yuv *kind) {
  struct image_wish wish = {.width = random_side(random),
                            .height = random_side(random),
                            .dpr = (1 + resample_random_next(random, 8)) / 4.0,
                            .fit = (enum image_fit)resample_random_next(random, 5),
                            .focus_x = resample_random_next(random, 101) / 100.0,
                            .focus_y = resample_random_next(random, 101) / 100.0,
                            .has_crop = resample_random_next(random, 2) == 0,
                            .turn = (enum image_orientation)(1 + resample_random_next(random, 8))};
  // Any place of the shorter side is one of both, however the picture is turned.
  const uint32_t side = kind->width < kind->height ? kind->width : kind->height;
  wish.crop_x = resample_random_next(random, side);
  wish.crop_y = resample_random_next(random, side);
  wish.crop_width = 1 + resample_random_next(random, kind->width);
  wish.crop_height = 1 + resample_random_next(random, kind->height);
  return wish;
}

static void one_step_from_oracle_when_layouts_are_random(void **state) {
  struct resample_rig *rig = *state;
  const uint64_t first = number_of("PIXPOP_SEED", FIRST_SEED), jobs = JOBS / 4 * number_of("PIXPOP_LONG", 1);
  for (rig->seed = first; rig->seed < first + jobs; rig->seed++) {
    struct resample_random random = {rig->seed * 0xd1342543de82ef95u};
    struct image_yuv original = {.width = 20 + resample_random_next(&random, 300),
                                 .height = 20 + resample_random_next(&random, 300),
                                 .chroma_x = 2,
                                 .chroma_y = 2};
    const struct image_wish wish = random_wish(&random, &original);
    const enum image_orientation exif = (enum image_orientation)(1 + resample_random_next(&random, 8));
    struct image_layout layout;
    // `outside` a very flat crop goes beyond every limit.
    if (image_layout_plan(&wish, original.width, original.height, exif, &layout, NULL) != BASE_OK) continue;
    if (layout.canvas_width > MOST_CANVAS || layout.canvas_height > MOST_CANVAS) continue;
    const unsigned shrink = image_layout_shrink(&layout);
    original.width = (original.width + shrink - 1) / shrink;
    original.height = (original.height + shrink - 1) / shrink;
    struct image *source = resample_noise_yuv(&original, rig->seed);
    struct resample_job job = resample_job_make(rig->resampler, source, layout.canvas_width, layout.canvas_height);
    job.rect = (struct image_rect){layout.source.x / shrink, layout.source.y / shrink, layout.source.width / shrink,
                                   layout.source.height / shrink};
    job.orientation = layout.orientation;
    job.width = layout.width, job.height = layout.height;
    job.x = layout.x, job.y = layout.y;
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
  rig->seed = 0;
}

// --- the largest factors ---

enum { LARGEST_SIDE = 65000 };

// Noise that grows brighter to the right and the bottom: a kernel that stops early is far off.
static void brighten(struct image *image) {
  const bool is_planar = image->format == IMAGE_YUV;
  for (unsigned p = 0; p < (is_planar ? (unsigned)IMAGE_MAX_PLANES : 1u); p++) {
    const uint32_t width = is_planar ? image->planes[p].width : image->width;
    const uint32_t height = is_planar ? image->planes[p].height : image->height;
    for (uint32_t y = 0; y < height; y++) {
      uint8_t *row = is_planar ? image_plane_row(&image->planes[p], y) : image_row(image, y);
      for (uint32_t x = 0; x < width * (is_planar ? 1 : 4); x++) {
        const uint32_t column = is_planar ? x : x / 4;
        const bool is_late = 2 * column >= width && width > 4, is_low = 2 * y >= height && height > 4;
        if (is_planar || x % 4 != 3) row[x] = (uint8_t)(row[x] / 4 + (is_late || is_low ? 160 : 20));
      }
    }
  }
}

static void all_samples_count_when_factor_is_largest(void **state) {
  static const uint32_t SIZES[][4] = {{LARGEST_SIDE, 2, 1, 2}, {2, LARGEST_SIDE, 2, 1}, {LARGEST_SIDE, 3, 3, 1}};
  static const struct image_yuv KINDS[] = {{.chroma_x = 2, .chroma_y = 2},
                                           {.chroma_x = 1, .chroma_y = 1, .has_alpha = true},
                                           {.chroma_x = 4, .chroma_y = 1}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < 3 * 5; i++) {
    const uint32_t *sides = SIZES[i % 3];
    struct image *source = NULL;
    if (i / 3 < 3) {
      struct image_yuv kind = KINDS[i / 3];
      kind.width = sides[0], kind.height = sides[1];
      source = resample_noise_yuv(&kind, i);
    } else {
      source = resample_noise(sides[0], sides[1], i / 3 == 4, i);
    }
    brighten(source);
    struct resample_job job = resample_job_make(rig->resampler, source, sides[2], sides[3]);
    job.filter = i % 2 ? RESAMPLE_LANCZOS3 : RESAMPLE_BICUBIC;
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

// The other way: a result as long as results may be.
static void one_step_from_oracle_when_result_is_longest(void **state) {
  struct resample_rig *rig = *state;
  const struct image_yuv kind = {.width = 40, .height = 3, .chroma_x = 2, .chroma_y = 2};
  struct image *sources[] = {resample_noise_yuv(&kind, 1), resample_noise(40, 3, true, 2)};
  for (size_t i = 0; i < 4; i++) {
    struct resample_job job = resample_job_make(rig->resampler, sources[i % 2], i < 2 ? IMAGE_MAX_RESULT_SIDE : 2,
                                                i < 2 ? 2 : IMAGE_MAX_RESULT_SIDE);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
  }
  image_unref(&sources[0]);
  image_unref(&sources[1]);
}

// --- batches ---

static void assert_same_picture(const struct image *a, const struct image *b) {
  if (a->format == IMAGE_RGBA8) {
    for (uint32_t y = 0; y < a->height; y++) assert_memory_equal(image_row(a, y), image_row(b, y), a->width * 4);
    return;
  }
  for (unsigned p = 0; p < IMAGE_MAX_PLANES; p++) {
    for (uint32_t y = 0; y < a->planes[p].height; y++) {
      assert_memory_equal(image_plane_row(&a->planes[p], y), image_plane_row(&b->planes[p], y), a->planes[p].width);
    }
  }
}

static void all_targets_are_right_when_jobs_run_together(void **state) {
  enum { COUNT = 10 };
  struct resample_rig *rig = *state;
  const struct image_yuv kind = {.width = 120, .height = 90, .chroma_x = 2, .chroma_y = 2};
  struct image *sources[] = {resample_noise(120, 90, false, 8), resample_noise_yuv(&kind, 8)};
  for (int kernel = RESAMPLE_KERNEL_AUTO; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    struct resample_job together[COUNT], alone[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
      together[i] = resample_job_make(rig->resampler, sources[i % 2], 30 + i * 10, 25 + i * 5);
      alone[i] = resample_job_make(rig->resampler, sources[i % 2], together[i].width, together[i].height);
      together[i].kernel = alone[i].kernel = (enum resample_kernel)kernel;
      resample_rig_run(rig->resampler, &alone[i]);
    }
    assert_int_equal(resample_run(rig->resampler, together, COUNT, NULL), BASE_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
      assert_same_picture(together[i].target, alone[i].target);
      resample_job_finish(&together[i]);
      resample_job_finish(&alone[i]);
    }
  }
  image_unref(&sources[0]);
  image_unref(&sources[1]);
}

// --- refusals ---

static void refuse(struct resample_rig *rig, const struct resample_job *job, enum base_result result,
                   const char *subject) {
  struct base_fault fault = {0};
  struct image *source = resample_source_image(job->source);
  struct resample_job jobs[2] = {resample_job_make(rig->resampler, source, 1, 1), *job};
  struct image *untouched[2] = {NULL, NULL};
  for (size_t i = 0; i < 2; i++) {
    const struct image *target = jobs[i].target;
    untouched[i] = target->format == IMAGE_YUV ? resample_noise_yuv(&target->yuv, 99)
                                               : resample_noise(target->width, target->height, target->has_alpha, 99);
  }
  assert_int_equal(resample_run(rig->resampler, jobs, 2, &fault), result);
  assert_string_equal(fault.subject, subject);
  // Not even the first, good job ran.
  for (size_t i = 0; i < 2; i++) {
    assert_same_picture(jobs[i].target, untouched[i]);
    image_unref(&untouched[i]);
  }
  resample_job_finish(&jobs[0]);
}

static void nothing_is_written_when_a_job_is_wrong(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(20, 20, false, 1);
  const struct resample_job good = resample_job_make(rig->resampler, source, 10, 10);
  struct resample_job bad = good;
  bad.x = 1;
  refuse(rig, &bad, BASE_BAD_INPUT, "target");
  bad = good, bad.y = UINT32_MAX;
  refuse(rig, &bad, BASE_BAD_INPUT, "target");
  bad = good, bad.width = 0;
  refuse(rig, &bad, BASE_BAD_INPUT, "size");
  bad = good, bad.height = LARGEST_SIDE + 1;
  refuse(rig, &bad, BASE_TOO_LARGE, "size");
  bad = good, bad.rect.x = 20;
  refuse(rig, &bad, BASE_BAD_INPUT, "rect");
  bad = good, bad.rect.width = 0;
  refuse(rig, &bad, BASE_BAD_INPUT, "rect");
  bad = good, bad.rect.height = -3;
  refuse(rig, &bad, BASE_BAD_INPUT, "rect");
  bad = good, bad.rect.y = NAN;
  refuse(rig, &bad, BASE_BAD_INPUT, "rect");
  bad = good, bad.rect.width = NAN;
  refuse(rig, &bad, BASE_BAD_INPUT, "rect");
  bad = good, bad.orientation = (enum image_orientation)9;
  refuse(rig, &bad, BASE_BAD_INPUT, "orientation");
  bad = good;
  resample_job_finish(&bad);
  image_unref(&source);
}

// A good job with another target, refused.
static void refuse_target(struct resample_rig *rig, struct image *source, const struct image_yuv *target, uint32_t x,
                          uint32_t y) {
  struct resample_job job = resample_job_make(rig->resampler, source, 10, 10);
  resample_job_retarget(&job, target ? resample_noise_yuv(target, 99) : resample_noise(20, 20, false, 99));
  job.x = x, job.y = y;
  refuse(rig, &job, BASE_BAD_INPUT, "target");
  resample_job_finish(&job);
}

static void targets_are_refused_when_of_the_wrong_kind(void **state) {
  struct resample_rig *rig = *state;
  const struct image_yuv planes = {.width = 20, .height = 20, .chroma_x = 2, .chroma_y = 2};
  const struct image_yuv grey = {.width = 20, .height = 20, .chroma_x = 1, .chroma_y = 1, .is_grey = true};
  const struct image_yuv wide = {.width = 20, .height = 20, .chroma_x = 4, .chroma_y = 1};
  struct image *colour = resample_noise(20, 20, false, 1), *clear = resample_noise(20, 20, true, 1);
  struct image *planar = resample_noise_yuv(&planes, 1);
  refuse_target(rig, clear, NULL, 0, 0);     // alpha would be lost
  refuse_target(rig, clear, &planes, 0, 0);  // here too
  refuse_target(rig, planar, NULL, 0, 0);    // planes stay planes
  refuse_target(rig, planar, &grey, 0, 0);
  refuse_target(rig, colour, &wide, 0, 0);
  refuse_target(rig, planar, &planes, 1, 0);  // not the corner of a block
  refuse_target(rig, colour, &planes, 0, 3);
  struct resample_job job = resample_job_make(rig->resampler, planar, 10, 10);
  job.is_linear = true;
  refuse(rig, &job, BASE_BAD_INPUT, "target");
  resample_job_finish(&job);
  image_unref(&colour);
  image_unref(&clear);
  image_unref(&planar);
}

static void says_too_large_when_source_is_longer_than_kernels_count(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(LARGEST_SIDE + 1, 1, false, 1);
  struct resample_job job = resample_job_make(rig->resampler, source, 10, 1);
  struct base_fault fault = {0};
  assert_int_equal(resample_run(rig->resampler, &job, 1, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "size");
  resample_job_finish(&job);
  image_unref(&source);
}

static void choice_follows_the_wish_when_given(void **state) {
  struct resample_rig *rig = *state;
  const struct image_yuv planes = {.width = 20, .height = 20, .chroma_x = 2, .chroma_y = 2};
  struct image *source = resample_noise(200, 100, false, 1), *planar = resample_noise_yuv(&planes, 1);
  struct resample_job job = resample_job_make(rig->resampler, source, 400, 200);
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_TWO_PASS);
  job.kernel = RESAMPLE_KERNEL_TILE;
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_TILE);
  job.kernel = RESAMPLE_KERNEL_CPU;
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_CPU);
  resample_job_finish(&job);
  job = resample_job_make(rig->resampler, planar, 40, 20);
  job.kernel = RESAMPLE_KERNEL_TILE;
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_TWO_PASS);
  resample_job_finish(&job);
  assert_string_equal(resample_kernel_name(RESAMPLE_KERNEL_TILE), "tile");
  assert_string_equal(resample_kernel_name(RESAMPLE_KERNEL_TWO_PASS), "two-pass");
  image_unref(&source);
  image_unref(&planar);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_jobs_are_random),
      cmocka_unit_test(one_step_from_oracle_when_layouts_are_random),
      cmocka_unit_test(all_samples_count_when_factor_is_largest),
      cmocka_unit_test(one_step_from_oracle_when_result_is_longest),
      cmocka_unit_test(all_targets_are_right_when_jobs_run_together),
      cmocka_unit_test(nothing_is_written_when_a_job_is_wrong),
      cmocka_unit_test(targets_are_refused_when_of_the_wrong_kind),
      cmocka_unit_test(says_too_large_when_source_is_longer_than_kernels_count),
      cmocka_unit_test(choice_follows_the_wish_when_given),
  };
  return cmocka_run_group_tests(tests, resample_rig_setup, resample_rig_teardown);
}
