// A device that is opened in the background, with a fake machine in place of Vulkan: who waits for it, who is told that
// it cannot be opened, and that all may end meanwhile.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "front.h"
#include "recovery_rig.h"

struct told {
  pthread_mutex_t mutex;
  unsigned times;
  struct base_fault fault;
};

static void note_failure(void *self, const struct base_fault *fault) {
  struct told *told = self;
  pthread_mutex_lock(&told->mutex);
  told->times++;
  told->fault = *fault;
  pthread_mutex_unlock(&told->mutex);
}

static unsigned times_of(struct told *told) {
  pthread_mutex_lock(&told->mutex);
  const unsigned times = told->times;
  pthread_mutex_unlock(&told->mutex);
  return times;
}

// A resampler whose device does not get any further than the driver.
static struct recovery_rig begin(const struct recovery_rig *rig, enum resample_mode mode, struct told *told) {
  struct recovery_rig other = {.log_ends = {rig->log_ends[0], rig->log_ends[1]}};
  const struct resample_config config = {.mode = mode,
                                         .is_background = true,
                                         .failed = told ? note_failure : NULL,
                                         .failed_self = told,
                                         .clock = &rig->clock.clock,
                                         .log = rig->log};
  recovery_set_flag(&recovery_fake.is_create_stuck, true);
  assert_int_equal(resample_create(&config, &other.resampler, NULL), BASE_OK);
  assert_true(recovery_info_of(&other).is_opening);
  assert_int_equal(resample_open(other.resampler, NULL), BASE_OK);
  assert_true(recovery_info_of(&other).is_opening);
  other.source = recovery_make_source(other.resampler);
  return other;
}

static void end(struct recovery_rig *other) {
  resample_source_unref(&other->source);
  resample_destroy(&other->resampler);
}

static void cpu_works_when_auto_is_still_opening(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_AUTO, NULL);
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  const struct resample_info before = recovery_info_of(&other);
  assert_false(before.has_device || before.is_lost);
  assert_int_equal(before.case_count, 0);
  assert_string_equal(before.source_path, "host memory");
  struct resample_source *gone = recovery_make_source(other.resampler);
  resample_source_unref(&gone);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  recovery_wait_until_open(&other);
  const struct resample_info after = recovery_info_of(&other);
  assert_false(after.is_opening);
  assert_string_equal(after.reason, "a hardware GPU");
  assert_true(after.case_count > 0);
  assert_int_equal(recovery_run(&other), RECOVERY_DEVICE_GREY);
  end(&other);
}

struct waiter {
  struct recovery_rig *rig;
  pthread_t thread;
  struct image *target;
  enum base_result result;
  struct base_fault fault;
  atomic_bool is_over;
};

static void *run_waiting(void *self) {
  struct waiter *waiter = self;
  const struct resample_job job = recovery_job(waiter->rig->source, waiter->target);
  waiter->result = resample_run(waiter->rig->resampler, &job, 1, &waiter->fault);
  atomic_store(&waiter->is_over, true);
  return NULL;
}

static void begin_waiting(struct waiter *waiter, struct recovery_rig *rig) {
  *waiter = (struct waiter){.rig = rig, .target = recovery_picture(0)};
  assert_int_equal(pthread_create(&waiter->thread, NULL, run_waiting, waiter), 0);
}

static void end_waiting(struct waiter *waiter) { pthread_join(waiter->thread, NULL); }

static void jobs_wait_for_the_device_when_the_mode_is_vulkan(void **state) {
  enum { A_WHILE_US = 100000 };
  struct waiter waiters[RECOVERY_THREADS];
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, NULL);
  for (size_t i = 0; i < RECOVERY_THREADS; i++) begin_waiting(&waiters[i], &other);
  usleep(A_WHILE_US);  // that they do not run is what is tested
  for (size_t i = 0; i < RECOVERY_THREADS; i++) assert_false(atomic_load(&waiters[i].is_over));
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  for (size_t i = 0; i < RECOVERY_THREADS; i++) {
    end_waiting(&waiters[i]);
    assert_int_equal(waiters[i].result, BASE_OK);
    assert_int_equal(image_row(waiters[i].target, RECOVERY_SIDE / 2)[0], RECOVERY_DEVICE_GREY);
    image_unref(&waiters[i].target);
  }
  end(&other);
}

static void jobs_fail_when_the_device_they_wait_for_cannot_be_opened(void **state) {
  struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  struct waiter waiter;
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, &told);
  begin_waiting(&waiter, &other);
  recovery_set_result(&recovery_fake.open_result, BASE_DEVICE);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  end_waiting(&waiter);
  assert_int_equal(waiter.result, BASE_DEVICE);
  assert_string_equal(waiter.fault.text, "the fake is not there");
  image_unref(&waiter.target);
  const struct resample_info info = recovery_info_of(&other);
  assert_false(info.is_opening || info.has_device || info.is_lost);
  assert_string_equal(info.reason, "no Vulkan device: the fake is not there");
  end(&other);
  assert_int_equal(told.times, 1);
  assert_int_equal(told.fault.result, BASE_DEVICE);
  assert_string_equal(told.fault.text, "the fake is not there");
}

static void failure_is_logged_when_nobody_is_told(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, NULL);
  recovery_set_result(&recovery_fake.open_result, BASE_DEVICE);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  recovery_wait_for_log(&other, "the fake is not there");
  end(&other);
}

static void cpu_goes_on_when_auto_finds_no_device_in_the_end(void **state) {
  struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_AUTO, &told);
  recovery_set_result(&recovery_fake.open_result, BASE_DEVICE);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  recovery_wait_for_log(&other, "resampling on the CPU (no Vulkan device: the fake is not there)");
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  assert_false(recovery_info_of(&other).is_opening);
  end(&other);
  assert_int_equal(times_of(&told), 0);
}

static void device_comes_back_when_it_is_lost_while_it_is_measured_in_the_background(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, NULL);
  recovery_set_result(&recovery_fake.run_result, BASE_DEVICE);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  unsigned waited_ms = 0;
  while (recovery_info_of(&other).losses == 0 && waited_ms++ < RECOVERY_PATIENCE_MS) usleep(1000);
  assert_int_equal(recovery_info_of(&other).losses, 1);
  recovery_set_result(&recovery_fake.run_result, BASE_OK);
  recovery_wait_until_open(&other);
  assert_int_equal(recovery_run(&other), RECOVERY_DEVICE_GREY);
  end(&other);
}

// Once the other thread is in resample_destroy.
static void *let_go(void *self) {
  struct resampler *resampler = self;
  while (!atomic_load(&resampler->recovery.is_stopping)) usleep(1000);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  return NULL;
}

static void nobody_is_told_when_it_is_destroyed_while_it_opens(void **state) {
  for (int mode = RESAMPLE_MODE_AUTO; mode <= RESAMPLE_MODE_VULKAN; mode++) {
    struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t freeing;
    struct recovery_rig other = begin(*state, (enum resample_mode)mode, &told);
    const unsigned machines = recovery_count_of(&recovery_fake.machines_made);
    assert_int_equal(pthread_create(&freeing, NULL, let_go, other.resampler), 0);
    end(&other);
    pthread_join(freeing, NULL);
    assert_int_equal(told.times, 0);
    assert_int_equal(recovery_fake.machines_made, machines);  // the driver is waited for, nothing more
  }
}

static void it_can_be_destroyed_when_it_was_never_opened(void **state) {
  const struct recovery_rig *rig = *state;
  const struct resample_config config = {
      .mode = RESAMPLE_MODE_VULKAN, .is_background = true, .clock = &rig->clock.clock};
  struct resampler *resampler;
  const unsigned made = recovery_count_of(&recovery_fake.gpus_made);
  assert_int_equal(resample_create(&config, &resampler, NULL), BASE_OK);
  resample_destroy(&resampler);
  assert_int_equal(recovery_count_of(&recovery_fake.gpus_made), made);
}

static void wait_until_it_is_over(struct recovery_rig *other) {
  unsigned waited_ms = 0;
  while (recovery_info_of(other).is_opening && waited_ms++ < RECOVERY_PATIENCE_MS) usleep(1000);
  assert_false(recovery_info_of(other).is_opening);
}

// Both a job that waits already and one that comes later.
static void check_jobs_end_when_stopped(struct recovery_rig *other) {
  enum { A_WHILE_US = 20000 };
  struct waiter waiters[2];
  begin_waiting(&waiters[0], other);
  usleep(A_WHILE_US);  // it waits by then, or comes later as well
  assert_false(atomic_load(&waiters[0].is_over));
  resample_stop(other->resampler);
  begin_waiting(&waiters[1], other);
  for (size_t i = 0; i < 2; i++) {
    end_waiting(&waiters[i]);
    assert_int_equal(waiters[i].result, BASE_BUSY);
    image_unref(&waiters[i].target);
  }
}

static void jobs_end_when_it_is_stopped_and_was_never_opened(void **state) {
  const struct recovery_rig *rig = *state;
  const struct resample_config config = {
      .mode = RESAMPLE_MODE_VULKAN, .is_background = true, .clock = &rig->clock.clock};
  struct recovery_rig other = {0};
  const unsigned made = recovery_count_of(&recovery_fake.gpus_made);
  assert_int_equal(resample_create(&config, &other.resampler, NULL), BASE_OK);
  other.source = recovery_make_source(other.resampler);
  check_jobs_end_when_stopped(&other);
  end(&other);
  assert_int_equal(recovery_count_of(&recovery_fake.gpus_made), made);
}

static void jobs_end_when_it_is_stopped_while_its_driver_hangs(void **state) {
  struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, &told);
  struct waiter late;
  check_jobs_end_when_stopped(&other);
  assert_true(recovery_info_of(&other).is_opening);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  wait_until_it_is_over(&other);
  begin_waiting(&late, &other);  // the CPU does not stand in for a device that never was
  end_waiting(&late);
  assert_int_equal(late.result, BASE_BUSY);
  image_unref(&late.target);
  end(&other);
  assert_int_equal(told.times, 0);
}

static void measuring_breaks_off_when_it_is_stopped(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, NULL);
  const unsigned machines = recovery_count_of(&recovery_fake.machines_made);
  unsigned waited_ms = 0;
  recovery_set_flag(&recovery_fake.is_run_stuck, true);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  while (recovery_count_of(&recovery_fake.machines_made) == machines && waited_ms++ < RECOVERY_PATIENCE_MS)
    usleep(1000);
  assert_int_equal(recovery_count_of(&recovery_fake.machines_made), machines + 1);
  check_jobs_end_when_stopped(&other);
  recovery_set_flag(&recovery_fake.is_run_stuck, false);
  wait_until_it_is_over(&other);
  const struct resample_info info = recovery_info_of(&other);
  assert_false(info.has_device);
  assert_int_equal(info.case_count, 0);
  end(&other);
}

static void jobs_go_on_when_it_is_stopped_and_has_its_device(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_VULKAN, NULL);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  recovery_wait_until_open(&other);
  resample_stop(other.resampler);
  assert_int_equal(recovery_run(&other), RECOVERY_DEVICE_GREY);
  const unsigned made = recovery_count_of(&recovery_fake.gpus_made);
  recovery_lose_device(&other);
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  recovery_check_count_stays(&recovery_fake.gpus_made, made);
  end(&other);
}

static void cpu_goes_on_when_auto_is_stopped_while_it_opens(void **state) {
  struct recovery_rig other = begin(*state, RESAMPLE_MODE_AUTO, NULL);
  resample_stop(other.resampler);
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  recovery_set_flag(&recovery_fake.is_create_stuck, false);
  wait_until_it_is_over(&other);
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  end(&other);
}

static void nothing_is_opened_when_the_mode_is_cpu(void **state) {
  const struct recovery_rig *rig = *state;
  const struct resample_config config = {.mode = RESAMPLE_MODE_CPU, .is_background = true, .clock = &rig->clock.clock};
  struct recovery_rig other = {0};
  const unsigned made = recovery_count_of(&recovery_fake.gpus_made);
  assert_int_equal(resample_create(&config, &other.resampler, NULL), BASE_OK);
  assert_false(recovery_info_of(&other).is_opening);
  assert_int_equal(resample_open(other.resampler, NULL), BASE_OK);
  other.source = recovery_make_source(other.resampler);
  assert_int_equal(recovery_run(&other), RECOVERY_SOURCE_GREY);
  end(&other);
  assert_int_equal(recovery_count_of(&recovery_fake.gpus_made), made);
}

int main(void) {
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, recovery_set_up, recovery_tear_down)
  const struct CMUnitTest tests[] = {
      RECOVERY_TEST(cpu_works_when_auto_is_still_opening),
      RECOVERY_TEST(jobs_wait_for_the_device_when_the_mode_is_vulkan),
      RECOVERY_TEST(jobs_fail_when_the_device_they_wait_for_cannot_be_opened),
      RECOVERY_TEST(failure_is_logged_when_nobody_is_told),
      RECOVERY_TEST(cpu_goes_on_when_auto_finds_no_device_in_the_end),
      RECOVERY_TEST(device_comes_back_when_it_is_lost_while_it_is_measured_in_the_background),
      RECOVERY_TEST(nobody_is_told_when_it_is_destroyed_while_it_opens),
      RECOVERY_TEST(it_can_be_destroyed_when_it_was_never_opened),
      RECOVERY_TEST(jobs_end_when_it_is_stopped_and_was_never_opened),
      RECOVERY_TEST(jobs_end_when_it_is_stopped_while_its_driver_hangs),
      RECOVERY_TEST(measuring_breaks_off_when_it_is_stopped),
      RECOVERY_TEST(jobs_go_on_when_it_is_stopped_and_has_its_device),
      RECOVERY_TEST(cpu_goes_on_when_auto_is_stopped_while_it_opens),
      RECOVERY_TEST(nothing_is_opened_when_the_mode_is_cpu),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
