#include "cache/lru.h"

#include <pthread.h>
#include <stdlib.h>

#include "table.h"

enum { HEAT_MOST = 15, CHANCES_MOST = 64 };

struct cache_lru {
  struct cache_config config;
  pthread_mutex_t lock;      // guards everything below, and the budget
  struct cache_table table;  // its sentinel's `colder` is the hottest entry, its `warmer` the coldest
  struct cache_stats stats;
};

static struct cache_entry *entry_at(const struct cache_lru *cache, uint32_t number) {
  return cache_table_entry(&cache->table, number);
}

// The order; the lock is held.

static void order_remove(struct cache_lru *cache, const struct cache_entry *entry) {
  entry_at(cache, entry->warmer)->colder = entry->colder;
  entry_at(cache, entry->colder)->warmer = entry->warmer;
}

static void order_put_first(struct cache_lru *cache, struct cache_entry *entry, uint32_t number) {
  struct cache_entry *ends = entry_at(cache, CACHE_NONE);
  entry->warmer = CACHE_NONE;
  entry->colder = ends->colder;
  entry_at(cache, ends->colder)->warmer = number;
  ends->colder = number;
}

static uint32_t coldest(const struct cache_lru *cache) { return entry_at(cache, CACHE_NONE)->warmer; }

// Takes the entry out of index, order and sums, and puts it in front of the leavers.
static void take_out(struct cache_lru *cache, uint32_t number, bool is_evicted, uint32_t *leavers) {
  struct cache_entry *entry = entry_at(cache, number);
  cache_table_remove(&cache->table, number);
  order_remove(cache, entry);
  cache->stats.entries--;
  cache->stats.bytes -= entry->bytes;
  if (is_evicted) {
    cache->stats.evictions++;
    cache->stats.evicted_bytes += entry->bytes;
  }
  entry->is_evicted = is_evicted;
  entry->chain = *leavers;
  *leavers = number;
}

// The entry to evict: the coldest, after those in front of it that have heat have paid half of it for another round.
// Every round was earned by a touch; the bound keeps one eviction short when many have been touched.
static uint32_t find_victim(struct cache_lru *cache) {
  uint32_t number = coldest(cache);
  for (int i = 0; i < CHANCES_MOST && entry_at(cache, number)->heat > 0; i++) {
    struct cache_entry *entry = entry_at(cache, number);
    entry->heat /= 2;
    order_remove(cache, entry);
    order_put_first(cache, entry, number);
    number = coldest(cache);
  }
  return number;
}

// Evicts from the cold end until at most `bytes` are left.
static void evict_down_to(struct cache_lru *cache, uint64_t bytes, uint32_t *leavers) {
  while (cache->stats.bytes > bytes) take_out(cache, find_victim(cache), true, leavers);
}

// Without the lock: leavers belong to nobody else until they are given back.

static void release_all(struct cache_lru *cache, uint32_t leavers) {
  if (leavers == CACHE_NONE) return;
  for (uint32_t number = leavers; number != CACHE_NONE; number = entry_at(cache, number)->chain) {
    const struct cache_entry *entry = entry_at(cache, number);
    cache->config.release(cache->config.self, &entry->key, entry->value, entry->bytes, entry->is_evicted);
  }
  pthread_mutex_lock(&cache->lock);
  while (leavers != CACHE_NONE) {
    const uint32_t number = leavers;
    leavers = entry_at(cache, number)->chain;
    cache_table_give(&cache->table, number);
  }
  pthread_mutex_unlock(&cache->lock);
}

struct cache_lru *cache_lru_create(const struct cache_config *config, struct base_fault *fault) {
  BASE_ASSERT(config->release && config->acquire);
  struct cache_lru *cache = calloc(1, sizeof *cache);
  if (!cache || !cache_table_init(&cache->table)) {
    free(cache);
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a cache");
    return NULL;
  }
  cache->config = *config;
  *entry_at(cache, CACHE_NONE) = (struct cache_entry){.warmer = CACHE_NONE, .colder = CACHE_NONE};
  BASE_ASSERT(pthread_mutex_init(&cache->lock, NULL) == 0);
  return cache;
}

void cache_lru_destroy(struct cache_lru **cache_pointer) {
  struct cache_lru *cache = *cache_pointer;
  *cache_pointer = NULL;
  if (!cache) return;
  uint32_t leavers = CACHE_NONE;
  while (coldest(cache) != CACHE_NONE) take_out(cache, coldest(cache), false, &leavers);
  release_all(cache, leavers);
  pthread_mutex_destroy(&cache->lock);
  cache_table_finish(&cache->table);
  free(cache);
}

void cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  cache->config.budget_bytes = budget_bytes;
  evict_down_to(cache, budget_bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
}

void *cache_lru_get(struct cache_lru *cache, const struct cache_key *key) {
  void *held = NULL;
  pthread_mutex_lock(&cache->lock);
  const uint32_t number = cache_table_find(&cache->table, key);
  if (number != CACHE_NONE) {
    struct cache_entry *entry = entry_at(cache, number);
    cache->stats.hits++;
    if (cache->config.weighs_heat && entry->heat < HEAT_MOST) entry->heat++;
    order_remove(cache, entry);
    order_put_first(cache, entry, number);
    held = cache->config.acquire(cache->config.self, entry->value);
  } else {
    cache->stats.misses++;
  }
  pthread_mutex_unlock(&cache->lock);
  return held;
}

bool cache_lru_contains(struct cache_lru *cache, const struct cache_key *key) {
  pthread_mutex_lock(&cache->lock);
  const bool is_there = cache_table_find(&cache->table, key) != CACHE_NONE;
  pthread_mutex_unlock(&cache->lock);
  return is_there;
}

// The lock is held.
static enum base_result put(struct cache_lru *cache, const struct cache_key *key, void *value, uint64_t bytes,
                            uint32_t *leavers) {
  if (bytes > cache->config.budget_bytes) return BASE_TOO_LARGE;
  const uint32_t number = cache_table_take(&cache->table);
  if (number == CACHE_NONE) return BASE_NO_MEMORY;
  struct cache_entry *entry = entry_at(cache, number);
  *entry = (struct cache_entry){.key = *key, .value = value, .bytes = bytes};

  const uint32_t old = cache_table_find(&cache->table, key);
  if (old != CACHE_NONE) take_out(cache, old, false, leavers);
  // Room is made first, so that the newcomer can not be its own victim and the sum never passes the budget.
  evict_down_to(cache, cache->config.budget_bytes - bytes, leavers);
  cache_table_insert(&cache->table, number);
  order_put_first(cache, entry, number);
  cache->stats.entries++;
  cache->stats.bytes += bytes;
  return BASE_OK;
}

enum base_result cache_lru_put(struct cache_lru *cache, const struct cache_key *key, void *value, uint64_t bytes) {
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  const enum base_result result = put(cache, key, value, bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return result;
}

bool cache_lru_remove(struct cache_lru *cache, const struct cache_key *key) {
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  const uint32_t number = cache_table_find(&cache->table, key);
  if (number != CACHE_NONE) take_out(cache, number, false, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return number != CACHE_NONE;
}

uint64_t cache_lru_remove_if(struct cache_lru *cache,
                             bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                             void *argument) {
  uint64_t removed = 0;
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  uint32_t next = entry_at(cache, CACHE_NONE)->colder;
  while (next != CACHE_NONE) {
    const uint32_t number = next;
    const struct cache_entry *entry = entry_at(cache, number);
    next = entry->colder;
    if (!matches(argument, &entry->key, entry->value)) continue;
    take_out(cache, number, false, &leavers);
    removed++;
  }
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return removed;
}

void cache_lru_get_stats(struct cache_lru *cache, struct cache_stats *out) {
  pthread_mutex_lock(&cache->lock);
  *out = cache->stats;
  pthread_mutex_unlock(&cache->lock);
}
