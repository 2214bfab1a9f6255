// Removing sessions that have expired, and checking those that a crash or a busy box has left unchecked.

#include <stdlib.h>
#include <time.h>

#include "tus_inside.h"

static bool expire(struct ingest_tus *tus, const char *id) {
  struct base_fault fault = {0};
  if (ingest_tus_remove(tus, id, &fault) == BASE_OK) {
    base_metric_add(tus->expired, 1);
    return true;
  }
  base_log_fault(tus->config.log, BASE_LOG_WARN, "ingest", NULL, &fault);
  return false;
}

static void check(struct ingest_tus *tus, const struct ingest_tus_entry *entry) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  if (ingest_tus_check_again(tus, entry, &session, &fault) == BASE_OK) {
    ingest_tus_session_finish(&session);
  } else {
    base_log_fault(tus->config.log, BASE_LOG_INFO, "ingest", NULL, &fault);
  }
}

size_t ingest_tus_sweep(struct ingest_tus *tus) {
  char(*ids)[INGEST_TUS_ID_CHARS + 1];
  size_t count, removed = 0;
  if (ingest_tus_table_ids(tus->table, NULL, &ids, &count, NULL) != BASE_OK) return 0;
  const int64_t now_s = ingest_tus_now_s(tus);
  for (size_t i = 0; i < count; i++) {
    struct ingest_tus_entry entry;
    if (!ingest_tus_table_take(tus->table, ids[i], now_s, &entry)) continue;
    if (entry.expires_s <= now_s) {
      removed += expire(tus, entry.id);
    } else if (entry.is_untold) {
      ingest_tus_tell_again(tus, &entry);
    } else {
      check(tus, &entry);
    }
  }
  free(ids);
  return removed;
}

static void *run(void *argument) {
  struct ingest_tus *tus = argument;
  pthread_mutex_lock(&tus->lock);
  while (!tus->is_stopping) {
    pthread_mutex_unlock(&tus->lock);
    const size_t removed = ingest_tus_sweep(tus);
    if (removed > 0) {
      base_log_write(tus->config.log, BASE_LOG_INFO, "ingest", NULL, "%zu uploads have expired", removed);
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += tus->config.sweep_s;
    pthread_mutex_lock(&tus->lock);
    int code = 0;
    while (!tus->is_stopping && code == 0) code = pthread_cond_timedwait(&tus->stopping, &tus->lock, &until);
  }
  pthread_mutex_unlock(&tus->lock);
  return NULL;
}

enum base_result ingest_tus_start_sweeper(struct ingest_tus *tus, struct base_fault *fault) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&tus->stopping, &monotonic);
  pthread_condattr_destroy(&monotonic);
  tus->has_sweeper = pthread_create(&tus->sweeper, NULL, run, tus) == 0;
  if (tus->has_sweeper) return BASE_OK;
  pthread_cond_destroy(&tus->stopping);
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for expired uploads");
}

void ingest_tus_stop_sweeper(struct ingest_tus *tus) {
  pthread_mutex_lock(&tus->lock);
  tus->is_stopping = true;
  pthread_cond_broadcast(&tus->stopping);
  pthread_mutex_unlock(&tus->lock);
  pthread_join(tus->sweeper, NULL);
  pthread_cond_destroy(&tus->stopping);
}
