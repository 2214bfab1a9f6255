// SIEVE and S3-FIFO against naive simulations of their papers, in bytes; and what each is good for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cache/lru.h"

enum { KEYS = 300, STEPS = 200000, BUDGET = 2000, SEED = 20240919, THREADS = 4, THREAD_STEPS = 20000 };

static struct cache_key key_of(uint32_t number) {
  struct cache_key key = {{0}};
  const uint32_t hash = number / 8;  // chains are met
  memcpy(key.bytes, &hash, sizeof hash);
  memcpy(key.bytes + 16, &number, sizeof number);
  return key;
}

// Values are numbers in disguise: nothing to free, but each must come and go once.
static atomic_int held;

static void *acquire(void *self, void *value) {
  (void)self;
  return value;
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self;
  (void)key;
  (void)value;
  (void)bytes;
  (void)is_evicted;
  atomic_fetch_sub(&held, 1);
}

static void *value_of(uint32_t number) { return (void *)(uintptr_t)(number + 1); }

static struct cache_lru *make(enum cache_policy policy, uint64_t budget_bytes) {
  const struct cache_config config = {
      .budget_bytes = budget_bytes, .policy = policy, .release = release, .acquire = acquire};
  struct cache_lru *cache = cache_lru_create(&config, NULL);
  assert_non_null(cache);
  atomic_store(&held, 0);
  return cache;
}

static bool put(struct cache_lru *cache, uint32_t number, uint64_t bytes) {
  const struct cache_key key = key_of(number);
  atomic_fetch_add(&held, 1);
  if (cache_lru_put(cache, &key, value_of(number), bytes) == BASE_OK) return true;
  atomic_fetch_sub(&held, 1);
  return false;
}

static bool get(struct cache_lru *cache, uint32_t number) {
  const struct cache_key key = key_of(number);
  void *value = cache_lru_get(cache, &key);
  if (value) assert_ptr_equal(value, value_of(number));
  return value != NULL;
}

static bool has(struct cache_lru *cache, uint32_t number) {
  const struct cache_key key = key_of(number);
  return cache_lru_contains(cache, &key);
}

// --- a naive list: arrays, oldest first ---

struct item {
  uint32_t number;
  uint64_t bytes;
  unsigned hits;
};

struct list {
  struct item items[KEYS];
  size_t count;
  uint64_t bytes;
};

static size_t find(const struct list *list, uint32_t number) {
  size_t at = 0;
  while (at < list->count && list->items[at].number != number) at++;
  return at;
}

static struct item take(struct list *list, size_t at) {
  const struct item item = list->items[at];
  list->bytes -= item.bytes;
  list->count--;
  memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof item);
  return item;
}

static void append(struct list *list, struct item item) {
  list->items[list->count++] = item;
  list->bytes += item.bytes;
}

// --- SIEVE ---

struct sieve {
  struct list list;
  size_t hand;  // an index; the oldest when it is past the end
};

static void sieve_take(struct sieve *sieve, size_t at) {
  (void)take(&sieve->list, at);
  if (at < sieve->hand) sieve->hand--;
}

static void sieve_evict(struct sieve *sieve) {
  if (sieve->hand >= sieve->list.count) sieve->hand = 0;
  while (sieve->list.items[sieve->hand].hits > 0) {
    sieve->list.items[sieve->hand].hits = 0;
    sieve->hand = (sieve->hand + 1) % sieve->list.count;
  }
  sieve_take(sieve, sieve->hand);
  // A hand behind the newest waits at the oldest, not for the next newcomer.
  if (sieve->hand == sieve->list.count) sieve->hand = SIZE_MAX;
}

static void sieve_forget(struct sieve *sieve, uint32_t number) {
  const size_t at = find(&sieve->list, number);
  if (at == sieve->list.count) return;
  sieve_take(sieve, at);
  if (sieve->hand == sieve->list.count) sieve->hand = SIZE_MAX;
}

static void sieve_shrink(struct sieve *sieve, uint64_t bytes) {
  while (sieve->list.bytes > bytes) sieve_evict(sieve);
}

static void sieve_put(struct sieve *sieve, uint32_t number, uint64_t bytes, uint64_t budget) {
  sieve_forget(sieve, number);
  sieve_shrink(sieve, budget - bytes);
  append(&sieve->list, (struct item){.number = number, .bytes = bytes});
}

static bool sieve_get(struct sieve *sieve, uint32_t number) {
  const size_t at = find(&sieve->list, number);
  if (at == sieve->list.count) return false;
  sieve->list.items[at].hits = 1;
  return true;
}

static bool sieve_has(const struct sieve *sieve, uint32_t number) {
  return find(&sieve->list, number) < sieve->list.count;
}

// --- S3-FIFO ---

struct s3fifo {
  struct list small, main, ghosts;
  uint64_t budget;
};

static void s3_remember(struct s3fifo *s3, struct item item) {
  const size_t entries = s3->small.count + s3->main.count, most = entries > 64 ? entries : 64;
  const uint64_t most_bytes = s3->budget - s3->budget / 10;
  const size_t at = find(&s3->ghosts, item.number);
  if (at < s3->ghosts.count) (void)take(&s3->ghosts, at);
  if (item.bytes > most_bytes) return;
  while (s3->ghosts.count >= most || s3->ghosts.bytes + item.bytes > most_bytes) (void)take(&s3->ghosts, 0);
  append(&s3->ghosts, item);
}

static void s3_evict(struct s3fifo *s3) {
  for (;;) {
    if (s3->main.count == 0 || (s3->small.count > 0 && s3->small.bytes > s3->budget / 10)) {
      struct item item = take(&s3->small, 0);
      if (item.hits < 2) {
        s3_remember(s3, item);
        return;
      }
      item.hits = 0;
      append(&s3->main, item);
    } else {
      struct item item = take(&s3->main, 0);
      if (item.hits == 0) return;
      item.hits--;
      append(&s3->main, item);
    }
  }
}

static void s3_forget(struct s3fifo *s3, uint32_t number) {
  const size_t small = find(&s3->small, number), main = find(&s3->main, number);
  if (small < s3->small.count) (void)take(&s3->small, small);
  if (main < s3->main.count) (void)take(&s3->main, main);
}

static void s3_shrink(struct s3fifo *s3, uint64_t bytes) {
  while (s3->small.bytes + s3->main.bytes > bytes) s3_evict(s3);
}

static void s3_put(struct s3fifo *s3, uint32_t number, uint64_t bytes) {
  s3_forget(s3, number);
  s3_shrink(s3, s3->budget - bytes);
  const size_t ghost = find(&s3->ghosts, number);
  const bool is_known = ghost < s3->ghosts.count;
  if (is_known) (void)take(&s3->ghosts, ghost);
  append(is_known ? &s3->main : &s3->small, (struct item){.number = number, .bytes = bytes});
}

static bool s3_get(struct s3fifo *s3, uint32_t number) {
  const size_t small = find(&s3->small, number), main = find(&s3->main, number);
  struct item *item = NULL;
  if (small < s3->small.count) item = &s3->small.items[small];
  if (main < s3->main.count) item = &s3->main.items[main];
  if (item && item->hits < 3) item->hits++;
  return item != NULL;
}

static bool s3_has(const struct s3fifo *s3, uint32_t number) {
  return find(&s3->small, number) < s3->small.count || find(&s3->main, number) < s3->main.count;
}

// --- both, driven at random ---

struct run {
  bool is_sieve;
  struct cache_lru *cache;
  struct sieve sieve;
  struct s3fifo s3;
  uint64_t budget, hits;
};

static bool model_has(const struct run *run, uint32_t number) {
  return run->is_sieve ? sieve_has(&run->sieve, number) : s3_has(&run->s3, number);
}

static void set_budget(struct run *run, uint64_t budget) {
  run->budget = run->s3.budget = budget;
  if (run->is_sieve) {
    sieve_shrink(&run->sieve, budget);
  } else {
    s3_shrink(&run->s3, budget);
  }
  cache_lru_set_budget(run->cache, budget);
}

// Popular ones come more often; sizes are from a byte to a third of the budget.
static void step(struct run *run) {
  const uint32_t number = (uint32_t)(rand() % KEYS) * (uint32_t)(rand() % KEYS) / KEYS;
  const int dice = rand() % 1000;
  if (dice < 450) {
    uint64_t bytes = 1 + (uint64_t)(rand() % 40);
    if (rand() % 50 == 0) bytes *= 10;
    if (run->is_sieve) {
      sieve_put(&run->sieve, number, bytes, run->budget);
    } else {
      s3_put(&run->s3, number, bytes);
    }
    assert_true(put(run->cache, number, bytes));
  } else if (dice < 950) {
    const bool is_hit = run->is_sieve ? sieve_get(&run->sieve, number) : s3_get(&run->s3, number);
    assert_int_equal(get(run->cache, number), is_hit);
    run->hits += is_hit;
  } else if (dice < 980) {
    const struct cache_key key = key_of(number);
    assert_int_equal(cache_lru_remove(run->cache, &key), model_has(run, number));
    if (run->is_sieve) {
      sieve_forget(&run->sieve, number);
    } else {
      s3_forget(&run->s3, number);
    }
  } else if (dice < 999) {
    assert_int_equal(has(run->cache, number), model_has(run, number));
  } else {
    set_budget(run, BUDGET / 2 + (uint64_t)rand() % BUDGET);
  }
}

static void drive(bool is_sieve) {
  static struct run run;
  memset(&run, 0, sizeof run);
  run.is_sieve = is_sieve;
  run.sieve.hand = SIZE_MAX;
  run.budget = run.s3.budget = BUDGET;
  run.cache = make(is_sieve ? CACHE_POLICY_SIEVE : CACHE_POLICY_S3FIFO, BUDGET);
  print_message("seed %d\n", SEED);
  srand(SEED);
  for (int i = 0; i < STEPS; i++) {
    step(&run);
    struct cache_stats stats;
    cache_lru_get_stats(run.cache, &stats);
    const uint64_t bytes = is_sieve ? run.sieve.list.bytes : run.s3.small.bytes + run.s3.main.bytes;
    assert_int_equal(stats.bytes, bytes);
    assert_int_equal(stats.hits, run.hits);
    assert_true(stats.bytes <= run.budget);
    assert_int_equal(stats.entries, atomic_load(&held));
    if (i % 100 != 0) continue;
    for (uint32_t number = 0; number < KEYS; number++)
      assert_int_equal(has(run.cache, number), model_has(&run, number));
  }
  assert_true(run.hits > STEPS / 10);
  cache_lru_destroy(&run.cache);
  assert_int_equal(atomic_load(&held), 0);
}

static void sieve_behaves_like_a_naive_one_when_driven_at_random(void **state) {
  (void)state;
  drive(true);
}

static void s3fifo_behaves_like_a_naive_one_when_driven_at_random(void **state) {
  (void)state;
  drive(false);
}

// What LRU would lose.
static void keeps_what_was_hit_when_a_scan_goes_through(void **state) {
  (void)state;
  static const enum cache_policy policies[] = {CACHE_POLICY_LRU, CACHE_POLICY_SIEVE, CACHE_POLICY_S3FIFO};
  for (size_t i = 0; i < 3; i++) {
    struct cache_lru *cache = make(policies[i], 100);
    for (uint32_t round = 0; round < 3; round++) {
      for (uint32_t number = 0; number < 50; number++) {
        if (!get(cache, number)) assert_true(put(cache, number, 1));
      }
    }
    for (uint32_t number = 1000; number < 1200; number++) assert_true(put(cache, number, 1));
    uint32_t kept = 0;
    for (uint32_t number = 0; number < 50; number++) kept += has(cache, number);
    assert_int_equal(kept, policies[i] == CACHE_POLICY_LRU ? 0 : 50);
    cache_lru_destroy(&cache);
  }
}

static void s3fifo_lets_a_ghost_into_the_main_queue_at_once(void **state) {
  (void)state;
  struct cache_lru *cache = make(CACHE_POLICY_S3FIFO, 100);
  for (uint32_t number = 0; number < 110; number++) assert_true(put(cache, number, 1));
  assert_false(has(cache, 3));
  assert_true(put(cache, 3, 1));  // a ghost
  for (uint32_t number = 200; number < 310; number++) assert_true(put(cache, number, 1));
  assert_true(has(cache, 3));
  assert_false(has(cache, 105));  // a newcomer of before
  cache_lru_destroy(&cache);
}

static void refuses_more_than_its_part_of_the_budget(void **state) {
  (void)state;
  const struct cache_config config = {.budget_bytes = 800, .entry_part = 8, .release = release, .acquire = acquire};
  struct cache_lru *cache = cache_lru_create(&config, NULL);
  assert_non_null(cache);
  atomic_store(&held, 0);
  assert_true(put(cache, 1, 100));
  assert_false(put(cache, 2, 101));
  assert_true(has(cache, 1));
  cache_lru_set_budget(cache, 1600);
  assert_true(put(cache, 2, 200));
  cache_lru_set_budget(cache, 300);  // what is in stays
  assert_true(has(cache, 2));
  assert_false(put(cache, 3, 38));
  cache_lru_destroy(&cache);
  assert_int_equal(atomic_load(&held), 0);
}

static void evicts_within_a_bound_when_everything_was_hit(void **state) {
  (void)state;
  enum { COUNT = 3000, CHANCES = 1024 };
  static const enum cache_policy policies[] = {CACHE_POLICY_SIEVE, CACHE_POLICY_S3FIFO};
  for (size_t i = 0; i < 2; i++) {
    struct cache_lru *cache = make(policies[i], COUNT);
    for (uint32_t number = 0; number < COUNT; number++) assert_true(put(cache, number, 1));
    for (uint32_t round = 0; round < 4; round++) {
      for (uint32_t number = 0; number < COUNT; number++) assert_true(get(cache, number));
    }
    assert_true(put(cache, COUNT, 1));
    for (uint32_t number = 0; number <= COUNT; number++) assert_int_equal(has(cache, number), number != CHANCES);
    cache_lru_destroy(&cache);
  }
}

static bool is_odd(void *argument, const struct cache_key *key, const void *value) {
  (void)argument;
  (void)key;
  return (uintptr_t)value % 2 == 0;  // the number plus one
}

static void removes_only_what_matches_wherever_it_is(void **state) {
  (void)state;
  static const enum cache_policy policies[] = {CACHE_POLICY_SIEVE, CACHE_POLICY_S3FIFO};
  for (size_t i = 0; i < 2; i++) {
    struct cache_lru *cache = make(policies[i], 100);
    for (uint32_t number = 0; number < 150; number++) {
      assert_true(put(cache, number, 1));
      if (number % 3 == 0) assert_true(get(cache, number) && get(cache, number));
    }
    struct cache_stats stats;
    cache_lru_get_stats(cache, &stats);
    const uint64_t before = stats.entries, removed = cache_lru_remove_if(cache, is_odd, NULL);
    assert_true(removed > 30);
    cache_lru_get_stats(cache, &stats);
    assert_int_equal(stats.entries, before - removed);
    for (uint32_t number = 1; number < 150; number += 2) assert_false(has(cache, number));
    for (uint32_t number = 200; number < 400; number++) assert_true(put(cache, number, 1));
    cache_lru_destroy(&cache);
    assert_int_equal(atomic_load(&held), 0);
  }
}

struct worker {
  struct cache_lru *cache;
  unsigned seed;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  for (int i = 0; i < THREAD_STEPS; i++) {
    const uint32_t number = (uint32_t)rand_r(&worker->seed) % KEYS;
    const struct cache_key key = key_of(number);
    const int dice = rand_r(&worker->seed) % 100;
    if (dice < 40) {
      (void)put(worker->cache, number, (uint64_t)dice + 1);
    } else if (dice < 95) {
      void *value = cache_lru_get(worker->cache, &key);
      if (value && value != value_of(number)) abort();
    } else if (dice < 98) {
      (void)cache_lru_remove(worker->cache, &key);
    } else {
      cache_lru_set_budget(worker->cache, (uint64_t)(500 + dice));
    }
  }
  return NULL;
}

static void keeps_its_sums_when_many_threads_use_it(void **state) {
  (void)state;
  static const enum cache_policy policies[] = {CACHE_POLICY_SIEVE, CACHE_POLICY_S3FIFO};
  for (size_t i = 0; i < 2; i++) {
    struct cache_lru *cache = make(policies[i], BUDGET);
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (unsigned t = 0; t < THREADS; t++) {
      workers[t] = (struct worker){.cache = cache, .seed = t + 1};
      assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    struct cache_stats stats;
    cache_lru_get_stats(cache, &stats);
    assert_int_equal(stats.entries, atomic_load(&held));
    assert_true(stats.bytes <= BUDGET);
    cache_lru_destroy(&cache);
    assert_int_equal(atomic_load(&held), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sieve_behaves_like_a_naive_one_when_driven_at_random),
      cmocka_unit_test(s3fifo_behaves_like_a_naive_one_when_driven_at_random),
      cmocka_unit_test(keeps_what_was_hit_when_a_scan_goes_through),
      cmocka_unit_test(s3fifo_lets_a_ghost_into_the_main_queue_at_once),
      cmocka_unit_test(refuses_more_than_its_part_of_the_budget),
      cmocka_unit_test(evicts_within_a_bound_when_everything_was_hit),
      cmocka_unit_test(removes_only_what_matches_wherever_it_is),
      cmocka_unit_test(keeps_its_sums_when_many_threads_use_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
