// Work shared between a thread and whoever in the pool has nothing to do.
#include "crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { PIECES = 40 };

struct job {
  struct base_pool *pool;
  atomic_int calls[PIECES];
  atomic_int at_once, most_at_once, next, out_of_order;
  pthread_barrier_t *barrier;
  sem_t *done;
};

static struct base_pool *create(unsigned threads, size_t queue_limit) {
  const struct base_pool_config config = {.name = "test", .threads = threads, .queue_limit = queue_limit};
  struct base_pool *pool = base_pool_create(&config, NULL);
  assert_non_null(pool);
  return pool;
}

static void note(struct job *job, size_t i) {
  const int now = atomic_fetch_add(&job->at_once, 1) + 1;
  int most = atomic_load(&job->most_at_once);
  while (now > most && !atomic_compare_exchange_weak(&job->most_at_once, &most, now)) continue;
  atomic_fetch_add(&job->calls[i], 1);
}

static void work(void *self, size_t i) {
  struct job *job = self;
  note(job, i);
  // Two must be here at the same time for either to go on.
  if (job->barrier && i < 2) pthread_barrier_wait(job->barrier);
  atomic_fetch_sub(&job->at_once, 1);
}

static void run_in_pool(void *argument) {
  struct job *job = argument;
  if (!render_crew_run(job->pool, PIECES, work, job)) return;
  sem_post(job->done);
}

static void idle_threads_help_when_there_are_some(void **state) {
  (void)state;
  struct base_pool *pool = create(2, 1);
  pthread_barrier_t barrier;
  sem_t done;
  sem_init(&done, 0, 0);
  pthread_barrier_init(&barrier, NULL, 2);
  struct job job = {.pool = pool, .barrier = &barrier, .done = &done};
  assert_int_equal(base_pool_submit(pool, run_in_pool, &job), BASE_OK);
  sem_wait(&done);
  for (int i = 0; i < PIECES; i++) assert_int_equal(job.calls[i], 1);
  assert_int_equal(job.most_at_once, 2);
  base_pool_destroy(&pool);
  pthread_barrier_destroy(&barrier);
}

static void ends_alone_when_every_thread_is_busy(void **state) {
  (void)state;
  struct base_pool *pool = create(1, 4);
  sem_t done;
  sem_init(&done, 0, 0);
  struct job jobs[3] = {{.pool = pool, .done = &done}, {.pool = pool, .done = &done}, {.pool = pool, .done = &done}};
  for (int i = 0; i < 3; i++) assert_int_equal(base_pool_submit(pool, run_in_pool, &jobs[i]), BASE_OK);
  for (int i = 0; i < 3; i++) sem_wait(&done);
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < PIECES; j++) assert_int_equal(jobs[i].calls[j], 1);
    assert_int_equal(jobs[i].most_at_once, 1);
  }
  base_pool_destroy(&pool);
}

static void nothing_is_done_twice_when_many_crews_share_a_pool(void **state) {
  (void)state;
  enum { CREWS = 200, THREADS = 4 };
  static struct job jobs[CREWS];
  struct base_pool *pool = create(THREADS, CREWS);
  sem_t done;
  sem_init(&done, 0, 0);
  for (int i = 0; i < CREWS; i++) {
    jobs[i].pool = pool;
    jobs[i].done = &done;
    assert_int_equal(base_pool_submit(pool, run_in_pool, &jobs[i]), BASE_OK);
  }
  for (int i = 0; i < CREWS; i++) sem_wait(&done);
  base_pool_destroy(&pool);  // with helpers that found nothing to do any more
  for (int i = 0; i < CREWS; i++) {
    for (int j = 0; j < PIECES; j++) assert_int_equal(jobs[i].calls[j], 1);
  }
}

static void nothing_happens_when_there_is_nothing_to_do(void **state) {
  (void)state;
  struct base_pool *pool = create(1, 1);
  struct job job = {.pool = pool};
  assert_true(render_crew_run(pool, 0, work, &job));
  base_pool_destroy(&pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(idle_threads_help_when_there_are_some),
      cmocka_unit_test(ends_alone_when_every_thread_is_busy),
      cmocka_unit_test(nothing_is_done_twice_when_many_crews_share_a_pool),
      cmocka_unit_test(nothing_happens_when_there_is_nothing_to_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
