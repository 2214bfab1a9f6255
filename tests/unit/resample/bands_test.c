// Pictures larger than the memory budget go through in bands and strips, and come out the same.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_rig.h"

static struct resampler *small_resampler(struct resample_rig *rig, uint64_t budget_bytes) {
  struct base_fault fault = {0};
  struct resampler *resampler = NULL;
  if (resample_create(rig->gpu, budget_bytes, &resampler, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return resampler;
}

static void assert_same_pixels(const struct image *a, const struct image *b) {
  for (uint32_t y = 0; y < a->height; y++) {
    if (memcmp(image_row(a, y), image_row(b, y), (size_t)a->width * 4) != 0) fail_msg("row %u differs", (unsigned)y);
  }
}

struct cut_case {
  uint32_t source_width, source_height, width, height;
  uint64_t budget_bytes;
  enum resample_kernel kernel;
};

static void output_is_identical_when_budget_forces_cuts(void **state) {
  static const struct cut_case CASES[] = {
      {300, 200, 450, 310, 160 << 10, RESAMPLE_KERNEL_TWO_PASS},  // bands
      {300, 200, 450, 310, 300 << 10, RESAMPLE_KERNEL_TWO_PASS}, {300, 200, 450, 310, 300 << 10, RESAMPLE_KERNEL_TILE},
      {500, 900, 60, 5, 200 << 10, RESAMPLE_KERNEL_TWO_PASS},   // strips
      {900, 500, 9, 200, 160 << 10, RESAMPLE_KERNEL_TWO_PASS},  // both
      {400, 300, 120, 90, 400 << 10, RESAMPLE_KERNEL_TILE},
  };
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    const struct cut_case *c = &CASES[i];
    struct resampler *small = small_resampler(rig, c->budget_bytes);
    for (int variant = 0; variant < 4; variant++) {
      struct image *source = resample_noise(c->source_width, c->source_height, variant % 2, i);
      struct resample_job whole = resample_job_make(source, c->width, c->height);
      struct resample_job cut = resample_job_make(source, c->width, c->height);
      whole.kernel = cut.kernel = c->kernel;
      whole.orientation = cut.orientation = variant < 2 ? IMAGE_UPRIGHT : IMAGE_TRANSVERSE;
      assert_int_equal(resample_choice(small, &cut), c->kernel);
      resample_rig_run(rig->resampler, &whole);
      resample_rig_run(small, &cut);
      assert_same_pixels(whole.target, cut.target);
      resample_job_finish(&whole);
      resample_job_finish(&cut);
      image_unref(&source);
    }
    resample_destroy(&small);
  }
}

static void says_too_large_when_budget_holds_no_band(void **state) {
  struct resample_rig *rig = *state;
  struct resampler *small = small_resampler(rig, 64 << 10);
  struct image *source = resample_noise(4000, 40, false, 1);
  struct resample_job job = resample_job_make(source, 4000, 40);
  struct base_fault fault = {0};
  assert_int_equal(resample_run(small, &job, 1, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "budget");
  resample_job_finish(&job);
  image_unref(&source);
  resample_destroy(&small);
}

// Stripes of 10 and 20 averaged over very many samples: every result must be near 15, and the ends of the picture
// count: a kernel that stops early would miss the second half.
static void all_samples_count_when_factor_is_largest(void **state) {
  struct resample_rig *rig = *state;
  static const uint32_t SIZES[][4] = {{65000, 2, 1, 2}, {2, 65000, 2, 1}, {65000, 3, 3, 1}, {16384, 64, 1, 1}};
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
    struct image *source = resample_picture(SIZES[i][0], SIZES[i][1], false);
    for (uint32_t y = 0; y < source->height; y++) {
      for (uint32_t x = 0; x < source->width; x++) {
        bool is_late = x >= source->width / 2 && source->width > 2;
        is_late = is_late || (y >= source->height / 2 && source->height > 64);
        const uint8_t value = is_late ? 200 : 100;
        memcpy(image_row(source, y) + (size_t)x * 4, (const uint8_t[4]){value, value, 77, 255}, 4);
      }
    }
    for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel <= RESAMPLE_KERNEL_TILE; kernel++) {
      struct resample_job job = resample_job_make(source, SIZES[i][2], SIZES[i][3]);
      job.kernel = (enum resample_kernel)kernel;
      resample_rig_run(rig->resampler, &job);
      const uint8_t *first = image_row(job.target, 0);
      if (job.width < 3) assert_in_range(first[0], 149, 151);
      assert_int_equal(first[2], 77);
      resample_job_finish(&job);
    }
    image_unref(&source);
  }
}

static void hundred_megapixels_go_through_when_device_buffers_are_smaller(void **state) {
  struct resample_rig *rig = *state;
  static const uint32_t TARGETS[][2] = {{1, 1}, {1, 16384}, {400, 149}};
  struct image *source = resample_picture(16384, 6100, true);
  for (uint32_t y = 0; y < source->height; y++) {
    // All four channels alike: half transparent at the top, and colour that averages by its alpha.
    memset(image_row(source, y), y < source->height / 2 ? 40 : 240, (size_t)source->width * 4);
  }
  for (size_t i = 0; i < sizeof(TARGETS) / sizeof(TARGETS[0]); i++) {
    struct resample_job job = resample_job_make(source, TARGETS[i][0], TARGETS[i][1]);
    resample_rig_run(rig->resampler, &job);
    const uint8_t *first = image_row(job.target, 0);
    const uint8_t *last = image_row(job.target, job.height - 1) + (job.width - 1) * 4;
    if (job.height == 1) {
      assert_in_range(first[3], 139, 141);
      assert_in_range(first[0], 210, 212);  // (40 * 40 + 240 * 240) / (40 + 240)
    } else {
      assert_memory_equal(first, ((const uint8_t[4]){40, 40, 40, 40}), 4);
      assert_memory_equal(last, ((const uint8_t[4]){240, 240, 240, 240}), 4);
    }
    resample_job_finish(&job);
  }
  image_unref(&source);
}

enum { THREADS = 4, ROUNDS = 6 };

struct worker {
  pthread_t thread;
  struct resampler *resampler;
  struct resample_job job;
  enum base_result result;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  for (int i = 0; i < ROUNDS && worker->result == BASE_OK; i++) {
    worker->result = resample_run(worker->resampler, &worker->job, 1, NULL);
  }
  return NULL;
}

static void results_stay_right_when_threads_share_a_small_budget(void **state) {
  struct resample_rig *rig = *state;
  struct resampler *small = small_resampler(rig, 400 << 10);
  struct image *source = resample_noise(200, 150, false, 3);
  struct worker workers[THREADS] = {0};
  struct resample_job alone[THREADS];
  for (int i = 0; i < THREADS; i++) {
    alone[i] = resample_job_make(source, 150 + 40 * (uint32_t)i, 90);
    resample_rig_run(small, &alone[i]);
    workers[i].resampler = small;
    workers[i].job = resample_job_make(source, alone[i].width, 90);
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    assert_int_equal(workers[i].result, BASE_OK);
    assert_same_pixels(workers[i].job.target, alone[i].target);
    resample_job_finish(&workers[i].job);
    resample_job_finish(&alone[i]);
  }
  image_unref(&source);
  resample_destroy(&small);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(output_is_identical_when_budget_forces_cuts),
      cmocka_unit_test(says_too_large_when_budget_holds_no_band),
      cmocka_unit_test(all_samples_count_when_factor_is_largest),
      cmocka_unit_test(hundred_megapixels_go_through_when_device_buffers_are_smaller),
      cmocka_unit_test(results_stay_right_when_threads_share_a_small_budget),
  };
  return cmocka_run_group_tests(tests, resample_rig_setup, resample_rig_teardown);
}
