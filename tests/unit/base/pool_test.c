#include "base/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static sem_t started;
static sem_t gate;
static atomic_int finished;

static int reset(void **state) {
  (void)state;
  sem_init(&started, 0, 0);
  sem_init(&gate, 0, 0);
  atomic_store(&finished, 0);
  return 0;
}

static void wait_at_gate(void *argument) {
  (void)argument;
  sem_post(&started);
  sem_wait(&gate);
  atomic_fetch_add(&finished, 1);
}

static void count(void *argument) {
  (void)argument;
  atomic_fetch_add(&finished, 1);
}

static struct base_pool *create(unsigned threads, size_t queue_limit) {
  const struct base_pool_config config = {.name = "test", .threads = threads, .queue_limit = queue_limit};
  struct base_pool *pool = base_pool_create(&config, NULL);
  assert_non_null(pool);
  return pool;
}

static void submit_says_busy_when_the_queue_is_full(void **state) {
  (void)state;
  struct base_pool *pool = create(2, 3);
  for (int i = 0; i < 2; i++) assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  assert_int_equal(base_pool_waiting(pool), 0);
  for (int i = 0; i < 2; i++) sem_wait(&started);
  for (int i = 0; i < 3; i++) assert_int_equal(base_pool_submit(pool, count, NULL), BASE_OK);
  assert_int_equal(base_pool_waiting(pool), 3);
  assert_int_equal(base_pool_submit(pool, count, NULL), BASE_BUSY);
  assert_int_equal(base_pool_waiting(pool), 3);
  for (int i = 0; i < 2; i++) sem_post(&gate);
  base_pool_destroy(&pool);
  assert_null(pool);
  assert_int_equal(atomic_load(&finished), 5);  // the refused one never ran
}

static void submit_works_again_when_the_queue_has_drained(void **state) {
  (void)state;
  struct base_pool *pool = create(1, 1);
  assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  sem_wait(&started);
  assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  assert_int_equal(base_pool_submit(pool, count, NULL), BASE_BUSY);
  sem_post(&gate);
  sem_wait(&started);  // the second one left the queue
  assert_int_equal(base_pool_submit(pool, count, NULL), BASE_OK);
  sem_post(&gate);
  base_pool_destroy(&pool);
  assert_int_equal(atomic_load(&finished), 3);
}

static void all_tasks_run_when_destroyed_at_once(void **state) {
  (void)state;
  enum { TASKS = 500 };
  struct base_pool *pool = create(3, TASKS);
  for (int i = 0; i < TASKS; i++) assert_int_equal(base_pool_submit(pool, count, NULL), BASE_OK);
  base_pool_destroy(&pool);
  assert_int_equal(atomic_load(&finished), TASKS);
  base_pool_destroy(&pool);
}

struct order {
  int next;
  bool is_in_order;
};

struct step {
  struct order *order;
  int index;
};

static void check_order(void *argument) {
  const struct step *step = argument;
  if (step->order->next++ != step->index) step->order->is_in_order = false;
}

static void tasks_run_in_order_when_there_is_one_thread(void **state) {
  (void)state;
  enum { TASKS = 64 };
  struct order order = {.is_in_order = true};
  struct step steps[TASKS];
  struct base_pool *pool = create(1, TASKS);
  for (int i = 0; i < TASKS; i++) {
    steps[i] = (struct step){&order, i};
    assert_int_equal(base_pool_submit(pool, check_order, &steps[i]), BASE_OK);
  }
  base_pool_destroy(&pool);
  assert_int_equal(order.next, TASKS);
  assert_true(order.is_in_order);
}

enum { SUBMITTERS = 4, ROUNDS = 3000 };

static void *submit_many(void *argument) {
  intptr_t accepted = 0;
  for (int i = 0; i < ROUNDS; i++) {
    if (base_pool_submit(argument, count, NULL) == BASE_OK) accepted++;
  }
  return (void *)accepted;
}

static void exactly_the_accepted_run_when_many_submit(void **state) {
  (void)state;
  struct base_pool *pool = create(2, 8);
  pthread_t threads[SUBMITTERS];
  intptr_t accepted = 0;
  for (int i = 0; i < SUBMITTERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, submit_many, pool), 0);
  for (int i = 0; i < SUBMITTERS; i++) {
    void *count_of_one;
    pthread_join(threads[i], &count_of_one);
    accepted += (intptr_t)count_of_one;
  }
  base_pool_destroy(&pool);
  assert_true(accepted > 0);
  assert_int_equal(atomic_load(&finished), accepted);
}

static atomic_bool blocks_sigterm;
static char thread_name[16];

static void look_around(void *argument) {
  (void)argument;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  atomic_store(&blocks_sigterm, sigismember(&mask, SIGTERM) == 1);
  pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
}

static void workers_have_a_name_and_leave_signals_alone(void **state) {
  (void)state;
  const struct base_pool_config config = {.name = "a-name-that-is-too-long", .threads = 1, .queue_limit = 1};
  struct base_pool *pool = base_pool_create(&config, NULL);
  assert_int_equal(base_pool_submit(pool, look_around, NULL), BASE_OK);
  base_pool_destroy(&pool);
  assert_true(atomic_load(&blocks_sigterm));
  assert_string_equal(thread_name, "a-name-that-is-");
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void an_offer_is_taken_only_when_a_thread_has_nothing_to_do(void **state) {
  (void)state;
  struct base_pool *pool = create(2, 2);
  assert_true(base_pool_offer(pool, wait_at_gate, NULL));
  sem_wait(&started);
  assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  assert_false(base_pool_offer(pool, count, NULL));  // the last free thread is spoken for
  sem_wait(&started);
  assert_false(base_pool_offer(pool, count, NULL));
  // The queue has all its places, whether threads do offered work or ordered work.
  for (int i = 0; i < 2; i++) assert_int_equal(base_pool_submit(pool, count, NULL), BASE_OK);
  assert_int_equal(base_pool_submit(pool, count, NULL), BASE_BUSY);
  assert_false(base_pool_offer(pool, count, NULL));
  for (int i = 0; i < 2; i++) sem_post(&gate);
  base_pool_destroy(&pool);
  assert_int_equal(atomic_load(&finished), 4);
}

static void pool_is_refused_when_the_queue_is_absurd(void **state) {
  (void)state;
  const struct base_pool_config config = {.name = "test", .threads = 1, .queue_limit = SIZE_MAX};
  struct base_fault fault = {0};
  assert_null(base_pool_create(&config, &fault));
  assert_int_equal(fault.result, BASE_NO_MEMORY);
}

#define POOL_TEST(test) cmocka_unit_test_setup(test, reset)

static char order_of_work[16];
static atomic_int written;

static void write_letter(void *argument) {
  order_of_work[atomic_fetch_add(&written, 1)] = *(const char *)argument;
  atomic_fetch_add(&finished, 1);
}

static void background_waits_until_nothing_else_does(void **state) {
  (void)state;
  static const char foreground[] = "f", background[] = "b";
  struct base_pool *pool = create(1, 8);
  atomic_store(&written, 0);
  memset(order_of_work, 0, sizeof order_of_work);
  assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  sem_wait(&started);
  for (int i = 0; i < 3; i++) {
    assert_true(base_pool_submit_background(pool, write_letter, (void *)(uintptr_t)background));
    assert_int_equal(base_pool_submit(pool, write_letter, (void *)(uintptr_t)foreground), BASE_OK);
  }
  assert_int_equal(base_pool_waiting(pool), 3);
  sem_post(&gate);
  base_pool_destroy(&pool);
  assert_string_equal(order_of_work, "fffbbb");
}

static void background_takes_one_thread_at_a_time(void **state) {
  (void)state;
  struct base_pool *pool = create(3, 8);
  for (int i = 0; i < 2; i++) assert_true(base_pool_submit_background(pool, wait_at_gate, NULL));
  sem_wait(&started);
  // Two threads are left, and they take what is not background.
  for (int i = 0; i < 2; i++) assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  for (int i = 0; i < 2; i++) sem_wait(&started);
  int waiting;
  sem_getvalue(&started, &waiting);
  assert_int_equal(waiting, 0);  // the second one of the background has not begun
  for (int i = 0; i < 4; i++) sem_post(&gate);
  base_pool_destroy(&pool);
  assert_int_equal(atomic_load(&finished), 4);
}

static void background_is_bounded(void **state) {
  (void)state;
  struct base_pool *pool = create(1, 1);
  assert_int_equal(base_pool_submit(pool, wait_at_gate, NULL), BASE_OK);
  sem_wait(&started);
  for (int i = 0; i < BASE_POOL_MAX_BACKGROUND; i++) assert_true(base_pool_submit_background(pool, count, NULL));
  assert_false(base_pool_submit_background(pool, count, NULL));
  sem_post(&gate);
  base_pool_destroy(&pool);
  assert_int_equal(atomic_load(&finished), BASE_POOL_MAX_BACKGROUND + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      POOL_TEST(submit_says_busy_when_the_queue_is_full),
      POOL_TEST(submit_works_again_when_the_queue_has_drained),
      POOL_TEST(all_tasks_run_when_destroyed_at_once),
      POOL_TEST(tasks_run_in_order_when_there_is_one_thread),
      POOL_TEST(exactly_the_accepted_run_when_many_submit),
      POOL_TEST(workers_have_a_name_and_leave_signals_alone),
      POOL_TEST(an_offer_is_taken_only_when_a_thread_has_nothing_to_do),
      POOL_TEST(pool_is_refused_when_the_queue_is_absurd),
      POOL_TEST(background_waits_until_nothing_else_does),
      POOL_TEST(background_takes_one_thread_at_a_time),
      POOL_TEST(background_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
