// Many threads at once: the same original from several tenants, deletions against puts and commits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "fixture.h"

enum { THREADS = 4, BYTES = 4000, STEPS = 90, RACE_ORIGINALS = 3, RACE_VARIANTS = 24 };

struct worker {
  struct store *store;
  unsigned number;
  unsigned seed;
  atomic_int *news;
  pthread_t thread;
};

static void run_all(struct fixture *fixture, void *(*work)(void *argument), atomic_int *news) {
  struct worker workers[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.store = fixture->store, .number = i, .seed = i + 1, .news = news};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void *upload_same(void *argument) {
  struct worker *worker = argument;
  for (unsigned seed = 0; seed < 10; seed++) {
    struct store_original original;
    bool is_new;
    const char *tenant = worker->number % 2 ? "a" : "b";
    if (fixture_upload(worker->store, tenant, seed, BYTES, &original, &is_new) != BASE_OK) abort();
    if (is_new) atomic_fetch_add(worker->news, 1);
  }
  return NULL;
}

static void is_new_once_a_tenant_when_uploaded_at_the_same_time(void **state) {
  struct fixture *fixture = *state;
  atomic_int news = 0;
  run_all(fixture, upload_same, &news);
  assert_int_equal(news, 20);
  assert_int_equal(fixture_count_files(fixture, "originals"), 40);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  for (unsigned seed = 0; seed < 10; seed++) assert_true(fixture_bytes_match(fixture->store, seed, BYTES));
}

static bool stop_early(void *argument, const struct store_variant *variant) {
  (void)variant;
  return ++*(int *)argument < 5;
}

static void race_step(struct worker *worker) {
  const unsigned seed = (unsigned)rand_r(&worker->seed) % RACE_ORIGINALS;
  const unsigned number = (unsigned)rand_r(&worker->seed) % RACE_VARIANTS;
  const int dice = rand_r(&worker->seed) % 100;
  struct store_original original = {.tenant = "default", .id = fixture_id(seed, BYTES)};
  bool is_new;
  enum base_result result = BASE_OK;
  if (dice < 15) {
    result = fixture_upload(worker->store, "default", seed, BYTES, &original, &is_new);
    if (result != BASE_OK) abort();
  } else if (dice < 25) {
    result = store_original_delete(worker->store, "default", &original.id, NULL);
  } else if (dice < 35) {
    result = fixture_put_level(worker->store, &original.id, 2u << (number % 3), BYTES / 4);
  } else if (dice < 45) {
    result = fixture_get_level(worker->store, &original.id, 2u << (number % 3), BYTES / 4);
  } else if (dice < 70) {
    // The number says which original it is of, so that a variant never changes hands.
    original.id = fixture_id(number % RACE_ORIGINALS, BYTES);
    result = fixture_put_variant(worker->store, &original, number, BYTES);
  } else if (dice < 95) {
    result = fixture_get_variant(worker->store, number, BYTES);
  } else {
    int visited = 0;
    result = store_variant_list(worker->store, "default", &original.id, stop_early, &visited, NULL);
    if (result != BASE_OK) abort();
  }
  if (result != BASE_OK && result != BASE_NOT_FOUND) abort();
}

static void *race(void *argument) {
  for (int step = 0; step < STEPS; step++) race_step(argument);
  return NULL;
}

static void leaves_nothing_behind_when_deletions_race_with_puts(void **state) {
  struct fixture *fixture = *state;
  fixture_close(fixture);
  fixture->config.variant_budget_bytes = RACE_VARIANTS / 2 * BYTES;  // evictions join the race
  fixture_open(fixture);
  run_all(fixture, race, NULL);
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "variants"), stats.variants + stats.levels);
  assert_int_equal(fixture_count_files(fixture, "originals"), 3 * stats.originals);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);

  for (unsigned seed = 0; seed < RACE_ORIGINALS; seed++) {
    const struct integrity_digest id = fixture_id(seed, BYTES);
    const enum base_result result = store_original_delete(fixture->store, "default", &id, NULL);
    assert_true(result == BASE_OK || result == BASE_NOT_FOUND);
  }
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  fixture_close(fixture);
  fixture_make_unclean(fixture);
  fixture_open(fixture);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 0);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_orphans_total", ""), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(is_new_once_a_tenant_when_uploaded_at_the_same_time, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(leaves_nothing_behind_when_deletions_race_with_puts, fixture_setup,
                                      fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
