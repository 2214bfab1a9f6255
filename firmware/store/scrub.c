#include "store/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "scrubbing.h"
#include "tier.h"

enum {
  US_PER_S = 1000 * 1000,
  NS_PER_US = 1000,
  LOOK_EVERY_US = 60 * US_PER_S,  // while it rests: findings of others are written, the wall clock may have been set
  PACE_WINDOW_US = 10 * US_PER_S,
  LOWEST_PRIORITY = 19,
  IO_WHO_PROCESS = 1,  // linux/ioprio.h
  IO_CLASS_IDLE = 3,
  IO_CLASS_SHIFT = 13,
};

// Waiting.

static void lock_until(struct store_scrub *scrub, uint64_t wait_us) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const uint64_t ns = (uint64_t)until.tv_nsec + wait_us % US_PER_S * NS_PER_US;
  until.tv_sec += (time_t)(wait_us / US_PER_S + ns / ((uint64_t)US_PER_S * NS_PER_US));
  until.tv_nsec = (long)(ns % ((uint64_t)US_PER_S * NS_PER_US));
  int failed = 0;
  while (!scrub->is_stopping && !scrub->is_wanted && failed != ETIMEDOUT) {
    failed = pthread_cond_timedwait(&scrub->woken, &scrub->lock, &until);
  }
}

bool store_scrub_wait(struct store_scrub *scrub, uint64_t wait_us) {
  pthread_mutex_lock(&scrub->lock);
  if (wait_us > 0) lock_until(scrub, wait_us);
  const bool is_stopping = scrub->is_stopping;
  pthread_mutex_unlock(&scrub->lock);
  return is_stopping;
}

uint64_t store_scrub_due_us(uint64_t bytes, uint64_t bytes_per_s, uint64_t elapsed_us) {
  if (bytes_per_s == 0) return 0;
  const uint64_t wanted_us = bytes / bytes_per_s * US_PER_S + bytes % bytes_per_s * US_PER_S / bytes_per_s;
  return wanted_us > elapsed_us ? wanted_us - elapsed_us : 0;
}

bool store_scrub_pace(struct store_scrub *scrub, size_t bytes) {
  const uint64_t now_us = base_clock_us(scrub->store->config.clock);
  // What a busy machine kept it from reading is not caught up with later.
  if (now_us - scrub->pace_start_us > PACE_WINDOW_US) {
    scrub->pace_start_us = now_us;
    scrub->pace_bytes = 0;
  }
  scrub->pace_bytes += bytes;
  base_metric_add(scrub->meters.bytes, (int64_t)bytes);
  pthread_mutex_lock(&scrub->lock);
  scrub->report.round_bytes += bytes;
  scrub->report.verified_bytes += bytes;
  pthread_mutex_unlock(&scrub->lock);
  return store_scrub_wait(
      scrub, store_scrub_due_us(scrub->pace_bytes, scrub->config.bytes_per_s, now_us - scrub->pace_start_us));
}

// Thread.

static void give_way(void) {
  const pid_t thread = (pid_t)syscall(SYS_gettid);
  // Without them it only runs with more weight than it needs.
  (void)setpriority(PRIO_PROCESS, (id_t)thread, LOWEST_PRIORITY);
  (void)syscall(SYS_ioprio_set, IO_WHO_PROCESS, thread, IO_CLASS_IDLE << IO_CLASS_SHIFT);
}

// How long until the next round begins.
static uint64_t rest_us(struct store_scrub *scrub) {
  const struct store_progress progress = store_findings_progress(scrub->store);
  const uint64_t up_us = base_clock_us(scrub->store->config.clock) - scrub->started_us;
  const uint64_t settle_us = scrub->config.settle_s * US_PER_S;
  const uint64_t settling_us = settle_us > up_us ? settle_us - up_us : 0;
  const int64_t rested_s = base_clock_wall_s(scrub->store->config.clock) - progress.last_round_s;
  // One that was interrupted goes on; a clock that went back says nothing.
  if (progress.shard > 0 || progress.last_round_s == 0 || rested_s < 0) return settling_us;
  if ((uint64_t)rested_s >= scrub->config.rest_s) return settling_us;
  const uint64_t resting_us = (scrub->config.rest_s - (uint64_t)rested_s) * US_PER_S;
  return resting_us > settling_us ? resting_us : settling_us;
}

// True when a round is to begin, false when the scrubber is to stop.
static bool rest(struct store_scrub *scrub) {
  for (;;) {
    const uint64_t left_us = rest_us(scrub);
    const bool is_stopping = store_scrub_wait(scrub, left_us < LOOK_EVERY_US ? left_us : LOOK_EVERY_US);
    if (is_stopping) return false;
    pthread_mutex_lock(&scrub->lock);
    const bool is_wanted = scrub->is_wanted;
    pthread_mutex_unlock(&scrub->lock);
    if (is_wanted || rest_us(scrub) == 0) return true;
    store_findings_save(scrub->store);
  }
}

static void begin_round(struct store_scrub *scrub) {
  scrub->pace_start_us = scrub->saved_us = base_clock_us(scrub->store->config.clock);
  scrub->pace_bytes = 0;
  struct store_progress progress = store_findings_progress(scrub->store);
  pthread_mutex_lock(&scrub->lock);
  if (scrub->is_wanted) progress.shard = 0;  // all of it, also when a round was left half-way
  scrub->is_wanted = false;
  scrub->report.is_walking = true;
  scrub->report.round_bytes = scrub->report.round_objects = 0;
  pthread_mutex_unlock(&scrub->lock);
  store_findings_set_progress(scrub->store, &progress);
}

static void end_round(struct store_scrub *scrub, bool is_whole) {
  struct store_scrub_report report;
  pthread_mutex_lock(&scrub->lock);
  scrub->report.is_walking = false;
  scrub->report.rounds += is_whole;
  report = scrub->report;
  pthread_mutex_unlock(&scrub->lock);
  if (!is_whole) return;
  base_metric_add(scrub->meters.rounds, 1);
  const size_t damaged = store_findings_list(scrub->store, NULL, 0);
  base_log_write(scrub->store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                 "everything on disk has been verified: %" PRIu64 " %s, %" PRIu64 " bytes; %zu damaged %s",
                 report.round_objects, report.round_objects == 1 ? "object" : "objects", report.round_bytes, damaged,
                 damaged == 1 ? "original" : "originals");
}

static void *run(void *argument) {
  struct store_scrub *scrub = argument;
  give_way();
  while (rest(scrub)) {
    struct base_fault fault = {0};
    begin_round(scrub);
    end_round(scrub, store_scrub_round(scrub, &fault) == BASE_OK);
  }
  return NULL;
}

// The door.

static void register_meters(struct store_scrub *scrub) {
  struct base_metrics *metrics = scrub->store->config.metrics;
  static const char found[] = "pixpop_scrub_found_total", help[] = "Damage that the scrubber has found, by kind.";
  scrub->meters = (struct store_scrub_meters){
      .bytes = base_metrics_counter(metrics, "pixpop_scrub_bytes_total", "", "Bytes that the scrubber has verified."),
      .rounds = base_metrics_counter(metrics, "pixpop_scrub_rounds_total", "", "Rounds that the scrubber has ended."),
      .variants = base_metrics_counter(metrics, found, "kind=\"variant\"", help),
      .levels = base_metrics_counter(metrics, found, "kind=\"level\"", help),
      .originals = base_metrics_counter(metrics, found, "kind=\"original\"", help),
  };
}

static void init_wait(struct store_scrub *scrub) {
  pthread_condattr_t attributes;
  BASE_ASSERT(pthread_mutex_init(&scrub->lock, NULL) == 0);
  BASE_ASSERT(pthread_condattr_init(&attributes) == 0);
  BASE_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
  BASE_ASSERT(pthread_cond_init(&scrub->woken, &attributes) == 0);
  pthread_condattr_destroy(&attributes);
}

static void destroy(struct store_scrub *scrub) {
  pthread_cond_destroy(&scrub->woken);
  pthread_mutex_destroy(&scrub->lock);
  free(scrub->buffer);
  free(scrub);
}

enum base_result store_scrub_start(struct store *store, const struct store_scrub_config *config,
                                   struct store_scrub **out, struct base_fault *fault) {
  *out = NULL;
  struct store_scrub *scrub = calloc(1, sizeof *scrub);
  uint8_t *buffer = aligned_alloc(STORE_SCRUB_ALIGNMENT, STORE_SCRUB_CHUNK_BYTES);
  if (!scrub || !buffer) {
    free(scrub);
    free(buffer);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the scrubber");
  }
  scrub->store = store;
  scrub->config = *config;
  scrub->buffer = buffer;
  scrub->started_us = base_clock_us(store->config.clock);
  register_meters(scrub);
  init_wait(scrub);
  if (pthread_create(&scrub->thread, NULL, run, scrub) != 0) {
    destroy(scrub);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "cannot start the scrubber's thread");
  }
  *out = scrub;
  return BASE_OK;
}

void store_scrub_run(struct store_scrub *scrub) {
  pthread_mutex_lock(&scrub->lock);
  if (!scrub->report.is_walking) {
    scrub->is_wanted = true;
    pthread_cond_signal(&scrub->woken);
  }
  pthread_mutex_unlock(&scrub->lock);
}

void store_scrub_get_report(struct store_scrub *scrub, struct store_scrub_report *out) {
  struct store *store = scrub->store;
  struct store_tier_counts tier;
  struct store_found found[STORE_SCRUB_MAX_DAMAGED];
  pthread_mutex_lock(&scrub->lock);
  *out = scrub->report;
  pthread_mutex_unlock(&scrub->lock);
  store_tier_count(store, &tier);
  out->total_objects = atomic_load(&store->originals) + tier.variants + tier.levels;
  out->last_round_s = store_findings_progress(store).last_round_s;
  out->damaged_count = store_findings_list(store, found, STORE_SCRUB_MAX_DAMAGED);
  for (size_t i = 0; i < out->damaged_count && i < STORE_SCRUB_MAX_DAMAGED; i++) {
    out->damaged[i].id = found[i].id;
    out->damaged[i].found_s = found[i].found_s;
  }
}

void store_scrub_stop(struct store_scrub **scrub_pointer) {
  struct store_scrub *scrub = *scrub_pointer;
  *scrub_pointer = NULL;
  if (!scrub) return;
  pthread_mutex_lock(&scrub->lock);
  scrub->is_stopping = true;
  pthread_cond_signal(&scrub->woken);
  pthread_mutex_unlock(&scrub->lock);
  pthread_join(scrub->thread, NULL);
  destroy(scrub);
}
