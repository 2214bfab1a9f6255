#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  RETRY_MS = 1000,  // between attempts to start a decoder that does not start
  WATCH_MS = 1000,  // between looks at the idle ones
  // From the first worker to the others, unless a call wants one: a start has better things to do.
  OTHERS_AFTER_MS = 3000,
};

enum slot_state { SLOT_EMPTY, SLOT_IDLE, SLOT_LENT };

struct slot {
  struct worker worker;  // first, so that a lent worker leads back to its slot
  enum slot_state state;
};

struct pool {
  struct sandbox_config config;
  struct worker_plan plan;
  struct base_metric *spawns, *restless;
  pthread_t keeper;
  pthread_mutex_t mutex;
  pthread_cond_t freed;    // a slot became idle
  pthread_cond_t emptied;  // a slot became empty, or the pool ends
  // Under the mutex:
  bool is_ending;
  bool has_opened;    // the first start is over
  bool wants_others;  // their time has come
  enum base_result opening;
  struct base_fault opening_fault;
  struct sandbox_isolation isolation;  // of the worker started last
  struct slot slots[];
};

static struct timespec deadline_in(uint32_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += ms / 1000;
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) {
    at.tv_sec++;
    at.tv_nsec -= 1000000000;
  }
  return at;
}

static struct slot *find_slot(struct pool *pool, enum slot_state state) {
  for (unsigned i = 0; i < pool->config.workers; i++) {
    if (pool->slots[i].state == state) return &pool->slots[i];
  }
  return NULL;
}

static enum base_result check_isolation(const struct pool *pool, struct worker *started,
                                        const struct sandbox_isolation *isolation, struct base_fault *fault) {
  if (!pool->config.require_isolation || isolation->parts & SANDBOX_SECCOMP) return BASE_OK;
  sandbox_worker_end(started);
  return BASE_FAIL(fault, BASE_IO, "decoder.require_isolation",
                   "decoders can not be confined: this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER), they are "
                   "forbidden here, or decoder.memory is too small for them");
}

// Fills one empty slot. The mutex is held on entry and exit, not while the process starts; only the keeper fills.
static enum base_result fill_slot(struct pool *pool, struct slot *slot, struct base_fault *fault) {
  struct worker started;
  struct sandbox_isolation isolation = {0};
  pthread_mutex_unlock(&pool->mutex);
  enum base_result result = sandbox_worker_start(&started, &pool->plan, &isolation, fault);
  if (result == BASE_OK) result = check_isolation(pool, &started, &isolation, fault);
  pthread_mutex_lock(&pool->mutex);
  if (result != BASE_OK) return result;
  pool->isolation = isolation;
  base_metric_add(pool->spawns, 1);
  slot->worker = started;
  slot->state = SLOT_IDLE;
  pthread_cond_signal(&pool->freed);
  return BASE_OK;
}

// The first worker tells whether there can be any.
static void open_first(struct pool *pool) {
  pool->opening = fill_slot(pool, &pool->slots[0], &pool->opening_fault);
  pool->has_opened = true;
  pthread_cond_broadcast(&pool->freed);
}

static void refill(struct pool *pool, struct slot *slot) {
  struct base_fault fault = {0};
  if (fill_slot(pool, slot, &fault) == BASE_OK) return;
  base_log_fault(pool->config.log, BASE_LOG_ERROR, "sandbox", NULL, &fault);
  struct timespec retry = deadline_in(RETRY_MS);
  while (!pool->is_ending && pthread_cond_timedwait(&pool->emptied, &pool->mutex, &retry) != ETIMEDOUT) continue;
}

static void empty_slot(struct pool *pool, struct slot *slot) {
  slot->state = SLOT_EMPTY;
  pthread_cond_signal(&pool->emptied);
}

// True when an idle worker sleeps, as it should; else it is ended, to be replaced.
static bool is_honest(struct pool *pool, struct slot *slot) {
  if (sandbox_worker_is_at_rest(&slot->worker)) return true;
  base_log_write(pool->config.log, BASE_LOG_WARN, "sandbox", NULL,
                 "a decoder computed though nobody had asked it and was killed");
  base_metric_add(pool->restless, 1);
  sandbox_worker_end(&slot->worker);
  empty_slot(pool, slot);
  return false;
}

static void watch_idle(struct pool *pool) {
  for (unsigned i = 0; i < pool->config.workers; i++) {
    if (pool->slots[i].state == SLOT_IDLE) (void)is_honest(pool, &pool->slots[i]);
  }
}

static void *keep(void *argument) {
  struct pool *pool = argument;
  pthread_mutex_lock(&pool->mutex);
  open_first(pool);
  pool->wants_others = pool->config.workers == 1;
  struct timespec watch = deadline_in(pool->wants_others ? WATCH_MS : OTHERS_AFTER_MS);
  while (!pool->is_ending) {
    struct slot *slot = find_slot(pool, SLOT_EMPTY);
    if (slot && pool->opening == BASE_OK && pool->wants_others) {
      refill(pool, slot);
    } else if (pthread_cond_timedwait(&pool->emptied, &pool->mutex, &watch) == ETIMEDOUT) {
      pool->wants_others = true;
      watch_idle(pool);
      watch = deadline_in(WATCH_MS);
    }
  }
  // Ended by the thread that started them, and before it goes.
  for (unsigned i = 0; i < pool->config.workers; i++) sandbox_worker_end(&pool->slots[i].worker);
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

static void init_locks(struct pool *pool) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->freed, &monotonic);
  pthread_cond_init(&pool->emptied, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

static void finish_locks(struct pool *pool) {
  pthread_cond_destroy(&pool->emptied);
  pthread_cond_destroy(&pool->freed);
  pthread_mutex_destroy(&pool->mutex);
}

static struct worker_plan plan_of(const struct sandbox_config *config) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return (struct worker_plan){.path = config->decoder_path,
                              .memory_bytes = config->memory_bytes,
                              .uid = config->uid,
                              .timeout_ms = config->timeout_ms,
                              .cpu_seconds = (config->timeout_ms / 1000 + 1) * (uint32_t)(cores > 0 ? cores : 1) + 1};
}

enum base_result sandbox_pool_create(const struct sandbox_config *config, struct pool **out, struct base_fault *fault) {
  struct pool *pool = calloc(1, sizeof *pool + config->workers * sizeof pool->slots[0]);
  *out = NULL;
  if (!pool) return BASE_FAIL(fault, BASE_NO_MEMORY, "sandbox", "no memory for %u workers", config->workers);
  pool->config = *config;
  pool->plan = plan_of(config);
  pool->spawns = base_metrics_counter(config->metrics, "pixpop_sandbox_spawns_total", "", "Decoder processes started.");
  pool->restless = base_metrics_counter(config->metrics, "pixpop_sandbox_restless_total", "",
                                        "Decoder processes ended because they computed while nobody had asked.");
  for (unsigned i = 0; i < config->workers; i++) pool->slots[i].worker.socket = -1;
  init_locks(pool);
  int error = pthread_create(&pool->keeper, NULL, keep, pool);
  if (error) {
    finish_locks(pool);
    free(pool);
    errno = error;
    return BASE_FAIL_ERRNO(fault, "sandbox", "no thread for the decoders");
  }
  pthread_mutex_lock(&pool->mutex);
  while (!pool->has_opened) pthread_cond_wait(&pool->freed, &pool->mutex);
  enum base_result result = pool->opening;
  if (result != BASE_OK) {
    result = BASE_FAIL(fault, result, pool->opening_fault.subject, "%s", pool->opening_fault.text);
  }
  pthread_mutex_unlock(&pool->mutex);
  *out = pool;
  if (result != BASE_OK) sandbox_pool_destroy(out);
  return result;
}

void sandbox_pool_destroy(struct pool **pool) {
  struct pool *gone = *pool;
  *pool = NULL;
  if (!gone) return;
  pthread_mutex_lock(&gone->mutex);
  gone->is_ending = true;
  pthread_cond_signal(&gone->emptied);
  pthread_mutex_unlock(&gone->mutex);
  pthread_join(gone->keeper, NULL);
  finish_locks(gone);
  free(gone);
}

// Takes an idle worker that still lives; the dead among them (the kernel ran out of memory, somebody killed them)
// are replaced, at nobody's cost.
static struct slot *take_idle(struct pool *pool) {
  struct slot *slot;
  while ((slot = find_slot(pool, SLOT_IDLE)) != NULL) {
    const bool is_alive = sandbox_worker_is_alive(&slot->worker);
    if (is_alive && is_honest(pool, slot)) return slot;
    if (is_alive) continue;
    sandbox_worker_end(&slot->worker);
    empty_slot(pool, slot);
  }
  return NULL;
}

struct worker *sandbox_pool_borrow(struct pool *pool) {
  struct timespec deadline = deadline_in(pool->config.wait_ms);
  int waited = 0;
  struct slot *slot;
  pthread_mutex_lock(&pool->mutex);
  while ((slot = take_idle(pool)) == NULL && waited != ETIMEDOUT) {
    if (!pool->wants_others) pthread_cond_signal(&pool->emptied);
    pool->wants_others = true;
    waited = pthread_cond_timedwait(&pool->freed, &pool->mutex, &deadline);
  }
  if (slot) slot->state = SLOT_LENT;
  pthread_mutex_unlock(&pool->mutex);
  return slot ? &slot->worker : NULL;
}

struct sandbox_isolation sandbox_pool_isolation(struct pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  struct sandbox_isolation isolation = pool->isolation;
  pthread_mutex_unlock(&pool->mutex);
  return isolation;
}

const struct worker_plan *sandbox_pool_plan(const struct pool *pool) { return &pool->plan; }

void sandbox_pool_return(struct pool *pool, struct worker *worker, bool is_usable) {
  struct slot *slot = (struct slot *)worker;
  is_usable = is_usable && worker->asked < pool->config.recycle_after;
  // Killing and reaping takes time, and the slot is ours: no lock for that.
  if (!is_usable) sandbox_worker_end(worker);
  pthread_mutex_lock(&pool->mutex);
  BASE_ASSERT(slot->state == SLOT_LENT);
  if (is_usable) {
    slot->state = SLOT_IDLE;
    pthread_cond_signal(&pool->freed);
  } else {
    empty_slot(pool, slot);
  }
  pthread_mutex_unlock(&pool->mutex);
}
