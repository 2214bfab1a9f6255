// Pictures larger than the memory budget go through in bands and strips, and come out the same.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vulkan_rig.h"

struct cut_case {
  uint32_t source_width, source_height, width, height;
  uint64_t budget_bytes;
  enum resample_kernel kernel;
  bool imports;  // else bands of the source are uploaded, where it does not fit as a whole
};

static void check_cut(struct vulkan_rig *rig, struct resample_vulkan *small, const struct cut_case *c,
                      enum vulkan_kind kind, enum image_orientation orientation) {
  struct resample_source *source = vulkan_source(vulkan_source_image(kind, c->source_width, c->source_height, 5));
  struct resample_job whole = vulkan_job(source, kind, c->width, c->height);
  struct resample_job cut = vulkan_job(source, kind, c->width, c->height);
  whole.kernel = cut.kernel = c->kernel;
  whole.orientation = cut.orientation = orientation;
  assert_int_equal(vulkan_run(rig->vulkan, &whole, 1), 1);
  resample_vulkan_forget(rig->vulkan, source);
  if (!vulkan_fits(small, &cut)) {
    fail_msg("%u x %u, kind %d: does not fit", (unsigned)c->width, (unsigned)c->height, (int)kind);
  }
  const unsigned submissions = vulkan_run(small, &cut, 1);
  if (submissions < 2)
    fail_msg("%u x %u, kind %d: nothing was cut", (unsigned)c->width, (unsigned)c->height, (int)kind);
  assert_true(resample_vulkan_bytes(small) <= c->budget_bytes);
  vulkan_assert_same(whole.target, cut.target);
  image_unref(&whole.target);
  image_unref(&cut.target);
  resample_vulkan_forget(small, source);
  vulkan_source_free(&source);
}

static void output_is_identical_when_budget_forces_cuts(void **state) {
  static const struct cut_case CASES[] = {
      {300, 200, 450, 310, 160 << 10, RESAMPLE_KERNEL_TWO_PASS, false},  // bands
      {300, 200, 450, 310, 160 << 10, RESAMPLE_KERNEL_TWO_PASS, true},   // bands of a copy
      {300, 200, 450, 310, 300 << 10, RESAMPLE_KERNEL_TILE, false},
      {500, 900, 60, 45, 140 << 10, RESAMPLE_KERNEL_TWO_PASS, false},   // strips
      {900, 500, 50, 200, 220 << 10, RESAMPLE_KERNEL_TWO_PASS, false},  // both
      {900, 500, 50, 200, 220 << 10, RESAMPLE_KERNEL_TWO_PASS, true},
      {400, 300, 120, 90, 260 << 10, RESAMPLE_KERNEL_TILE, false},
  };
  struct vulkan_rig *rig = *state;
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    struct resample_vulkan *small = vulkan_rig_machine(rig, CASES[i].budget_bytes, CASES[i].imports);
    for (int kind = 0; kind < VULKAN_KIND_COUNT; kind++) {
      if (kind == VULKAN_PLANES && CASES[i].kernel == RESAMPLE_KERNEL_TILE) continue;
      check_cut(rig, small, &CASES[i], (enum vulkan_kind)kind, IMAGE_UPRIGHT);
      check_cut(rig, small, &CASES[i], (enum vulkan_kind)kind, IMAGE_TRANSVERSE);
    }
    resample_vulkan_destroy(&small);
  }
}

static void says_too_large_when_budget_holds_no_band(void **state) {
  struct vulkan_rig *rig = *state;
  struct resample_vulkan *small = vulkan_rig_machine(rig, 64 << 10, false);
  struct resample_source *source = vulkan_source(vulkan_source_image(VULKAN_RGB, 4000, 40, 1));
  struct resample_job job = vulkan_job(source, VULKAN_RGB, 4000, 40);
  struct base_fault fault = {0};
  assert_false(vulkan_fits(small, &job));
  assert_int_equal(vulkan_try(small, &job, 1, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "budget");
  image_unref(&job.target);
  vulkan_source_free(&source);
  resample_vulkan_destroy(&small);
}

// Dark, then bright along the longer side. All channels and planes alike.
static struct image *two_halves(enum vulkan_kind kind, uint32_t width, uint32_t height) {
  struct image *image = vulkan_source_image(kind, width, height, 0);
  const bool is_wide = width > height;
  const struct image_plane rgba = {image->pixels, width, height, image->stride_bytes};
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane plane = kind == VULKAN_PLANES ? image->planes[i] : rgba;
    const uint32_t sample_bytes = kind == VULKAN_PLANES ? 1 : 4;
    for (uint32_t y = 0; y < plane.height; y++) {
      for (uint32_t x = 0; x < plane.width; x++) {
        const bool is_late = is_wide ? x >= plane.width / 2 : y >= plane.height / 2;
        uint8_t *sample = image_plane_row(&plane, y) + (size_t)x * sample_bytes;
        memset(sample, is_late ? 200 : 100, sample_bytes);
        if (kind == VULKAN_RGB) sample[3] = 255;
      }
    }
  }
  return image;
}

// The ends of the picture count: a kernel that stops early would miss the second half.
static void all_samples_count_when_factor_is_largest(void **state) {
  static const uint32_t SIZES[][4] = {{65000, 2, 1, 2}, {2, 65000, 2, 1}, {64999, 3, 1, 1}, {16384, 64, 1, 1}};
  struct vulkan_rig *rig = *state;
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]) * VULKAN_KIND_COUNT; i++) {
    const uint32_t *sides = SIZES[i / VULKAN_KIND_COUNT];
    const enum vulkan_kind kind = (enum vulkan_kind)(i % VULKAN_KIND_COUNT);
    struct resample_source *source = vulkan_source(two_halves(kind, sides[0], sides[1]));
    for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel <= RESAMPLE_KERNEL_TILE; kernel++) {
      struct resample_job job = vulkan_job(source, kind, sides[2], sides[3]);
      job.kernel = (enum resample_kernel)kernel;
      if (vulkan_fits(rig->vulkan, &job)) {
        vulkan_run(rig->vulkan, &job, 1);
        vulkan_assert_right(&job);
      } else {
        assert_int_equal(kernel, RESAMPLE_KERNEL_TILE);
      }
      image_unref(&job.target);
    }
    resample_vulkan_forget(rig->vulkan, source);
    vulkan_source_free(&source);
  }
}

static void hundred_megapixels_go_through_when_device_buffers_are_smaller(void **state) {
  struct vulkan_rig *rig = *state;
  static const uint32_t TARGETS[][2] = {{1, 1}, {1, 16384}, {400, 149}};
  struct image *image = resample_picture(16384, 6100, true);
  for (uint32_t y = 0; y < image->height; y++) {
    // All four channels alike: half transparent at the top, and colour that averages by its alpha.
    memset(image_row(image, y), y < image->height / 2 ? 40 : 240, (size_t)image->width * 4);
  }
  struct resample_source *source = vulkan_source(image);
  for (size_t i = 0; i < sizeof(TARGETS) / sizeof(TARGETS[0]); i++) {
    struct resample_job job = vulkan_job(source, VULKAN_RGBA, TARGETS[i][0], TARGETS[i][1]);
    assert_true(vulkan_run(rig->vulkan, &job, 1) > 1);
    const uint8_t *first = image_row(job.target, 0);
    const uint8_t *last = image_row(job.target, job.height - 1) + (job.width - 1) * 4;
    if (job.height == 1) {
      assert_in_range(first[3], 139, 141);
      assert_in_range(first[0], 210, 212);  // (40 * 40 + 240 * 240) / (40 + 240)
    } else {
      assert_memory_equal(first, ((const uint8_t[4]){40, 40, 40, 40}), 4);
      assert_memory_equal(last, ((const uint8_t[4]){240, 240, 240, 240}), 4);
    }
    image_unref(&job.target);
  }
  vulkan_source_free(&source);
}

enum { THREADS = 4, ROUNDS = 6 };

struct worker {
  pthread_t thread;
  struct resample_vulkan *vulkan;
  struct resample_job job;
  enum base_result result;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  for (int i = 0; i < ROUNDS && worker->result == BASE_OK; i++) {
    worker->result = vulkan_try(worker->vulkan, &worker->job, 1, NULL);
  }
  return NULL;
}

// Two share a source, two have their own; the budget holds neither all copies nor all buffers.
static void results_stay_right_when_threads_share_a_small_budget(void **state) {
  struct vulkan_rig *rig = *state;
  for (int imports = 0; imports < 2; imports++) {
    struct resample_vulkan *small = vulkan_rig_machine(rig, 600 << 10, imports);
    struct resample_source *sources[THREADS];
    struct worker workers[THREADS] = {0};
    struct image *expected[THREADS];
    for (int i = 0; i < THREADS; i++) {
      const enum vulkan_kind kind = i < 2 ? VULKAN_RGB : i == 2 ? VULKAN_PLANES : VULKAN_CONVERTED;
      sources[i] = i == 1 ? sources[0] : vulkan_source(vulkan_source_image(kind, 200, 150, (uint64_t)i));
      struct resample_job alone = vulkan_job(sources[i], kind, 150 + 40 * (uint32_t)i, 90);
      vulkan_run(small, &alone, 1);
      expected[i] = alone.target;
      workers[i] = (struct worker){.vulkan = small, .job = vulkan_job(sources[i], kind, alone.width, 90)};
    }
    for (int i = 0; i < THREADS; i++) {
      assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    assert_true(resample_vulkan_bytes(small) <= 600 << 10);
    resample_vulkan_destroy(&small);
    for (int i = 0; i < THREADS; i++) {
      assert_int_equal(workers[i].result, BASE_OK);
      vulkan_assert_same(workers[i].job.target, expected[i]);
      image_unref(&workers[i].job.target);
      image_unref(&expected[i]);
      if (i != 1) vulkan_source_free(&sources[i]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(output_is_identical_when_budget_forces_cuts),
      cmocka_unit_test(says_too_large_when_budget_holds_no_band),
      cmocka_unit_test(all_samples_count_when_factor_is_largest),
      cmocka_unit_test(hundred_megapixels_go_through_when_device_buffers_are_smaller),
      cmocka_unit_test(results_stay_right_when_threads_share_a_small_budget),
  };
  return cmocka_run_group_tests(tests, vulkan_rig_setup, vulkan_rig_teardown);
}
