#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { THREAD_NAME_BYTES = 16 };  // the kernel's limit, with the terminator

struct task {
  void (*run)(void *argument);
  void *argument;
};

struct base_pool {
  pthread_mutex_t lock;
  pthread_cond_t work;  // a task was added, or `stopping`
  bool stopping;
  unsigned thread_count;
  size_t room;     // tasks in the ring and running together: one a thread, and the queue
  size_t running;  // tasks taken by a worker
  size_t queued;   // tasks in the ring
  size_t first;    // index of the oldest one
  struct task *ring;
  struct task background[BASE_POOL_MAX_BACKGROUND];  // a ring too
  size_t background_first, background_queued;
  bool is_background_running;
  pthread_t *threads;
  unsigned started;
  char name[THREAD_NAME_BYTES];
};

static struct task take_task(struct base_pool *pool) {
  const struct task task = pool->ring[pool->first];
  pool->first = (pool->first + 1) % pool->room;
  pool->queued--;
  pool->running++;
  return task;
}

static bool has_background_task(const struct base_pool *pool) {
  return pool->background_queued > 0 && !pool->is_background_running;
}

static void run_background_task(struct base_pool *pool) {
  const struct task task = pool->background[pool->background_first];
  pool->background_first = (pool->background_first + 1) % BASE_POOL_MAX_BACKGROUND;
  pool->background_queued--;
  pool->running++;
  pool->is_background_running = true;
  pthread_mutex_unlock(&pool->lock);
  task.run(task.argument);
  pthread_mutex_lock(&pool->lock);
  pool->is_background_running = false;
  pool->running--;
  // This thread may be given something else first, so another one has to look at the next.
  if (pool->background_queued) pthread_cond_signal(&pool->work);
}

static void *work(void *argument) {
  struct base_pool *pool = argument;
  pthread_setname_np(pthread_self(), pool->name);
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (pool->queued == 0 && !has_background_task(pool) && !pool->stopping) {
      pthread_cond_wait(&pool->work, &pool->lock);
    }
    if (pool->queued == 0) {
      if (!has_background_task(pool)) break;  // stopping, and everything queued has been taken
      run_background_task(pool);
      continue;
    }
    const struct task task = take_task(pool);
    pthread_mutex_unlock(&pool->lock);
    task.run(task.argument);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

// Signals belong to the thread that handles them, which is never a worker: workers inherit a full mask.
static int start_threads(struct base_pool *pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  while (error == 0 && pool->started < pool->thread_count) {
    error = pthread_create(&pool->threads[pool->started], NULL, work, pool);
    if (error == 0) pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

struct base_pool *base_pool_create(const struct base_pool_config *config, struct base_fault *fault) {
  BASE_ASSERT(config->threads >= 1 && config->queue_limit >= 1);
  size_t room;
  struct base_pool *pool = calloc(1, sizeof *pool);
  if (!pool || !base_add_size(config->queue_limit, config->threads, &room)) goto no_memory;
  pool->ring = calloc(room, sizeof *pool->ring);
  pool->threads = calloc(config->threads, sizeof *pool->threads);
  if (!pool->ring || !pool->threads) goto no_memory;
  pool->room = room;
  pool->thread_count = config->threads;
  snprintf(pool->name, sizeof pool->name, "%s", config->name ? config->name : "pool");
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);

  const int error = start_threads(pool);
  if (error != 0) {
    char reason[128];
    (void)BASE_FAIL(fault, BASE_IO, pool->name, "cannot start %u threads: %s", config->threads,
                    strerror_r(error, reason, sizeof reason));
    base_pool_destroy(&pool);
  }
  return pool;

no_memory:
  if (pool) {
    free(pool->ring);
    free(pool->threads);
  }
  free(pool);
  (void)BASE_FAIL(fault, BASE_NO_MEMORY, "pool", "no memory for %zu tasks", config->queue_limit);
  return NULL;
}

void base_pool_destroy(struct base_pool **pool_pointer) {
  struct base_pool *pool = *pool_pointer;
  if (!pool) return;
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->lock);
  for (unsigned i = 0; i < pool->started; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->lock);
  free(pool->threads);
  free(pool->ring);
  free(pool);
  *pool_pointer = NULL;
}

// False when as many tasks as `most` are queued and running already.
static bool add_task(struct base_pool *pool, struct task task, size_t most) {
  pthread_mutex_lock(&pool->lock);
  const bool has_room = pool->queued + pool->running < most;
  if (has_room) {
    pool->ring[(pool->first + pool->queued) % pool->room] = task;
    pool->queued++;
    pthread_cond_signal(&pool->work);
  }
  pthread_mutex_unlock(&pool->lock);
  return has_room;
}

enum base_result base_pool_submit(struct base_pool *pool, void (*run)(void *argument), void *argument) {
  // A task that an idle worker is about to take does not wait, so it does not count against the queue.
  return add_task(pool, (struct task){.run = run, .argument = argument}, pool->room) ? BASE_OK : BASE_BUSY;
}

bool base_pool_offer(struct base_pool *pool, void (*run)(void *argument), void *argument) {
  return add_task(pool, (struct task){.run = run, .argument = argument}, pool->thread_count);
}

bool base_pool_submit_background(struct base_pool *pool, void (*run)(void *argument), void *argument) {
  pthread_mutex_lock(&pool->lock);
  const bool has_room = pool->background_queued < BASE_POOL_MAX_BACKGROUND;
  if (has_room) {
    const size_t place = (pool->background_first + pool->background_queued++) % BASE_POOL_MAX_BACKGROUND;
    pool->background[place] = (struct task){.run = run, .argument = argument};
    pthread_cond_signal(&pool->work);
  }
  pthread_mutex_unlock(&pool->lock);
  return has_room;
}

size_t base_pool_waiting(struct base_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  const size_t taken = pool->queued + pool->running;
  const size_t waiting = taken > pool->thread_count ? taken - pool->thread_count : 0;
  pthread_mutex_unlock(&pool->lock);
  return waiting;
}
