#include "recovery_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_COPIES = 64 };

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

struct recovery_fake recovery_fake = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void recovery_set_result(enum base_result *place, enum base_result result) {
  pthread_mutex_lock(&recovery_fake.mutex);
  *place = result;
  pthread_mutex_unlock(&recovery_fake.mutex);
}

void recovery_set_flag(bool *place, bool value) {
  pthread_mutex_lock(&recovery_fake.mutex);
  *place = value;
  pthread_mutex_unlock(&recovery_fake.mutex);
}

unsigned recovery_count_of(const unsigned *place) {
  pthread_mutex_lock(&recovery_fake.mutex);
  const unsigned count = *place;
  pthread_mutex_unlock(&recovery_fake.mutex);
  return count;
}

static void wait_while(const bool *is_stuck) {
  for (bool is_waiting = true; is_waiting;) {
    pthread_mutex_lock(&recovery_fake.mutex);
    is_waiting = *is_stuck;
    pthread_mutex_unlock(&recovery_fake.mutex);
    if (is_waiting) usleep(1000);
  }
}

enum base_result gpu_create(const struct gpu_config *config, struct gpu **out, struct base_fault *fault) {
  (void)config;
  wait_while(&recovery_fake.is_create_stuck);
  pthread_mutex_lock(&recovery_fake.mutex);
  const enum base_result result = recovery_fake.open_result;
  const bool is_stranger = recovery_fake.is_stranger, is_software = recovery_fake.is_software;
  recovery_fake.gpus_made++;
  pthread_mutex_unlock(&recovery_fake.mutex);
  *out = NULL;
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "the fake is not there");
  *out = calloc(1, sizeof(**out));
  (*out)->info = (struct gpu_info){.name = "Fake", .driver = "fake 1", .is_software = is_software};
  strcpy((*out)->info.identity, is_stranger ? "ff" : "01");
  return BASE_OK;
}

void gpu_destroy(struct gpu **gpu) {
  if (*gpu) wait_while(&recovery_fake.is_destroy_stuck);
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
  pthread_mutex_lock(&recovery_fake.mutex);
  vulkan->number = ++recovery_fake.machines_made;
  pthread_mutex_unlock(&recovery_fake.mutex);
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
  wait_while(&recovery_fake.is_run_stuck);
  pthread_mutex_lock(&recovery_fake.mutex);
  enum base_result result = recovery_fake.run_result;
  if (recovery_fake.fails_once_every > 0 && ++recovery_fake.runs % recovery_fake.fails_once_every == 0)
    result = BASE_DEVICE;
  pthread_mutex_unlock(&recovery_fake.mutex);
  if (result == BASE_DEVICE) vulkan->is_lost = true;
  if (vulkan->is_lost) result = BASE_DEVICE;
  for (size_t i = 0; i < count; i++) keep_copy(vulkan, works[i].job->source);
  for (size_t i = 0; i < count && works[i].target->width == RECOVERY_SIDE; i++) {  // it is quick with what measures it
    const uint8_t grey = result == BASE_OK ? RECOVERY_DEVICE_GREY : 1;             // a failed run leaves anything
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

struct image *recovery_picture(uint8_t grey) {
  struct image *image;
  assert_int_equal(image_create(RECOVERY_SIDE, RECOVERY_SIDE, false, &image), BASE_OK);
  image_fill(image, (const uint8_t[4]){grey, grey, grey, 255});
  return image;
}

struct resample_source *recovery_make_source(struct resampler *resampler) {
  struct resample_source *source;
  struct image *image = recovery_picture(RECOVERY_SOURCE_GREY);
  assert_int_equal(resample_source_create(resampler, image, &source, NULL), BASE_OK);
  image_unref(&image);
  return source;
}

int recovery_set_up(void **state) {
  struct recovery_rig *rig = calloc(1, sizeof(*rig));
  pthread_mutex_lock(&recovery_fake.mutex);
  recovery_fake.gpus_made = recovery_fake.machines_made = recovery_fake.runs = recovery_fake.fails_once_every = 0;
  recovery_fake.open_result = recovery_fake.run_result = BASE_OK;
  recovery_fake.is_stranger = recovery_fake.is_destroy_stuck = recovery_fake.is_create_stuck =
      recovery_fake.is_run_stuck = recovery_fake.is_software = false;
  pthread_mutex_unlock(&recovery_fake.mutex);
  fake_clock_init(&rig->clock, 0);
  rig->metrics = base_metrics_create();
  assert_int_equal(pipe2(rig->log_ends, O_NONBLOCK), 0);
  const struct base_log_config log_config = {.fd = rig->log_ends[1], .level = BASE_LOG_INFO};
  rig->log = base_log_create(&log_config);
  const struct resample_config config = {
      .mode = RESAMPLE_MODE_AUTO, .clock = &rig->clock.clock, .log = rig->log, .metrics = rig->metrics};
  assert_int_equal(resample_create(&config, &rig->resampler, NULL), BASE_OK);
  rig->source = recovery_make_source(rig->resampler);
  *state = rig;
  return 0;
}

int recovery_tear_down(void **state) {
  struct recovery_rig *rig = *state;
  resample_source_unref(&rig->source);
  resample_destroy(&rig->resampler);
  base_metrics_destroy(&rig->metrics);
  base_log_destroy(&rig->log);
  close(rig->log_ends[0]);
  close(rig->log_ends[1]);
  free(rig);
  return 0;
}

struct resample_job recovery_job(struct resample_source *source, struct image *target) {
  return (struct resample_job){.source = source,
                               .rect = {0, 0, RECOVERY_SIDE, RECOVERY_SIDE},
                               .orientation = IMAGE_UPRIGHT,
                               .width = RECOVERY_SIDE,
                               .height = RECOVERY_SIDE,
                               .target = target};
}

uint8_t recovery_run_from(struct recovery_rig *rig, struct resample_source *source) {
  struct image *target = recovery_picture(0);
  const struct resample_job job = recovery_job(source, target);
  struct base_fault fault = {0};
  const enum base_result result = resample_run(rig->resampler, &job, 1, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  const uint8_t grey = image_row(target, RECOVERY_SIDE / 2)[0];
  image_unref(&target);
  return grey;
}

uint8_t recovery_run(struct recovery_rig *rig) { return recovery_run_from(rig, rig->source); }

struct resample_info recovery_info_of(struct recovery_rig *rig) {
  struct resample_info info;
  resample_get_info(rig->resampler, &info);
  return info;
}

void recovery_wait_until_open(struct recovery_rig *rig) {
  unsigned waited_ms = 0;
  while (!recovery_info_of(rig).has_device && waited_ms++ < RECOVERY_PATIENCE_MS) usleep(1000);
  assert_true(recovery_info_of(rig).has_device);
}

void recovery_wait_for_log(struct recovery_rig *rig, const char *text) {
  char line[1024];
  size_t used = 0;
  for (unsigned waited_ms = 0; waited_ms < RECOVERY_PATIENCE_MS;) {
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

void recovery_check_count_stays(const unsigned *place, unsigned count) {
  enum { A_FEW_POLLS_US = 150000 };
  usleep(A_FEW_POLLS_US);
  assert_int_equal(recovery_count_of(place), count);
}

void recovery_lose_device(struct recovery_rig *rig) {
  recovery_set_result(&recovery_fake.run_result, BASE_DEVICE);
  (void)recovery_run(rig);
  recovery_set_result(&recovery_fake.run_result, BASE_OK);
}
