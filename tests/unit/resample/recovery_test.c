// Losing the device, with a fake machine in place of Vulkan: what a run gets, when the device is tried again, and that
// nobody waits for one that hangs.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recovery_rig.h"

enum { RUNS = 50 };

static void device_runs_jobs_when_it_is_a_hardware_gpu(void **state) {
  struct recovery_rig *rig = *state;
  const struct resample_info info = recovery_info_of(rig);
  assert_true(info.has_device);
  assert_string_equal(info.device.name, "Fake");
  assert_string_equal(info.reason, "a hardware GPU");
  assert_string_equal(info.source_path, "imported");
  assert_string_equal(info.result_path, "staged");
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
}

static void jobs_are_run_again_when_the_device_is_lost_once(void **state) {
  struct recovery_rig *rig = *state;
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.fails_once_every = 2;
  recovery_fake.runs = 1;
  pthread_mutex_unlock(&recovery_fake.mutex);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);  // of the second machine
  assert_int_equal(recovery_fake.machines_made, 2);
  const struct resample_info info = recovery_info_of(rig);
  assert_int_equal(info.losses, 1);
  assert_int_equal(info.recoveries, 1);
  assert_int_equal(info.device_bytes, 2);
  assert_false(info.is_lost);
}

static void cpu_stands_in_when_the_device_is_lost_again_soon(void **state) {
  struct recovery_rig *rig = *state;
  recovery_set_result(&recovery_fake.run_result, BASE_DEVICE);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);  // lost, made anew, lost
  assert_int_equal(recovery_info_of(rig).losses, 2);
  assert_true(recovery_info_of(rig).is_lost);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  recovery_set_result(&recovery_fake.run_result, BASE_OK);
  recovery_check_count_stays(&recovery_fake.gpus_made, 2);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  fake_clock_advance_s(&rig->clock, 1);
  recovery_wait_until_open(rig);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
  assert_int_equal(recovery_info_of(rig).recoveries, 2);
}

static void pauses_double_up_to_a_minute_when_the_device_stays_away(void **state) {
  struct recovery_rig *rig = *state;
  static const unsigned PAUSES_S[] = {1, 2, 4, 8, 16, 32, 60, 60};
  recovery_set_result(&recovery_fake.open_result, BASE_DEVICE);
  recovery_lose_device(rig);
  unsigned trials = 2;  // the start, and the one at once
  for (size_t i = 0; i < sizeof(PAUSES_S) / sizeof(PAUSES_S[0]); i++) {
    char plan[32];
    snprintf(plan, sizeof(plan), "again in %u s", PAUSES_S[i]);
    recovery_wait_for_log(rig, plan);
    assert_int_equal(recovery_count_of(&recovery_fake.gpus_made), trials);
    fake_clock_advance_us(&rig->clock, PAUSES_S[i] * 1000000ULL - 2000);
    recovery_check_count_stays(&recovery_fake.gpus_made, trials);
    fake_clock_advance_us(&rig->clock, 2000);
    trials++;
    assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  }
  recovery_wait_for_log(rig, "again in 60 s");
  recovery_set_result(&recovery_fake.open_result, BASE_OK);
  fake_clock_advance_s(&rig->clock, 60);
  recovery_wait_until_open(rig);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
}

static void device_is_tried_at_once_again_when_it_lived_long(void **state) {
  struct recovery_rig *rig = *state;
  recovery_lose_device(rig);  // and once more on the second machine
  fake_clock_advance_s(&rig->clock, 1);
  recovery_wait_until_open(rig);
  fake_clock_advance_s(&rig->clock, 60);
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.fails_once_every = 2;
  recovery_fake.runs = 1;
  pthread_mutex_unlock(&recovery_fake.mutex);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
  assert_int_equal(recovery_info_of(rig).losses, 3);
}

static void nobody_waits_when_the_device_hangs(void **state) {
  struct recovery_rig *rig = *state;
  struct resample_source *other = recovery_make_source(rig->resampler);
  assert_int_equal(recovery_run_from(rig, other), RECOVERY_DEVICE_GREY);
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.is_destroy_stuck = true;
  recovery_fake.run_result = BASE_TIMEOUT;
  pthread_mutex_unlock(&recovery_fake.mutex);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  resample_source_unref(&other);
  assert_int_equal(recovery_info_of(rig).losses, 1);
  assert_true(recovery_info_of(rig).is_lost);
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.is_destroy_stuck = false;
  recovery_fake.run_result = BASE_OK;
  pthread_mutex_unlock(&recovery_fake.mutex);
  recovery_check_count_stays(&recovery_fake.gpus_made, 1);  // one that hung is not tried at once
  fake_clock_advance_s(&rig->clock, 1);
  recovery_wait_until_open(rig);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
}

static void another_device_is_not_taken_when_ours_is_gone(void **state) {
  struct recovery_rig *rig = *state;
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.is_stranger = true;
  pthread_mutex_unlock(&recovery_fake.mutex);
  recovery_lose_device(rig);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  const struct resample_info info = recovery_info_of(rig);
  assert_true(info.is_lost);
  assert_int_equal(info.recoveries, 0);
  assert_int_equal(recovery_count_of(&recovery_fake.machines_made), 1);
}

static void cpu_takes_the_job_when_the_device_is_full(void **state) {
  struct recovery_rig *rig = *state;
  recovery_set_result(&recovery_fake.run_result, BASE_NO_MEMORY);
  assert_int_equal(recovery_run(rig), RECOVERY_SOURCE_GREY);
  assert_int_equal(recovery_info_of(rig).losses, 0);
  recovery_set_result(&recovery_fake.run_result, BASE_OK);
  assert_int_equal(recovery_run(rig), RECOVERY_DEVICE_GREY);
}

static void other_failures_are_told_when_the_device_has_them(void **state) {
  struct recovery_rig *rig = *state;
  struct image *target = recovery_picture(0);
  const struct resample_job job = recovery_job(rig->source, target);
  struct base_fault fault = {0};
  recovery_set_result(&recovery_fake.run_result, BASE_TOO_LARGE);
  assert_int_equal(resample_run(rig->resampler, &job, 1, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.text, "the fake fails");
  assert_int_equal(recovery_info_of(rig).losses, 0);
  image_unref(&target);
}

static struct resampler *start(enum resample_mode mode, const struct recovery_rig *rig) {
  const struct resample_config config = {.mode = mode, .clock = &rig->clock.clock};
  struct resampler *resampler;
  assert_int_equal(resample_create(&config, &resampler, NULL), BASE_OK);
  return resampler;
}

static void device_comes_back_when_it_is_lost_while_it_is_measured(void **state) {
  struct recovery_rig *rig = *state;
  for (int mode = RESAMPLE_MODE_AUTO; mode <= RESAMPLE_MODE_VULKAN; mode++) {
    recovery_set_result(&recovery_fake.run_result, BASE_DEVICE);
    struct recovery_rig other = {.resampler = start((enum resample_mode)mode, rig)};
    assert_int_equal(recovery_info_of(&other).losses, 1);
    assert_int_equal(recovery_info_of(&other).case_count, 0);
    recovery_set_result(&recovery_fake.run_result, BASE_OK);
    recovery_wait_until_open(&other);
    other.source = recovery_make_source(other.resampler);
    assert_int_equal(recovery_run(&other), RECOVERY_DEVICE_GREY);
    resample_source_unref(&other.source);
    resample_destroy(&other.resampler);
  }
}

static void software_device_is_closed_when_it_is_lost_while_it_is_measured(void **state) {
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.is_software = true;
  recovery_fake.run_result = BASE_DEVICE;
  pthread_mutex_unlock(&recovery_fake.mutex);
  struct recovery_rig other = {.resampler = start(RESAMPLE_MODE_AUTO, *state)};
  const struct resample_info info = recovery_info_of(&other);
  assert_false(info.has_device || info.is_lost);
  assert_string_equal(info.reason, "Fake could not be measured");
  resample_destroy(&other.resampler);
}

// The fake takes no time at all for what the CPU has to work on.
static void software_device_stays_when_it_is_faster_than_the_cpu(void **state) {
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.is_software = true;
  pthread_mutex_unlock(&recovery_fake.mutex);
  struct recovery_rig other = {.resampler = start(RESAMPLE_MODE_AUTO, *state)};
  const struct resample_info info = recovery_info_of(&other);
  assert_true(info.has_device);
  assert_non_null(strstr(info.reason, "Fake is faster than the CPU in"));
  assert_int_equal(info.cases[0].microseconds[RESAMPLE_KERNEL_TILE], 0);  // which it does not take
  resample_destroy(&other.resampler);
}

static void losses_are_counted_when_metrics_are_kept(void **state) {
  struct recovery_rig *rig = *state;
  (void)recovery_run(rig);
  recovery_lose_device(rig);
  struct base_buffer text;
  base_buffer_init(&text, 1 << 16);
  assert_int_equal(base_metrics_render(rig->metrics, &text), BASE_OK);
  assert_int_equal(base_buffer_append(&text, "", 1), BASE_OK);
  static const char *const LINES[] = {
      "pixpop_resample_jobs_total{kernel=\"two-pass\"} 1\n",
      "pixpop_resample_jobs_total{kernel=\"cpu\"} 1\n",
      "pixpop_device_losses_total 2\n",
      "pixpop_device_recoveries_total 1\n",
      "pixpop_resample_path{source=\"imported\",result=\"staged\"} 1\n",
  };
  for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
    if (!strstr((const char *)text.data, LINES[i])) fail_msg("no %s in %s", LINES[i], (const char *)text.data);
  }
  base_buffer_finish(&text);
}

static void *run_many(void *self) {
  struct recovery_rig *rig = self;
  uintptr_t failures = 0;
  for (size_t i = 0; i < RUNS; i++) {
    struct resample_source *own = recovery_make_source(rig->resampler);
    const uint8_t grey = recovery_run_from(rig, i % 2 ? own : rig->source);
    if (grey != RECOVERY_DEVICE_GREY && grey != RECOVERY_SOURCE_GREY) failures++;
    resample_source_unref(&own);
    fake_clock_advance_s(&rig->clock, 1);
  }
  return (void *)failures;
}

static void every_run_succeeds_when_threads_lose_the_device_all_the_time(void **state) {
  struct recovery_rig *rig = *state;
  pthread_t threads[RECOVERY_THREADS];
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.fails_once_every = 3;
  pthread_mutex_unlock(&recovery_fake.mutex);
  for (size_t i = 0; i < RECOVERY_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_many, rig), 0);
  for (size_t i = 0; i < RECOVERY_THREADS; i++) {
    void *failures;
    pthread_join(threads[i], &failures);
    assert_null(failures);
  }
  assert_true(recovery_info_of(rig).losses > 1);
  assert_true(recovery_info_of(rig).recoveries > 0);
}

int main(void) {
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, recovery_set_up, recovery_tear_down)
  const struct CMUnitTest tests[] = {
      RECOVERY_TEST(device_runs_jobs_when_it_is_a_hardware_gpu),
      RECOVERY_TEST(jobs_are_run_again_when_the_device_is_lost_once),
      RECOVERY_TEST(cpu_stands_in_when_the_device_is_lost_again_soon),
      RECOVERY_TEST(pauses_double_up_to_a_minute_when_the_device_stays_away),
      RECOVERY_TEST(device_is_tried_at_once_again_when_it_lived_long),
      RECOVERY_TEST(nobody_waits_when_the_device_hangs),
      RECOVERY_TEST(another_device_is_not_taken_when_ours_is_gone),
      RECOVERY_TEST(cpu_takes_the_job_when_the_device_is_full),
      RECOVERY_TEST(other_failures_are_told_when_the_device_has_them),
      RECOVERY_TEST(device_comes_back_when_it_is_lost_while_it_is_measured),
      RECOVERY_TEST(software_device_is_closed_when_it_is_lost_while_it_is_measured),
      RECOVERY_TEST(software_device_stays_when_it_is_faster_than_the_cpu),
      RECOVERY_TEST(losses_are_counted_when_metrics_are_kept),
      RECOVERY_TEST(every_run_succeeds_when_threads_lose_the_device_all_the_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
