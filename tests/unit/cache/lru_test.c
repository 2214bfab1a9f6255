// The cache against a naive list, its holds, its budget, and many threads at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cache/lru.h"

enum { MODEL_KEYS = 200, MODEL_STEPS = 200000, MODEL_BUDGET = 1000, THREADS = 4, THREAD_STEPS = 20000 };

// A value with its holds: one of the cache, one of every getter.
struct value {
  atomic_int refs;
  atomic_int *alive;
  uint64_t number;
};

static struct value *value_new(atomic_int *alive, uint64_t number) {
  struct value *value = malloc(sizeof *value);
  assert_non_null(value);
  atomic_init(&value->refs, 1);
  value->alive = alive;
  value->number = number;
  atomic_fetch_add(alive, 1);
  return value;
}

static void value_drop(struct value *value) {
  if (atomic_fetch_sub(&value->refs, 1) > 1) return;
  atomic_fetch_sub(value->alive, 1);
  free(value);
}

struct watcher {
  struct cache_lru *cache;
  atomic_int released, evicted;
};

static void *acquire(void *self, void *value) {
  (void)self;
  atomic_fetch_add(&((struct value *)value)->refs, 1);
  return value;
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  struct watcher *watcher = self;
  (void)bytes;
  // Would deadlock if the lock were held here.
  if (watcher->cache) (void)cache_lru_contains(watcher->cache, key);
  atomic_fetch_add(&watcher->released, 1);
  if (is_evicted) atomic_fetch_add(&watcher->evicted, 1);
  value_drop(value);
}

static struct cache_lru *make_weighing(struct watcher *watcher, uint64_t budget_bytes, bool weighs_heat) {
  const struct cache_config config = {.budget_bytes = budget_bytes,
                                      .weighs_heat = weighs_heat,
                                      .release = release,
                                      .acquire = acquire,
                                      .self = watcher};
  struct base_fault fault = {0};
  watcher->cache = cache_lru_create(&config, &fault);
  assert_non_null(watcher->cache);
  return watcher->cache;
}

static struct cache_lru *make(struct watcher *watcher, uint64_t budget_bytes) {
  return make_weighing(watcher, budget_bytes, false);
}

static void destroy(struct watcher *watcher) {
  struct cache_lru *cache = watcher->cache;
  watcher->cache = NULL;  // nobody may call a cache that is going away
  cache_lru_destroy(&cache);
  assert_null(cache);
}

// Keys share their first bytes in groups of eight, so that chains are met.
static struct cache_key key_of(uint32_t number) {
  struct cache_key key = {{0}};
  const uint32_t hash = number / 8;
  memcpy(key.bytes, &hash, sizeof hash);
  memcpy(key.bytes + 16, &number, sizeof number);
  return key;
}

static void put(struct cache_lru *cache, atomic_int *alive, uint32_t number, uint64_t bytes) {
  const struct cache_key key = key_of(number);
  assert_int_equal(cache_lru_put(cache, &key, value_new(alive, number), bytes), BASE_OK);
}

static bool has(struct cache_lru *cache, uint32_t number) {
  const struct cache_key key = key_of(number);
  return cache_lru_contains(cache, &key);
}

static void touch(struct cache_lru *cache, uint32_t number) {
  const struct cache_key key = key_of(number);
  struct value *value = cache_lru_get(cache, &key);
  assert_non_null(value);
  assert_int_equal(value->number, number);
  value_drop(value);
}

// The model: an array in order, hottest first.
struct model {
  struct model_item {
    uint32_t number;
    uint64_t bytes;
    struct value *value;
    unsigned heat;
  } list[MODEL_KEYS];
  bool weighs_heat;
  size_t count;
  uint64_t bytes, evictions;
};

static size_t model_find(const struct model *model, uint32_t number) {
  size_t at = 0;
  while (at < model->count && model->list[at].number != number) at++;
  return at;
}

static void model_remove(struct model *model, size_t at) {
  model->bytes -= model->list[at].bytes;
  model->count--;
  memmove(&model->list[at], &model->list[at + 1], (model->count - at) * sizeof model->list[0]);
}

static void model_move_first(struct model *model, size_t at) {
  const struct model_item item = model->list[at];
  memmove(&model->list[1], &model->list[0], at * sizeof model->list[0]);
  model->list[0] = item;
}

static void model_evict(struct model *model) {
  size_t at = model->count - 1;
  for (int chances = 64; chances > 0 && model->list[at].heat > 0; chances--) {
    model->list[at].heat /= 2;
    model_move_first(model, at);
  }
  model_remove(model, at);
  model->evictions++;
}

static void model_put(struct model *model, uint32_t number, uint64_t bytes, struct value *value, uint64_t budget) {
  const size_t at = model_find(model, number);
  if (at < model->count) model_remove(model, at);
  while (model->bytes + bytes > budget) {
    model_evict(model);
  }
  memmove(&model->list[1], &model->list[0], model->count * sizeof model->list[0]);
  model->list[0].number = number;
  model->list[0].bytes = bytes;
  model->list[0].value = value;
  model->list[0].heat = 0;
  model->count++;
  model->bytes += bytes;
}

static void model_touch(struct model *model, size_t at) {
  if (model->weighs_heat && model->list[at].heat < 15) model->list[at].heat++;
  model_move_first(model, at);
}

struct model_run {
  struct cache_lru *cache;
  struct model model;
  atomic_int alive;
  uint64_t hits, misses;
};

static void model_step(struct model_run *run) {
  const uint32_t number = (uint32_t)rand() % MODEL_KEYS;
  const struct cache_key key = key_of(number);
  const size_t at = model_find(&run->model, number);
  const bool is_known = at < run->model.count;
  const int dice = rand() % 100;
  if (dice < 45) {
    const uint64_t bytes = (uint64_t)(rand() % 60);
    struct value *value = value_new(&run->alive, number);
    model_put(&run->model, number, bytes, value, MODEL_BUDGET);
    assert_int_equal(cache_lru_put(run->cache, &key, value, bytes), BASE_OK);
  } else if (dice < 90) {
    struct value *value = cache_lru_get(run->cache, &key);
    assert_ptr_equal(value, is_known ? run->model.list[at].value : NULL);
    if (is_known) model_touch(&run->model, at);
    if (value) value_drop(value);
    *(is_known ? &run->hits : &run->misses) += 1;
  } else if (dice < 95) {
    assert_int_equal(cache_lru_remove(run->cache, &key), is_known);
    if (is_known) model_remove(&run->model, at);
  } else {
    assert_int_equal(cache_lru_contains(run->cache, &key), is_known);
  }
}

static void drive_at_random(bool weighs_heat) {
  srand(20240607);
  struct watcher watcher = {0};
  static struct model_run run;
  memset(&run, 0, sizeof run);
  run.model.weighs_heat = weighs_heat;
  run.cache = make_weighing(&watcher, MODEL_BUDGET, weighs_heat);
  struct cache_stats stats;
  for (int step = 0; step < MODEL_STEPS; step++) {
    model_step(&run);
    cache_lru_get_stats(run.cache, &stats);
    assert_int_equal(stats.entries, run.model.count);
    assert_int_equal(stats.bytes, run.model.bytes);
    assert_int_equal(stats.evictions, run.model.evictions);
    assert_int_equal(atomic_load(&run.alive), run.model.count);
  }
  assert_int_equal(stats.hits, run.hits);
  assert_int_equal(stats.misses, run.misses);
  assert_true(run.model.evictions > 1000);
  for (uint32_t number = 0; number < MODEL_KEYS; number++) {
    assert_int_equal(has(run.cache, number), model_find(&run.model, number) < run.model.count);
  }
  destroy(&watcher);
  assert_int_equal(atomic_load(&run.alive), 0);
}

static void behaves_like_a_naive_list_when_driven_at_random(void **state) {
  (void)state;
  drive_at_random(false);
}

static void behaves_like_a_naive_list_when_heat_counts(void **state) {
  (void)state;
  drive_at_random(true);
}

static void keeps_what_was_used_often_when_heat_counts(void **state) {
  (void)state;
  for (int weighs_heat = 0; weighs_heat < 2; weighs_heat++) {
    struct watcher watcher = {0};
    atomic_int alive = 0;
    struct cache_lru *cache = make_weighing(&watcher, 10, weighs_heat);
    put(cache, &alive, 0, 1);
    for (int i = 0; i < 5; i++) touch(cache, 0);
    // A scan of what nobody asks for again goes three times through the whole cache; heat 5 lasts 3 rounds.
    for (uint32_t number = 1; number <= 32; number++) put(cache, &alive, number, 1);
    assert_int_equal(has(cache, 0), weighs_heat);
    for (uint32_t number = 33; number <= 60; number++) put(cache, &alive, number, 1);
    assert_false(has(cache, 0));  // heat is spent, not kept for ever
    destroy(&watcher);
    assert_int_equal(alive, 0);
  }
}

static void evicts_within_a_bound_when_everything_is_hot(void **state) {
  (void)state;
  enum { COUNT = 1000, CHANCES = 64 };
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make_weighing(&watcher, COUNT, true);
  for (uint32_t number = 0; number < COUNT; number++) put(cache, &alive, number, 1);
  for (uint32_t number = 0; number < COUNT; number++) {
    for (int i = 0; i < 20; i++) touch(cache, number);
  }
  put(cache, &alive, COUNT, 1);
  // The first 64 were sent round, then the next went although it had heat.
  for (uint32_t number = 0; number <= COUNT; number++) assert_int_equal(has(cache, number), number != CHANCES);
  destroy(&watcher);
  assert_int_equal(alive, 0);
}

static void finds_every_key_when_the_index_has_grown_and_emptied(void **state) {
  (void)state;
  enum { COUNT = 20000 };
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, UINT64_MAX);
  for (int round = 0; round < 2; round++) {
    for (uint32_t number = 0; number < COUNT; number++) {
      put(cache, &alive, number, 1);
      if (number % 997 == 0) {
        for (uint32_t other = 0; other <= number; other += 61) assert_true(has(cache, other));
      }
      assert_false(has(cache, number + 1));
    }
    for (uint32_t number = 0; number < COUNT; number++) {
      const struct cache_key key = key_of(number);
      assert_true(cache_lru_remove(cache, &key));
      assert_false(cache_lru_remove(cache, &key));
    }
    assert_int_equal(alive, 0);
  }
  destroy(&watcher);
}

static void evicts_the_least_recently_used_when_the_budget_is_full(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, 30);
  put(cache, &alive, 1, 10);
  put(cache, &alive, 2, 10);
  put(cache, &alive, 3, 10);
  touch(cache, 1);
  assert_true(has(cache, 2));  // looking is not using
  put(cache, &alive, 4, 10);
  assert_true(has(cache, 1) && has(cache, 3) && has(cache, 4));
  assert_false(has(cache, 2));
  assert_int_equal(watcher.evicted, 1);
  put(cache, &alive, 5, 30);
  assert_true(has(cache, 5));
  assert_int_equal(watcher.evicted, 4);
  assert_int_equal(alive, 1);
  destroy(&watcher);
}

static void refuses_when_one_value_exceeds_the_budget(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, 10);
  put(cache, &alive, 1, 10);
  struct value *value = value_new(&alive, 1);
  const struct cache_key key = key_of(1);
  assert_int_equal(cache_lru_put(cache, &key, value, 11), BASE_TOO_LARGE);
  assert_int_equal(atomic_load(&value->refs), 1);
  assert_true(has(cache, 1));
  assert_int_equal(watcher.released, 0);
  value_drop(value);
  destroy(&watcher);
  assert_int_equal(alive, 0);
}

static void keeps_a_value_alive_when_it_is_evicted_while_held(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, 10);
  put(cache, &alive, 1, 10);
  const struct cache_key key = key_of(1);
  struct value *held = cache_lru_get(cache, &key);
  put(cache, &alive, 2, 10);
  assert_false(has(cache, 1));
  assert_int_equal(alive, 2);
  assert_int_equal(held->number, 1);
  value_drop(held);
  assert_int_equal(alive, 1);
  destroy(&watcher);
}

static void evicts_at_once_when_the_budget_shrinks(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, 1000);
  for (uint32_t number = 0; number < 100; number++) put(cache, &alive, number, 10);
  cache_lru_set_budget(cache, 55);
  struct cache_stats stats;
  cache_lru_get_stats(cache, &stats);
  assert_int_equal(stats.entries, 5);
  assert_int_equal(stats.bytes, 50);
  assert_int_equal(stats.evicted_bytes, 950);
  for (uint32_t number = 0; number < 100; number++) assert_int_equal(has(cache, number), number >= 95);
  cache_lru_set_budget(cache, 0);
  assert_int_equal(alive, 0);
  destroy(&watcher);
}

static bool is_odd(void *argument, const struct cache_key *key, const void *value) {
  (void)argument;
  (void)key;
  return ((const struct value *)value)->number % 2 == 1;
}

static void removes_only_what_matches_when_asked(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, 1000);
  for (uint32_t number = 0; number < 101; number++) put(cache, &alive, number, 1);
  assert_int_equal(cache_lru_remove_if(cache, is_odd, NULL), 50);
  assert_int_equal(alive, 51);
  assert_int_equal(watcher.evicted, 0);
  for (uint32_t number = 0; number < 101; number++) assert_int_equal(has(cache, number), number % 2 == 0);
  destroy(&watcher);
}

struct worker {
  struct cache_lru *cache;
  atomic_int *alive;
  unsigned seed;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  for (int step = 0; step < THREAD_STEPS; step++) {
    const uint32_t number = (uint32_t)rand_r(&worker->seed) % MODEL_KEYS;
    const struct cache_key key = key_of(number);
    const int dice = rand_r(&worker->seed) % 100;
    if (dice < 40) {
      if (cache_lru_put(worker->cache, &key, value_new(worker->alive, number), (uint64_t)dice) != BASE_OK) abort();
    } else if (dice < 95) {
      struct value *value = cache_lru_get(worker->cache, &key);
      if (value && value->number != number) abort();
      if (value) value_drop(value);
    } else if (dice < 98) {
      (void)cache_lru_remove(worker->cache, &key);
    } else {
      cache_lru_set_budget(worker->cache, (uint64_t)(500 + dice));
    }
  }
  return NULL;
}

static void balances_its_holds_when_many_threads_use_it(void **state) {
  (void)state;
  struct watcher watcher = {0};
  atomic_int alive = 0;
  struct cache_lru *cache = make(&watcher, MODEL_BUDGET);
  pthread_t threads[THREADS];
  struct worker workers[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.cache = cache, .alive = &alive, .seed = i + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  struct cache_stats stats;
  cache_lru_get_stats(cache, &stats);
  assert_int_equal(stats.entries, alive);
  assert_true(stats.bytes <= MODEL_BUDGET);
  destroy(&watcher);
  assert_int_equal(alive, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(behaves_like_a_naive_list_when_driven_at_random),
      cmocka_unit_test(behaves_like_a_naive_list_when_heat_counts),
      cmocka_unit_test(keeps_what_was_used_often_when_heat_counts),
      cmocka_unit_test(evicts_within_a_bound_when_everything_is_hot),
      cmocka_unit_test(finds_every_key_when_the_index_has_grown_and_emptied),
      cmocka_unit_test(evicts_the_least_recently_used_when_the_budget_is_full),
      cmocka_unit_test(refuses_when_one_value_exceeds_the_budget),
      cmocka_unit_test(keeps_a_value_alive_when_it_is_evicted_while_held),
      cmocka_unit_test(evicts_at_once_when_the_budget_shrinks),
      cmocka_unit_test(removes_only_what_matches_when_asked),
      cmocka_unit_test(balances_its_holds_when_many_threads_use_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
