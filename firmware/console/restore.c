#include "restore.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct console_restores {
  pthread_mutex_t lock;
  bool has_been;
  struct console_restore_report report;
};

struct console_restores *console_restores_create(void) {
  struct console_restores *restores = calloc(1, sizeof *restores);
  if (restores) BASE_ASSERT(pthread_mutex_init(&restores->lock, NULL) == 0);
  return restores;
}

void console_restores_destroy(struct console_restores **restores) {
  if (!*restores) return;
  pthread_mutex_destroy(&(*restores)->lock);
  free(*restores);
  *restores = NULL;
}

enum base_result console_restores_begin(struct console_restores *restores, int64_t now_s, struct base_fault *fault) {
  struct console_restore_report *report = console_restores_lock(restores);
  const bool is_running = report->is_running;
  if (!is_running) {
    restores->has_been = true;
    *report = (struct console_restore_report){.is_running = true, .started_s = now_s};
  }
  console_restores_unlock(restores);
  return is_running ? BASE_FAIL(fault, BASE_LOCKED, "restore", "another backup is being restored") : BASE_OK;
}

void console_restores_end(struct console_restores *restores, int64_t now_s) {
  struct console_restore_report *report = console_restores_lock(restores);
  report->is_running = false;
  report->ended_s = now_s;
  console_restores_unlock(restores);
}

bool console_restores_get(struct console_restores *restores, struct console_restore_report *out) {
  const struct console_restore_report *report = console_restores_lock(restores);
  const bool has_been = restores->has_been;
  if (has_been) *out = *report;
  console_restores_unlock(restores);
  return has_been;
}

struct console_restore_report *console_restores_lock(struct console_restores *restores) {
  pthread_mutex_lock(&restores->lock);
  return &restores->report;
}

void console_restores_unlock(struct console_restores *restores) { pthread_mutex_unlock(&restores->lock); }

void console_restore_note_network(struct console *console, enum console_restore_settings what, const char *text) {
  struct console_restore_report *report = console_restores_lock(console->restores);
  report->network = what;
  (void)snprintf(report->network_text, sizeof report->network_text, "%s", text);
  console_restores_unlock(console->restores);
}

// --- originals ---

static void copy_text(char *out, size_t capacity, const char *text) {
  const bool fits = base_span_copy(base_span_slice(base_span_text(text), 0, capacity - 1), out, capacity);
  BASE_ASSERT(fits);
}

void console_restore_refuse(struct console *console, const char *request_id, const char *tenant,
                            const struct integrity_digest *id, const char *name, const struct base_fault *fault) {
  struct console_restore_report *report = console_restores_lock(console->restores);
  report->refused++;
  if (report->refusal_count < CONSOLE_RESTORE_MAX_REFUSALS) {
    struct console_restore_refusal *refusal = &report->refusals[report->refusal_count++];
    integrity_digest_text(id, refusal->id);
    copy_text(refusal->tenant, sizeof refusal->tenant, tenant);
    copy_text(refusal->name, sizeof refusal->name, name);
    copy_text(refusal->reason, sizeof refusal->reason, fault->text);
  }
  console_restores_unlock(console->restores);
  base_log_fault(console->config.log, BASE_LOG_WARN, "console", request_id, fault);
}

// What will not get better with the next original.
static bool is_end_of_all(enum base_result result) {
  return result == BASE_NO_SPACE || result == BASE_NO_MEMORY || result == BASE_IO || result == BASE_INTERNAL;
}

static void count_original(struct console *console, bool is_new) {
  struct console_restore_report *report = console_restores_lock(console->restores);
  *(is_new ? &report->added : &report->present) += 1;
  console_restores_unlock(console->restores);
}

static enum base_result ingest(struct console *console, const char *request_id, struct console_restore_job *job,
                               struct base_fault *fault) {
  const struct console_config *config = &console->config;
  struct store_original original;
  bool is_new;
  struct base_fault why = {0};
  const enum base_result result = ingest_commit(&job->upload, &job->metadata, &original, &is_new, &why);
  if (is_end_of_all(result)) return BASE_FAIL(fault, result, why.subject, "%s", why.text);
  if (result != BASE_OK) {
    console_restore_refuse(console, request_id, job->tenant, &job->id, job->metadata.name, &why);
    return BASE_OK;
  }
  if (is_new) pop_forget(config->pop, job->tenant, &job->id);
  if (is_new) pop_prewarm_add(config->prewarm, job->tenant, &job->id);
  count_original(console, is_new);
  return BASE_OK;
}

// --- the crew ---

struct console_restore_crew {
  struct console *console;
  const char *request_id;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct console_restore_job queue[CONSOLE_RESTORE_QUEUE];
  size_t first, count;
  bool is_ending;
  struct base_fault failure;
  size_t thread_count;
  pthread_t threads[CONSOLE_RESTORE_CREW];
};

// With the lock. False when there will be no more.
static bool next_job(struct console_restore_crew *crew, struct console_restore_job *out) {
  while (crew->count == 0 && !crew->is_ending) pthread_cond_wait(&crew->changed, &crew->lock);
  if (crew->count == 0) return false;
  *out = crew->queue[crew->first];
  crew->first = (crew->first + 1) % CONSOLE_RESTORE_QUEUE;
  crew->count--;
  pthread_cond_broadcast(&crew->changed);
  return true;
}

static void *work(void *argument) {
  struct console_restore_crew *crew = argument;
  struct console_restore_job job;
  pthread_mutex_lock(&crew->lock);
  while (next_job(crew, &job)) {
    const bool is_over = crew->failure.result != BASE_OK;
    pthread_mutex_unlock(&crew->lock);
    struct base_fault fault = {0};
    if (is_over) {
      ingest_abort(&job.upload);
    } else if (ingest(crew->console, crew->request_id, &job, &fault) != BASE_OK) {
      base_log_fault(crew->console->config.log, BASE_LOG_WARN, "console", crew->request_id, &fault);
    }
    pthread_mutex_lock(&crew->lock);
    if (fault.result != BASE_OK && crew->failure.result == BASE_OK) crew->failure = fault;
    pthread_cond_broadcast(&crew->changed);
  }
  pthread_mutex_unlock(&crew->lock);
  return NULL;
}

enum base_result console_restore_crew_start(struct console *console, const char *request_id,
                                            struct console_restore_crew **out, struct base_fault *fault) {
  struct console_restore_crew *crew = calloc(1, sizeof *crew);
  *out = NULL;
  if (!crew) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to restore a backup");
  crew->console = console;
  crew->request_id = request_id;
  BASE_ASSERT(pthread_mutex_init(&crew->lock, NULL) == 0);
  BASE_ASSERT(pthread_cond_init(&crew->changed, NULL) == 0);
  while (crew->thread_count < CONSOLE_RESTORE_CREW &&
         pthread_create(&crew->threads[crew->thread_count], NULL, work, crew) == 0) {
    crew->thread_count++;
  }
  *out = crew;
  if (crew->thread_count > 0) return BASE_OK;
  (void)console_restore_crew_end(out, fault);
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread to restore a backup");
}

static enum base_result failure_of(const struct console_restore_crew *crew, struct base_fault *fault) {
  const struct base_fault *failure = &crew->failure;
  if (failure->result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, failure->result, failure->subject, "%s", failure->text);
}

enum base_result console_restore_crew_take(struct console_restore_crew *crew, struct console_restore_job *job,
                                           struct base_fault *fault) {
  pthread_mutex_lock(&crew->lock);
  while (crew->count == CONSOLE_RESTORE_QUEUE) pthread_cond_wait(&crew->changed, &crew->lock);
  crew->queue[(crew->first + crew->count++) % CONSOLE_RESTORE_QUEUE] = *job;
  job->upload = NULL;
  pthread_cond_broadcast(&crew->changed);
  const enum base_result result = failure_of(crew, fault);
  pthread_mutex_unlock(&crew->lock);
  return result;
}

enum base_result console_restore_crew_end(struct console_restore_crew **crew_pointer, struct base_fault *fault) {
  struct console_restore_crew *crew = *crew_pointer;
  *crew_pointer = NULL;
  if (!crew) return BASE_OK;
  pthread_mutex_lock(&crew->lock);
  crew->is_ending = true;
  pthread_cond_broadcast(&crew->changed);
  pthread_mutex_unlock(&crew->lock);
  for (size_t i = 0; i < crew->thread_count; i++) pthread_join(crew->threads[i], NULL);
  const enum base_result result = failure_of(crew, fault);
  pthread_cond_destroy(&crew->changed);
  pthread_mutex_destroy(&crew->lock);
  free(crew);
  return result;
}
