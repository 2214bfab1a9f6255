// Losing the device, with a fake machine in place of Vulkan: what a run gets, when the device is tried again, and that
// nobody waits for one that hangs.

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "vulkan.h"

enum { SIDE = 16, DEVICE_GREY = 77, SOURCE_GREY = 200, PATIENCE_MS = 10000, MAX_COPIES = 64, THREADS = 4, RUNS = 50 };

// --- the fake ---

struct gpu {
  struct gpu_info info;
};

struct resample_copy {
  unsigned machine;
};

struct resample_vulkan {
  unsigned number;
  bool is_lost;
  pthread_mutex_t mutex;
  struct resample_source *sources[MAX_COPIES];  // that have a copy
};

// What the fake does next; guarded by the mutex where threads are involved.
static struct {
  pthread_mutex_t mutex;
  unsigned gpus_made, machines_made, runs;
  enum base_result open_result;  // of gpu_create
  enum base_result run_result;   // of every run
  unsigned fails_once_every;     // run: BASE_DEVICE, and the machine is lost; 0: never
  bool is_stranger;              // the next device is another one
  bool is_destroy_stuck;
  bool is_software;
} fake = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void set_result(enum base_result *place, enum base_result result) {
  pthread_mutex_lock(&fake.mutex);
  *place = result;
  pthread_mutex_unlock(&fake.mutex);
}

static unsigned count_of(const unsigned *place) {
  pthread_mutex_lock(&fake.mutex);
  const unsigned count = *place;
  pthread_mutex_unlock(&fake.mutex);
  return count;
}

enum base_result gpu_create(const struct gpu_config *config, struct gpu **out, struct base_fault *fault) {
  (void)config;
  pthread_mutex_lock(&fake.mutex);
  const enum base_result result = fake.open_result;
  const bool is_stranger = fake.is_stranger, is_software = fake.is_software;
  fake.gpus_made++;
  pthread_mutex_unlock(&fake.mutex);
  *out = NULL;
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "the fake is not there");
  *out = calloc(1, sizeof(**out));
  (*out)->info = (struct gpu_info){.name = "Fake", .driver = "fake 1", .is_software = is_software};
  strcpy((*out)->info.identity, is_stranger ? "ff" : "01");
  return BASE_OK;
}

void gpu_destroy(struct gpu **gpu) {
  bool is_stuck = *gpu != NULL;
  while (is_stuck) {
    pthread_mutex_lock(&fake.mutex);
    is_stuck = fake.is_destroy_stuck;
    pthread_mutex_unlock(&fake.mutex);
    if (is_stuck) usleep(1000);
  }
  free(*gpu);
  *gpu = NULL;
}

const struct gpu_info *gpu_get_info(const struct gpu *gpu) { return &gpu->info; }
void gpu_lose_after(struct gpu *gpu, uint32_t submissions) { (void)gpu, (void)submissions; }

enum base_result resample_vulkan_create(struct gpu *gpu, uint64_t budget_bytes, bool is_warmed,
                                        struct resample_vulkan **out, struct base_fault *fault) {
  (void)gpu, (void)budget_bytes, (void)is_warmed, (void)fault;
  struct resample_vulkan *vulkan = calloc(1, sizeof(*vulkan));
  pthread_mutex_init(&vulkan->mutex, NULL);
  pthread_mutex_lock(&fake.mutex);
  vulkan->number = ++fake.machines_made;
  pthread_mutex_unlock(&fake.mutex);
  *out = vulkan;
  return BASE_OK;
}

void resample_vulkan_forget(struct resample_vulkan *vulkan, struct resample_source *source) {
  pthread_mutex_lock(&vulkan->mutex);
  for (size_t i = 0; i < MAX_COPIES; i++) {
    if (vulkan->sources[i] == source) vulkan->sources[i] = NULL;
  }
  if (source->copy) assert_int_equal(source->copy->machine, vulkan->number);
  free(source->copy);
  source->copy = NULL;
  pthread_mutex_unlock(&vulkan->mutex);
}

void resample_vulkan_destroy(struct resample_vulkan **pointer) {
  struct resample_vulkan *vulkan = *pointer;
  *pointer = NULL;
  for (size_t i = 0; i < MAX_COPIES; i++) {
    if (vulkan->sources[i]) resample_vulkan_forget(vulkan, vulkan->sources[i]);
  }
  pthread_mutex_destroy(&vulkan->mutex);
  free(vulkan);
}

bool resample_vulkan_fits(const struct resample_vulkan *vulkan, enum resample_kernel kernel,
                          const struct resample_work *work) {
  (void)vulkan, (void)work;
  return kernel == RESAMPLE_KERNEL_TWO_PASS;
}

static void keep_copy(struct resample_vulkan *vulkan, struct resample_source *source) {
  size_t free_place = 0;
  if (source->copy) {
    assert_int_equal(source->copy->machine, vulkan->number);
    return;
  }
  while (vulkan->sources[free_place]) assert_true(++free_place < MAX_COPIES);
  vulkan->sources[free_place] = source;
  source->copy = calloc(1, sizeof(*source->copy));
  source->copy->machine = vulkan->number;
}

static enum base_result run_fake(struct resample_vulkan *vulkan, const struct resample_work *works, size_t count,
                                 struct base_fault *fault) {
  pthread_mutex_lock(&fake.mutex);
  enum base_result result = fake.run_result;
  if (fake.fails_once_every > 0 && ++fake.runs % fake.fails_once_every == 0) result = BASE_DEVICE;
  pthread_mutex_unlock(&fake.mutex);
  if (result == BASE_DEVICE) vulkan->is_lost = true;
  if (vulkan->is_lost) result = BASE_DEVICE;
  for (size_t i = 0; i < count; i++) keep_copy(vulkan, works[i].job->source);
  for (size_t i = 0; i < count && works[i].target->width == SIDE; i++) {  // it is quick with what measures it
    const uint8_t grey = result == BASE_OK ? DEVICE_GREY : 1;             // a failed run leaves anything
    image_fill(works[i].target, (const uint8_t[4]){grey, grey, grey, 255});
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "the fake fails");
}

enum base_result resample_vulkan_run(struct resample_vulkan *vulkan, const struct resample_work *works,
                                     const enum resample_kernel *kernels, size_t count, struct base_fault *fault) {
  (void)kernels;
  pthread_mutex_lock(&vulkan->mutex);
  const enum base_result result = run_fake(vulkan, works, count, fault);
  pthread_mutex_unlock(&vulkan->mutex);
  return result;
}

const char *resample_vulkan_source_path(const struct resample_vulkan *vulkan) {
  (void)vulkan;
  return "imported";
}
const char *resample_vulkan_result_path(const struct resample_vulkan *vulkan) {
  (void)vulkan;
  return "staged";
}
uint64_t resample_vulkan_bytes(struct resample_vulkan *vulkan) { return vulkan->number; }

// --- the rig ---

struct rig {
  struct fake_clock clock;
  int log_ends[2];  // a pipe; lines that nobody reads are dropped when it is full
  struct base_log *log;
  struct base_metrics *metrics;
  struct resampler *resampler;
  struct resample_source *source;
};

static struct image *picture(uint8_t grey) {
  struct image *image;
  assert_int_equal(image_create(SIDE, SIDE, false, &image), BASE_OK);
  image_fill(image, (const uint8_t[4]){grey, grey, grey, 255});
  return image;
}

static struct resample_source *make_source(struct resampler *resampler) {
  struct resample_source *source;
  struct image *image = picture(SOURCE_GREY);
  assert_int_equal(resample_source_create(resampler, image, &source, NULL), BASE_OK);
  image_unref(&image);
  return source;
}

static int set_up(void **state) {
  struct rig *rig = calloc(1, sizeof(*rig));
  pthread_mutex_lock(&fake.mutex);
  fake.gpus_made = fake.machines_made = fake.runs = fake.fails_once_every = 0;
  fake.open_result = fake.run_result = BASE_OK;
  fake.is_stranger = fake.is_destroy_stuck = fake.is_software = false;
  pthread_mutex_unlock(&fake.mutex);
  fake_clock_init(&rig->clock, 0);
  rig->metrics = base_metrics_create();
  assert_int_equal(pipe2(rig->log_ends, O_NONBLOCK), 0);
  const struct base_log_config log_config = {.fd = rig->log_ends[1], .level = BASE_LOG_INFO};
  rig->log = base_log_create(&log_config);
  const struct resample_config config = {
      .mode = RESAMPLE_MODE_AUTO, .clock = &rig->clock.clock, .log = rig->log, .metrics = rig->metrics};
  assert_int_equal(resample_create(&config, &rig->resampler, NULL), BASE_OK);
  rig->source = make_source(rig->resampler);
  *state = rig;
  return 0;
}

static int tear_down(void **state) {
  struct rig *rig = *state;
  resample_source_unref(&rig->source);
  resample_destroy(&rig->resampler);
  base_metrics_destroy(&rig->metrics);
  base_log_destroy(&rig->log);
  close(rig->log_ends[0]);
  close(rig->log_ends[1]);
  free(rig);
  return 0;
}

// The grey that a run makes of the source: the device's or the CPU's.
static uint8_t run_from(struct rig *rig, struct resample_source *source) {
  struct image *target = picture(0);
  const struct resample_job job = {.source = source,
                                   .rect = {0, 0, SIDE, SIDE},
                                   .orientation = IMAGE_UPRIGHT,
                                   .width = SIDE,
                                   .height = SIDE,
                                   .target = target};
  struct base_fault fault = {0};
  const enum base_result result = resample_run(rig->resampler, &job, 1, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  const uint8_t grey = image_row(target, SIDE / 2)[0];
  image_unref(&target);
  return grey;
}

static uint8_t run(struct rig *rig) { return run_from(rig, rig->source); }

static struct resample_info info_of(struct rig *rig) {
  struct resample_info info;
  resample_get_info(rig->resampler, &info);
  return info;
}

static void wait_until_open(struct rig *rig) {
  unsigned waited_ms = 0;
  while (!info_of(rig).has_device && waited_ms++ < PATIENCE_MS) usleep(1000);
  assert_true(info_of(rig).has_device);
}

// Reads the log until a line has the text.
static void wait_for_log(struct rig *rig, const char *text) {
  char line[1024];
  size_t used = 0;
  for (unsigned waited_ms = 0; waited_ms < PATIENCE_MS;) {
    if (read(rig->log_ends[0], line + used, 1) != 1) {
      usleep(1000);
      waited_ms++;
      continue;
    }
    const bool is_whole = line[used] == '\n' || used + 2 == sizeof(line);
    line[++used] = '\0';
    if (is_whole && strstr(line, text)) return;
    if (is_whole) used = 0;
  }
  fail_msg("the log never said '%s'", text);
}

// The thread had every chance to try again, but must not have.
static void check_count_stays(const unsigned *place, unsigned count) {
  enum { A_FEW_POLLS_US = 150000 };
  usleep(A_FEW_POLLS_US);
  assert_int_equal(count_of(place), count);
}

static void lose_device(struct rig *rig) {
  set_result(&fake.run_result, BASE_DEVICE);
  (void)run(rig);
  set_result(&fake.run_result, BASE_OK);
}

// --- tests ---

static void device_runs_jobs_when_it_is_a_hardware_gpu(void **state) {
  struct rig *rig = *state;
  const struct resample_info info = info_of(rig);
  assert_true(info.has_device);
  assert_string_equal(info.device.name, "Fake");
  assert_string_equal(info.reason, "a hardware GPU");
  assert_string_equal(info.source_path, "imported");
  assert_string_equal(info.result_path, "staged");
  assert_int_equal(run(rig), DEVICE_GREY);
}

static void jobs_are_run_again_when_the_device_is_lost_once(void **state) {
  struct rig *rig = *state;
  pthread_mutex_lock(&fake.mutex);
  fake.fails_once_every = 2;
  fake.runs = 1;
  pthread_mutex_unlock(&fake.mutex);
  assert_int_equal(run(rig), DEVICE_GREY);  // of the second machine
  assert_int_equal(fake.machines_made, 2);
  const struct resample_info info = info_of(rig);
  assert_int_equal(info.losses, 1);
  assert_int_equal(info.recoveries, 1);
  assert_int_equal(info.device_bytes, 2);
  assert_false(info.is_lost);
}

static void cpu_stands_in_when_the_device_is_lost_again_soon(void **state) {
  struct rig *rig = *state;
  set_result(&fake.run_result, BASE_DEVICE);
  assert_int_equal(run(rig), SOURCE_GREY);  // lost, made anew, lost
  assert_int_equal(info_of(rig).losses, 2);
  assert_true(info_of(rig).is_lost);
  assert_int_equal(run(rig), SOURCE_GREY);
  set_result(&fake.run_result, BASE_OK);
  check_count_stays(&fake.gpus_made, 2);
  assert_int_equal(run(rig), SOURCE_GREY);
  fake_clock_advance_s(&rig->clock, 1);
  wait_until_open(rig);
  assert_int_equal(run(rig), DEVICE_GREY);
  assert_int_equal(info_of(rig).recoveries, 2);
}

static void pauses_double_up_to_a_minute_when_the_device_stays_away(void **state) {
  struct rig *rig = *state;
  static const unsigned PAUSES_S[] = {1, 2, 4, 8, 16, 32, 60, 60};
  set_result(&fake.open_result, BASE_DEVICE);
  lose_device(rig);
  unsigned trials = 2;  // the start, and the one at once
  for (size_t i = 0; i < sizeof(PAUSES_S) / sizeof(PAUSES_S[0]); i++) {
    char plan[32];
    snprintf(plan, sizeof(plan), "again in %u s", PAUSES_S[i]);
    wait_for_log(rig, plan);
    assert_int_equal(count_of(&fake.gpus_made), trials);
    fake_clock_advance_us(&rig->clock, PAUSES_S[i] * 1000000ULL - 2000);
    check_count_stays(&fake.gpus_made, trials);
    fake_clock_advance_us(&rig->clock, 2000);
    trials++;
    assert_int_equal(run(rig), SOURCE_GREY);
  }
  wait_for_log(rig, "again in 60 s");
  set_result(&fake.open_result, BASE_OK);
  fake_clock_advance_s(&rig->clock, 60);
  wait_until_open(rig);
  assert_int_equal(run(rig), DEVICE_GREY);
}

static void device_is_tried_at_once_again_when_it_lived_long(void **state) {
  struct rig *rig = *state;
  lose_device(rig);  // and once more on the second machine
  fake_clock_advance_s(&rig->clock, 1);
  wait_until_open(rig);
  fake_clock_advance_s(&rig->clock, 60);
  pthread_mutex_lock(&fake.mutex);
  fake.fails_once_every = 2;
  fake.runs = 1;
  pthread_mutex_unlock(&fake.mutex);
  assert_int_equal(run(rig), DEVICE_GREY);
  assert_int_equal(info_of(rig).losses, 3);
}

static void nobody_waits_when_the_device_hangs(void **state) {
  struct rig *rig = *state;
  struct resample_source *other = make_source(rig->resampler);
  assert_int_equal(run_from(rig, other), DEVICE_GREY);
  pthread_mutex_lock(&fake.mutex);
  fake.is_destroy_stuck = true;
  fake.run_result = BASE_TIMEOUT;
  pthread_mutex_unlock(&fake.mutex);
  assert_int_equal(run(rig), SOURCE_GREY);
  assert_int_equal(run(rig), SOURCE_GREY);
  resample_source_unref(&other);
  assert_int_equal(info_of(rig).losses, 1);
  assert_true(info_of(rig).is_lost);
  pthread_mutex_lock(&fake.mutex);
  fake.is_destroy_stuck = false;
  fake.run_result = BASE_OK;
  pthread_mutex_unlock(&fake.mutex);
  check_count_stays(&fake.gpus_made, 1);  // one that hung is not tried at once
  fake_clock_advance_s(&rig->clock, 1);
  wait_until_open(rig);
  assert_int_equal(run(rig), DEVICE_GREY);
}

static void another_device_is_not_taken_when_ours_is_gone(void **state) {
  struct rig *rig = *state;
  pthread_mutex_lock(&fake.mutex);
  fake.is_stranger = true;
  pthread_mutex_unlock(&fake.mutex);
  lose_device(rig);
  assert_int_equal(run(rig), SOURCE_GREY);
  const struct resample_info info = info_of(rig);
  assert_true(info.is_lost);
  assert_int_equal(info.recoveries, 0);
  assert_int_equal(count_of(&fake.machines_made), 1);
}

static void cpu_takes_the_job_when_the_device_is_full(void **state) {
  struct rig *rig = *state;
  set_result(&fake.run_result, BASE_NO_MEMORY);
  assert_int_equal(run(rig), SOURCE_GREY);
  assert_int_equal(info_of(rig).losses, 0);
  set_result(&fake.run_result, BASE_OK);
  assert_int_equal(run(rig), DEVICE_GREY);
}

static void other_failures_are_told_when_the_device_has_them(void **state) {
  struct rig *rig = *state;
  struct image *target = picture(0);
  const struct resample_job job = {.source = rig->source,
                                   .rect = {0, 0, SIDE, SIDE},
                                   .orientation = IMAGE_UPRIGHT,
                                   .width = SIDE,
                                   .height = SIDE,
                                   .target = target};
  struct base_fault fault = {0};
  set_result(&fake.run_result, BASE_TOO_LARGE);
  assert_int_equal(resample_run(rig->resampler, &job, 1, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.text, "the fake fails");
  assert_int_equal(info_of(rig).losses, 0);
  image_unref(&target);
}

static struct resampler *start(enum resample_mode mode, const struct rig *rig) {
  const struct resample_config config = {.mode = mode, .clock = &rig->clock.clock};
  struct resampler *resampler;
  assert_int_equal(resample_create(&config, &resampler, NULL), BASE_OK);
  return resampler;
}

static void device_comes_back_when_it_is_lost_while_it_is_measured(void **state) {
  struct rig *rig = *state;
  for (int mode = RESAMPLE_MODE_AUTO; mode <= RESAMPLE_MODE_VULKAN; mode++) {
    set_result(&fake.run_result, BASE_DEVICE);
    struct rig other = {.resampler = start((enum resample_mode)mode, rig)};
    assert_int_equal(info_of(&other).losses, 1);
    assert_int_equal(info_of(&other).case_count, 0);
    set_result(&fake.run_result, BASE_OK);
    wait_until_open(&other);
    other.source = make_source(other.resampler);
    assert_int_equal(run(&other), DEVICE_GREY);
    resample_source_unref(&other.source);
    resample_destroy(&other.resampler);
  }
}

static void software_device_is_closed_when_it_is_lost_while_it_is_measured(void **state) {
  pthread_mutex_lock(&fake.mutex);
  fake.is_software = true;
  fake.run_result = BASE_DEVICE;
  pthread_mutex_unlock(&fake.mutex);
  struct rig other = {.resampler = start(RESAMPLE_MODE_AUTO, *state)};
  const struct resample_info info = info_of(&other);
  assert_false(info.has_device || info.is_lost);
  assert_string_equal(info.reason, "Fake could not be measured");
  resample_destroy(&other.resampler);
}

// The fake takes no time at all for what the CPU has to work on.
static void software_device_stays_when_it_is_faster_than_the_cpu(void **state) {
  pthread_mutex_lock(&fake.mutex);
  fake.is_software = true;
  pthread_mutex_unlock(&fake.mutex);
  struct rig other = {.resampler = start(RESAMPLE_MODE_AUTO, *state)};
  const struct resample_info info = info_of(&other);
  assert_true(info.has_device);
  assert_non_null(strstr(info.reason, "Fake is faster than the CPU in"));
  assert_int_equal(info.cases[0].microseconds[RESAMPLE_KERNEL_TILE], 0);  // which it does not take
  resample_destroy(&other.resampler);
}

static void losses_are_counted_when_metrics_are_kept(void **state) {
  struct rig *rig = *state;
  (void)run(rig);
  lose_device(rig);
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
  struct rig *rig = self;
  uintptr_t failures = 0;
  for (size_t i = 0; i < RUNS; i++) {
    struct resample_source *own = make_source(rig->resampler);
    const uint8_t grey = run_from(rig, i % 2 ? own : rig->source);
    if (grey != DEVICE_GREY && grey != SOURCE_GREY) failures++;
    resample_source_unref(&own);
    fake_clock_advance_s(&rig->clock, 1);
  }
  return (void *)failures;
}

static void every_run_succeeds_when_threads_lose_the_device_all_the_time(void **state) {
  struct rig *rig = *state;
  pthread_t threads[THREADS];
  pthread_mutex_lock(&fake.mutex);
  fake.fails_once_every = 3;
  pthread_mutex_unlock(&fake.mutex);
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_many, rig), 0);
  for (size_t i = 0; i < THREADS; i++) {
    void *failures;
    pthread_join(threads[i], &failures);
    assert_null(failures);
  }
  assert_true(info_of(rig).losses > 1);
  assert_true(info_of(rig).recoveries > 0);
}

int main(void) {
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
