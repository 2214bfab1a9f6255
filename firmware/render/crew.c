#include "crew.h"

#include <pthread.h>
#include <stdlib.h>

struct crew {
  struct base_pool *pool;
  void (*work)(void *self, size_t i);
  void *self;  // not looked at any more once everything is finished
  size_t count;
  pthread_mutex_t lock;  // guards what follows
  pthread_cond_t done;   // everything is finished
  size_t next, finished;
  size_t holds;  // a helper may come when the caller has gone
};

static void drop(struct crew *crew) {
  pthread_mutex_lock(&crew->lock);
  const bool is_last = --crew->holds == 0;
  pthread_mutex_unlock(&crew->lock);
  if (!is_last) return;
  pthread_cond_destroy(&crew->done);
  pthread_mutex_destroy(&crew->lock);
  free(crew);
}

static void work_along(struct crew *crew);

static void help(void *argument) {
  work_along(argument);
  drop(argument);
}

// Asked at every piece: a thread may have become idle since.
static void call_for_help(struct crew *crew) {
  if (!crew->pool) return;
  pthread_mutex_lock(&crew->lock);
  crew->holds++;
  pthread_mutex_unlock(&crew->lock);
  if (!base_pool_offer(crew->pool, help, crew)) drop(crew);
}

static void work_along(struct crew *crew) {
  pthread_mutex_lock(&crew->lock);
  while (crew->next < crew->count) {
    const size_t i = crew->next++;
    const bool has_more = crew->next < crew->count;
    pthread_mutex_unlock(&crew->lock);
    if (has_more) call_for_help(crew);
    crew->work(crew->self, i);
    pthread_mutex_lock(&crew->lock);
    if (++crew->finished == crew->count) pthread_cond_signal(&crew->done);
  }
  pthread_mutex_unlock(&crew->lock);
}

bool render_crew_run(struct base_pool *pool, size_t count, void (*work)(void *self, size_t i), void *self) {
  struct crew *crew = malloc(sizeof *crew);
  if (!crew) return false;
  *crew = (struct crew){.pool = pool, .work = work, .self = self, .count = count, .holds = 1};
  BASE_ASSERT(pthread_mutex_init(&crew->lock, NULL) == 0);
  BASE_ASSERT(pthread_cond_init(&crew->done, NULL) == 0);
  work_along(crew);
  pthread_mutex_lock(&crew->lock);
  while (crew->finished < crew->count) pthread_cond_wait(&crew->done, &crew->lock);
  pthread_mutex_unlock(&crew->lock);
  drop(crew);
  return true;
}
