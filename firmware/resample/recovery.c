#include "recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  STEADY_MS = 60000,  // a device that lived that long is tried again at once
  FIRST_PAUSE_MS = 1000,
  LONGEST_PAUSE_MS = 60000,
  POLL_MS = 50,           // the clock of the pauses may be another than the condition's
  REPLAY_WAIT_MS = 1000,  // how long a run waits for a device that is made anew at once
  MAX_LABELS = 64,
  MAX_WHEN = 32,
};

// --- opening and closing ---

static char *copy_text(const char *text, bool *is_short) {
  char *copy = text ? strdup(text) : NULL;
  *is_short |= text && !copy;
  return copy;
}

enum base_result resample_recovery_init(struct resample_recovery *recovery, const struct resample_config *config,
                                        struct base_fault *fault) {
  bool is_short = false;
  memset(recovery, 0, sizeof(*recovery));
  recovery->gpu_config = config->gpu;
  recovery->gpu_config.device = recovery->device_name = copy_text(config->gpu.device, &is_short);
  recovery->gpu_config.cache_folder = recovery->cache_folder = copy_text(config->gpu.cache_folder, &is_short);
  recovery->gpu_config.lose_after = 0;
  recovery->lose_after = config->gpu.lose_after;
  recovery->budget_bytes = config->budget_bytes;
  recovery->is_cold = config->is_cold;
  recovery->state = config->mode == RESAMPLE_MODE_CPU ? RESAMPLE_DEVICE_NONE : RESAMPLE_DEVICE_OPENING;
  recovery->clock = config->clock ? config->clock : base_clock_system();
  recovery->log = config->log;
  recovery->metrics = config->metrics;
  recovery->loss_count = base_metrics_counter(config->metrics, "pixpop_device_losses_total", "",
                                              "Times the Vulkan device was lost or hung");
  recovery->recovery_count = base_metrics_counter(config->metrics, "pixpop_device_recoveries_total", "",
                                                  "Times a lost Vulkan device was made anew");
  pthread_mutex_init(&recovery->mutex, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&recovery->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return is_short ? BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler") : BASE_OK;
}

static uint64_t now_ms(const struct resample_recovery *recovery) { return base_clock_ms(recovery->clock); }

// A gauge of 1 for the paths that pictures take now.
static void show_path(struct resample_recovery *recovery) {
  char labels[MAX_LABELS];
  recovery->source_path = resample_vulkan_source_path(recovery->vulkan);
  recovery->result_path = resample_vulkan_result_path(recovery->vulkan);
  snprintf(labels, sizeof(labels), "source=\"%s\",result=\"%s\"", recovery->source_path, recovery->result_path);
  base_metric_set(recovery->path, 0);
  recovery->path = base_metrics_gauge(recovery->metrics, "pixpop_resample_path", labels,
                                      "How pictures reach the device and come back: 1 for the way taken");
  base_metric_set(recovery->path, 1);
}

enum base_result resample_recovery_open(struct resample_recovery *recovery, struct base_fault *fault) {
  const enum base_result result = gpu_create(&recovery->gpu_config, &recovery->gpu, fault);
  if (result == BASE_OK) recovery->info = *gpu_get_info(recovery->gpu);
  return result;
}

// The mutex is held, or nobody else is there yet.
static void install(struct resample_recovery *recovery, struct gpu *gpu, struct resample_vulkan *vulkan) {
  recovery->gpu = gpu;
  recovery->vulkan = vulkan;
  recovery->state = RESAMPLE_DEVICE_OPEN;
  recovery->generation++;
  recovery->opened_ms = now_ms(recovery);
  show_path(recovery);
}

enum base_result resample_recovery_build(struct resample_recovery *recovery, struct base_fault *fault) {
  return resample_vulkan_create(recovery->gpu, recovery->budget_bytes, !recovery->is_cold, &recovery->vulkan, fault);
}

void resample_recovery_close(struct resample_recovery *recovery) {
  if (recovery->vulkan) resample_vulkan_destroy(&recovery->vulkan);
  gpu_destroy(&recovery->gpu);
  pthread_mutex_lock(&recovery->mutex);
  base_metric_set(recovery->path, 0);
  recovery->path = NULL;
  recovery->state = RESAMPLE_DEVICE_NONE;
  pthread_cond_broadcast(&recovery->changed);
  pthread_mutex_unlock(&recovery->mutex);
}

// --- the thread ---

static void wait_ms(struct resample_recovery *recovery, uint64_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += (time_t)(ms / 1000);
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
  (void)pthread_cond_timedwait(&recovery->changed, &recovery->mutex, &at);
}

static void plan_trial(struct resample_recovery *recovery, bool at_once) {
  const uint64_t doubled = recovery->pause_ms ? 2 * recovery->pause_ms : FIRST_PAUSE_MS;
  recovery->pause_ms = at_once ? 0 : doubled < LONGEST_PAUSE_MS ? doubled : LONGEST_PAUSE_MS;
  recovery->trial_ms = now_ms(recovery) + recovery->pause_ms;
}

// The copies of sources go under the mutex, so that no source is given up meanwhile. The device itself may take long
// to let go, when it hangs.
static void take_down(struct resample_recovery *recovery) {
  struct gpu *gpu = recovery->gpu;
  if (recovery->vulkan) resample_vulkan_destroy(&recovery->vulkan);
  recovery->gpu = NULL;
  pthread_mutex_unlock(&recovery->mutex);
  gpu_destroy(&gpu);
  pthread_mutex_lock(&recovery->mutex);
}

static enum base_result open_again(const struct resample_recovery *recovery, struct gpu **gpu,
                                   struct resample_vulkan **vulkan, struct base_fault *fault) {
  enum base_result result = gpu_create(&recovery->gpu_config, gpu, fault);
  // What was measured holds for one device; where it is gone a software device is no better than the CPU.
  if (result == BASE_OK && strcmp(gpu_get_info(*gpu)->identity, recovery->info.identity) != 0) {
    result = BASE_FAIL(fault, BASE_DEVICE, "", "%s is gone, there is only %s", recovery->info.name,
                       gpu_get_info(*gpu)->name);
  }
  if (result == BASE_OK)
    result = resample_vulkan_create(*gpu, recovery->budget_bytes, !recovery->is_cold, vulkan, fault);
  if (result != BASE_OK) gpu_destroy(gpu);
  return result;
}

static void try_again(struct resample_recovery *recovery) {
  struct gpu *gpu = NULL;
  struct resample_vulkan *vulkan = NULL;
  struct base_fault fault = {0};
  pthread_mutex_unlock(&recovery->mutex);
  const enum base_result result = open_again(recovery, &gpu, &vulkan, &fault);
  pthread_mutex_lock(&recovery->mutex);
  if (result == BASE_OK) {
    gpu_lose_after(gpu, recovery->lose_after);
    install(recovery, gpu, vulkan);
    recovery->recoveries++;
    base_metric_add(recovery->recovery_count, 1);
    base_log_write(recovery->log, BASE_LOG_INFO, "resample", NULL, "%s is back", recovery->info.name);
  } else {
    plan_trial(recovery, false);
    base_log_write(recovery->log, BASE_LOG_WARN, "resample", NULL, "%s does not come back (%s): again in %llu s",
                   recovery->info.name, fault.text, (unsigned long long)(recovery->pause_ms / 1000));
  }
  pthread_cond_broadcast(&recovery->changed);
}

static void *look_after(void *self) {
  struct resample_recovery *recovery = self;
  if (recovery->open) recovery->open(recovery->open_self);
  pthread_mutex_lock(&recovery->mutex);
  while (!atomic_load(&recovery->is_stopping) && recovery->state != RESAMPLE_DEVICE_NONE) {
    if (recovery->state != RESAMPLE_DEVICE_LOST || recovery->users > 0) {
      pthread_cond_wait(&recovery->changed, &recovery->mutex);
    } else if (recovery->gpu) {
      take_down(recovery);
    } else if (now_ms(recovery) < recovery->trial_ms) {
      wait_ms(recovery, POLL_MS);
    } else {
      try_again(recovery);
    }
  }
  pthread_mutex_unlock(&recovery->mutex);
  return NULL;
}

enum base_result resample_recovery_start(struct resample_recovery *recovery, void (*open)(void *self), void *self,
                                         struct base_fault *fault) {
  if (recovery->state == RESAMPLE_DEVICE_NONE) return BASE_OK;
  recovery->open = open;
  recovery->open_self = self;
  if (pthread_create(&recovery->thread, NULL, look_after, recovery) != 0) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for the resampler");
  }
  recovery->has_thread = true;
  return BASE_OK;
}

void resample_recovery_stop(struct resample_recovery *recovery) {
  pthread_mutex_lock(&recovery->mutex);
  atomic_store(&recovery->is_stopping, true);
  pthread_cond_broadcast(&recovery->changed);
  pthread_mutex_unlock(&recovery->mutex);
}

void resample_recovery_finish(struct resample_recovery *recovery) {
  resample_recovery_stop(recovery);
  pthread_mutex_lock(&recovery->mutex);
  BASE_ASSERT(recovery->users == 0);
  pthread_mutex_unlock(&recovery->mutex);
  if (recovery->has_thread) pthread_join(recovery->thread, NULL);
  resample_recovery_close(recovery);
  pthread_cond_destroy(&recovery->changed);
  pthread_mutex_destroy(&recovery->mutex);
  free(recovery->device_name);
  free(recovery->cache_folder);
}

// --- runs ---

bool resample_recovery_await_opening(struct resample_recovery *recovery) {
  pthread_mutex_lock(&recovery->mutex);
  while (recovery->state == RESAMPLE_DEVICE_OPENING && !atomic_load(&recovery->is_stopping)) {
    pthread_cond_wait(&recovery->changed, &recovery->mutex);
  }
  const bool has_come = recovery->state == RESAMPLE_DEVICE_OPEN || recovery->state == RESAMPLE_DEVICE_LOST;
  const bool is_given_up = !has_come && atomic_load(&recovery->is_stopping);
  pthread_mutex_unlock(&recovery->mutex);
  return !is_given_up;
}

struct resample_vulkan *resample_recovery_enter(struct resample_recovery *recovery, unsigned *out_generation) {
  pthread_mutex_lock(&recovery->mutex);
  const bool is_open = recovery->state == RESAMPLE_DEVICE_OPEN;
  struct resample_vulkan *vulkan = is_open ? recovery->vulkan : NULL;
  if (vulkan) recovery->users++;
  *out_generation = recovery->generation;
  pthread_mutex_unlock(&recovery->mutex);
  return vulkan;
}

// A device that hangs is not tried again at once: the request has waited long enough.
static void lose(struct resample_recovery *recovery, enum base_result outcome, const struct base_fault *why) {
  const bool is_steady = recovery->losses == 0 || now_ms(recovery) - recovery->opened_ms >= STEADY_MS;
  recovery->state = RESAMPLE_DEVICE_LOST;
  recovery->losses++;
  base_metric_add(recovery->loss_count, 1);
  if (is_steady) recovery->pause_ms = 0;
  plan_trial(recovery, is_steady && outcome == BASE_DEVICE);
  char when[MAX_WHEN] = "at once";
  if (recovery->pause_ms > 0) snprintf(when, sizeof(when), "in %llu s", (unsigned long long)recovery->pause_ms / 1000);
  base_log_write(recovery->log, BASE_LOG_WARN, "resample", NULL, "%s is lost (%s): opened again %s",
                 recovery->info.name, why->text, when);
}

static bool is_gone(enum base_result outcome) { return outcome == BASE_DEVICE || outcome == BASE_TIMEOUT; }

void resample_recovery_publish(struct resample_recovery *recovery, enum base_result outcome,
                               const struct base_fault *why) {
  pthread_mutex_lock(&recovery->mutex);
  install(recovery, recovery->gpu, recovery->vulkan);
  gpu_lose_after(recovery->gpu, recovery->lose_after);
  if (is_gone(outcome)) lose(recovery, outcome, why);
  pthread_cond_broadcast(&recovery->changed);
  pthread_mutex_unlock(&recovery->mutex);
}

void resample_recovery_leave(struct resample_recovery *recovery, enum base_result outcome,
                             const struct base_fault *why) {
  pthread_mutex_lock(&recovery->mutex);
  BASE_ASSERT(recovery->users > 0);
  recovery->users--;
  if (is_gone(outcome) && recovery->state == RESAMPLE_DEVICE_OPEN) lose(recovery, outcome, why);
  if (recovery->state == RESAMPLE_DEVICE_LOST) pthread_cond_broadcast(&recovery->changed);
  pthread_mutex_unlock(&recovery->mutex);
}

bool resample_recovery_await(struct resample_recovery *recovery, unsigned generation) {
  const uint64_t begin_ms = base_clock_ms(base_clock_system());
  uint64_t waited_ms = 0;
  pthread_mutex_lock(&recovery->mutex);
  while (recovery->state == RESAMPLE_DEVICE_LOST && recovery->generation == generation && recovery->pause_ms == 0 &&
         waited_ms < REPLAY_WAIT_MS && !atomic_load(&recovery->is_stopping)) {
    wait_ms(recovery, REPLAY_WAIT_MS - waited_ms);
    waited_ms = base_clock_ms(base_clock_system()) - begin_ms;
  }
  const bool is_back = recovery->state == RESAMPLE_DEVICE_OPEN;
  pthread_mutex_unlock(&recovery->mutex);
  return is_back;
}

void resample_recovery_forget(struct resample_recovery *recovery, struct resample_source *source) {
  pthread_mutex_lock(&recovery->mutex);
  // Also a lost machine has a list of its copies; one that is being opened has none of ours.
  struct resample_vulkan *vulkan = recovery->state == RESAMPLE_DEVICE_OPENING ? NULL : recovery->vulkan;
  if (vulkan) recovery->users++;
  pthread_mutex_unlock(&recovery->mutex);
  if (!vulkan) return;
  resample_vulkan_forget(vulkan, source);
  resample_recovery_leave(recovery, BASE_OK, NULL);
}

void resample_recovery_get_info(struct resample_recovery *recovery, struct resample_info *out) {
  unsigned generation;
  struct resample_vulkan *vulkan = resample_recovery_enter(recovery, &generation);
  if (vulkan) {
    out->device_bytes = resample_vulkan_bytes(vulkan);
    resample_recovery_leave(recovery, BASE_OK, NULL);
  }
  pthread_mutex_lock(&recovery->mutex);
  out->has_device = recovery->state == RESAMPLE_DEVICE_OPEN;
  out->is_opening = recovery->state == RESAMPLE_DEVICE_OPENING;
  out->is_lost = recovery->state == RESAMPLE_DEVICE_LOST;
  out->losses = recovery->losses;
  out->recoveries = recovery->recoveries;
  if (out->has_device || out->is_lost) {
    out->device = recovery->info;
    out->source_path = recovery->source_path;
    out->result_path = recovery->result_path;
  }
  pthread_mutex_unlock(&recovery->mutex);
}
