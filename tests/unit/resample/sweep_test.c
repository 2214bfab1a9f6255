// Many random jobs (seeded) against the oracle, and jobs that must be refused.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_rig.h"

enum { JOBS = 250, MOST_SIDE = 80 };

// Small sides are as likely as large ones.
static uint32_t random_side(struct resample_random *random) {
  return 1 + resample_random_next(random, 1 + resample_random_next(random, MOST_SIDE));
}

static struct image_rect random_rect(struct resample_random *random, const struct image *source) {
  if (resample_random_next(random, 2)) return (struct image_rect){0, 0, source->width, source->height};
  double x = source->width * (resample_random_next(random, 900) / 1000.0);
  double y = source->height * (resample_random_next(random, 900) / 1000.0);
  double width = (source->width - x) * (1 + resample_random_next(random, 1000)) / 1000.0;
  double height = (source->height - y) * (1 + resample_random_next(random, 1000)) / 1000.0;
  return (struct image_rect){x, y, width, height};
}

static void one_step_from_oracle_when_jobs_are_random(void **state) {
  struct resample_random random = {20260101};
  for (int i = 0; i < JOBS; i++) {
    uint32_t width = random_side(&random), height = random_side(&random);
    bool has_alpha = resample_random_next(&random, 2);
    struct image *source = resample_random_next(&random, 3) || has_alpha
                               ? resample_noise(width, height, has_alpha, (uint64_t)i)
                               : resample_binary_noise(width, height, (uint64_t)i);
    struct resample_job job = resample_job_make(source, random_side(&random), random_side(&random));
    job.rect = random_rect(&random, source);
    job.orientation = (enum image_orientation)(1 + resample_random_next(&random, 8));
    job.filter = (enum resample_filter)resample_random_next(&random, 3);
    resample_rig_check(*state, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void all_targets_are_right_when_jobs_run_together(void **state) {
  enum { COUNT = 5 };
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(120, 90, false, 8);
  struct resample_job together[COUNT], alone[COUNT];
  for (uint32_t i = 0; i < COUNT; i++) {
    together[i] = resample_job_make(source, 30 + i * 20, 25 + i * 11);
    alone[i] = resample_job_make(source, together[i].width, together[i].height);
    together[i].kernel = alone[i].kernel = RESAMPLE_KERNEL_AUTO;
    resample_rig_run(rig->resampler, &alone[i]);
  }
  assert_int_equal(resample_run(rig->resampler, together, COUNT, NULL), BASE_OK);
  for (uint32_t i = 0; i < COUNT; i++) {
    assert_memory_equal(together[i].target->pixels, alone[i].target->pixels, alone[i].target->bytes);
    resample_job_finish(&together[i]);
    resample_job_finish(&alone[i]);
  }
  image_unref(&source);
}

static void refuse(struct resample_rig *rig, const struct resample_job *job, const char *subject) {
  struct base_fault fault = {0};
  struct image *before = resample_noise(job->target->width, job->target->height, job->target->has_alpha, 99);
  struct resample_job jobs[2] = {*job, *job};
  jobs[0].rect = (struct image_rect){0, 0, job->source->width, job->source->height};
  jobs[0].width = jobs[0].height = 1;
  jobs[0].x = jobs[0].y = 0;
  jobs[0].orientation = IMAGE_UPRIGHT;
  assert_int_equal(resample_run(rig->resampler, jobs, 2, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, subject);
  // Not even the first, good job ran.
  assert_memory_equal(job->target->pixels, before->pixels, before->bytes);
  image_unref(&before);
}

static void nothing_is_written_when_a_job_is_wrong(void **state) {
  struct image *source = resample_noise(20, 20, false, 1);
  const struct resample_job good = resample_job_make(source, 10, 10);
  struct resample_job bad = good;
  bad.x = 1;
  refuse(*state, &bad, "target");
  bad = good, bad.y = UINT32_MAX;
  refuse(*state, &bad, "target");
  bad = good, bad.width = 0;
  refuse(*state, &bad, "size");
  bad = good, bad.rect.x = 20;
  refuse(*state, &bad, "rect");
  bad = good, bad.rect.width = 0;
  refuse(*state, &bad, "rect");
  bad = good, bad.rect.height = -3;
  refuse(*state, &bad, "rect");
  bad = good, bad.rect.y = NAN;
  refuse(*state, &bad, "rect");
  bad = good, bad.rect.width = NAN;
  refuse(*state, &bad, "rect");
  bad = good, bad.orientation = (enum image_orientation)9;
  refuse(*state, &bad, "orientation");
  bad = good;
  resample_job_finish(&bad);
  image_unref(&source);
}

static void alpha_is_refused_when_target_has_none(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(20, 20, true, 1);
  struct resample_job job = resample_job_make(source, 10, 10);
  image_unref(&job.target);
  job.target = resample_picture(10, 10, false);
  struct base_fault fault = {0};
  assert_int_equal(resample_run(rig->resampler, &job, 1, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "target");
  resample_job_finish(&job);
  image_unref(&source);
}

static void choice_follows_the_wish_when_given(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(200, 100, false, 1);
  struct resample_job job = resample_job_make(source, 400, 200);
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_TWO_PASS);
  job.kernel = RESAMPLE_KERNEL_TILE;
  assert_int_equal(resample_choice(rig->resampler, &job), RESAMPLE_KERNEL_TILE);
  job.kernel = RESAMPLE_KERNEL_AUTO;
  assert_int_equal(resample_choice(rig->resampler, &job),
                   gpu_get_info(rig->gpu)->is_software ? RESAMPLE_KERNEL_TWO_PASS : RESAMPLE_KERNEL_TILE);
  assert_string_equal(resample_kernel_name(RESAMPLE_KERNEL_TILE), "tile");
  assert_string_equal(resample_kernel_name(RESAMPLE_KERNEL_TWO_PASS), "two-pass");
  resample_job_finish(&job);
  image_unref(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_jobs_are_random),
      cmocka_unit_test(all_targets_are_right_when_jobs_run_together),
      cmocka_unit_test(nothing_is_written_when_a_job_is_wrong),
      cmocka_unit_test(alpha_is_refused_when_target_has_none),
      cmocka_unit_test(choice_follows_the_wish_when_given),
  };
  return cmocka_run_group_tests(tests, resample_rig_setup, resample_rig_teardown);
}
