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

// The order; the lock is held.

static void order_remove(struct cache_lru *cache, uint32_t number) {
  const struct cache_place *place = cache_table_place(&cache->table, number);
  cache_table_place(&cache->table, place->warmer)->colder = place->colder;
  cache_table_place(&cache->table, place->colder)->warmer = place->warmer;
}

static void order_put_first(struct cache_lru *cache, uint32_t number) {
  struct cache_place *place = cache_table_place(&cache->table, number);
  struct cache_place *ends = cache_table_place(&cache->table, CACHE_NONE);
  place->warmer = CACHE_NONE;
  place->colder = ends->colder;
  cache_table_place(&cache->table, ends->colder)->warmer = number;
  ends->colder = number;
}

static uint32_t coldest(const struct cache_lru *cache) { return cache_table_place(&cache->table, CACHE_NONE)->warmer; }

// Takes the entry out of index, order and sums, and puts it in front of the leavers.
static void take_out(struct cache_lru *cache, struct cache_entry *entry, bool is_evicted,
                     struct cache_entry **leavers) {
  cache_table_remove(&cache->table, entry);
  order_remove(cache, entry->number);
  cache->stats.entries--;
  cache->stats.bytes -= entry->bytes;
  if (is_evicted) {
    cache->stats.evictions++;
    cache->stats.evicted_bytes += entry->bytes;
  }
  entry->is_evicted = is_evicted;
  entry->next = *leavers;
  *leavers = entry;
}

// The entry to evict: the coldest, after those in front of it that have heat have paid half of it for another round.
// Every round was earned by a touch; the bound keeps one eviction short when many have been touched.
static struct cache_entry *find_victim(struct cache_lru *cache) {
  struct cache_entry *entry = cache_table_entry(&cache->table, coldest(cache));
  for (int i = 0; i < CHANCES_MOST && entry->heat > 0; i++) {
    entry->heat /= 2;
    order_remove(cache, entry->number);
    order_put_first(cache, entry->number);
    entry = cache_table_entry(&cache->table, coldest(cache));
  }
  return entry;
}

// Evicts from the cold end until at most `bytes` are left.
static void evict_down_to(struct cache_lru *cache, uint64_t bytes, struct cache_entry **leavers) {
  while (cache->stats.bytes > bytes) take_out(cache, find_victim(cache), true, leavers);
}

// Without the lock.

static void release_all(struct cache_lru *cache, struct cache_entry *leavers) {
  if (!leavers) return;
  for (struct cache_entry *entry = leavers; entry; entry = entry->next) {
    cache->config.release(cache->config.self, &entry->key, entry->value, entry->bytes, entry->is_evicted);
  }
  pthread_mutex_lock(&cache->lock);
  while (leavers) {
    struct cache_entry *entry = leavers;
    leavers = entry->next;
    cache_table_give(&cache->table, entry);
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
  *cache_table_place(&cache->table, CACHE_NONE) = (struct cache_place){.warmer = CACHE_NONE, .colder = CACHE_NONE};
  BASE_ASSERT(pthread_mutex_init(&cache->lock, NULL) == 0);
  return cache;
}

void cache_lru_destroy(struct cache_lru **cache_pointer) {
  struct cache_lru *cache = *cache_pointer;
  *cache_pointer = NULL;
  if (!cache) return;
  struct cache_entry *leavers = NULL;
  while (coldest(cache) != CACHE_NONE) {
    take_out(cache, cache_table_entry(&cache->table, coldest(cache)), false, &leavers);
  }
  release_all(cache, leavers);
  pthread_mutex_destroy(&cache->lock);
  cache_table_finish(&cache->table);
  free(cache);
}

void cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  struct cache_entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  cache->config.budget_bytes = budget_bytes;
  evict_down_to(cache, budget_bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
}

void *cache_lru_get(struct cache_lru *cache, const struct cache_key *key) {
  void *held = NULL;
  pthread_mutex_lock(&cache->lock);
  struct cache_entry *entry = cache_table_find(&cache->table, key);
  if (entry) {
    __builtin_prefetch(entry->value, 1);  // acquire will write to it; the order's cache misses hide this one
    cache->stats.hits++;
    if (cache->config.weighs_heat && entry->heat < HEAT_MOST) entry->heat++;
    order_remove(cache, entry->number);
    order_put_first(cache, entry->number);
    held = cache->config.acquire(cache->config.self, entry->value);
  } else {
    cache->stats.misses++;
  }
  pthread_mutex_unlock(&cache->lock);
  return held;
}

bool cache_lru_contains(struct cache_lru *cache, const struct cache_key *key) {
  pthread_mutex_lock(&cache->lock);
  const bool is_there = cache_table_find(&cache->table, key) != NULL;
  pthread_mutex_unlock(&cache->lock);
  return is_there;
}

// The lock is held.
static enum base_result put(struct cache_lru *cache, const struct cache_key *key, void *value, uint64_t bytes,
                            struct cache_entry **leavers) {
  if (bytes > cache->config.budget_bytes) return BASE_TOO_LARGE;
  struct cache_entry *entry = cache_table_take(&cache->table);
  if (!entry) return BASE_NO_MEMORY;
  entry->key = *key;
  entry->value = value;
  entry->bytes = bytes;
  entry->heat = 0;

  struct cache_entry *old = cache_table_find(&cache->table, key);
  if (old) take_out(cache, old, false, leavers);
  // Room is made first, so that the newcomer can not be its own victim and the sum never passes the budget.
  evict_down_to(cache, cache->config.budget_bytes - bytes, leavers);
  cache_table_insert(&cache->table, entry);
  order_put_first(cache, entry->number);
  cache->stats.entries++;
  cache->stats.bytes += bytes;
  return BASE_OK;
}

enum base_result cache_lru_put(struct cache_lru *cache, const struct cache_key *key, void *value, uint64_t bytes) {
  struct cache_entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  const enum base_result result = put(cache, key, value, bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return result;
}

bool cache_lru_remove(struct cache_lru *cache, const struct cache_key *key) {
  struct cache_entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  struct cache_entry *entry = cache_table_find(&cache->table, key);
  if (entry) take_out(cache, entry, false, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return entry != NULL;
}

uint64_t cache_lru_remove_if(struct cache_lru *cache,
                             bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                             void *argument) {
  uint64_t removed = 0;
  struct cache_entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  uint32_t number = cache_table_place(&cache->table, CACHE_NONE)->colder;
  while (number != CACHE_NONE) {
    struct cache_entry *entry = cache_table_entry(&cache->table, number);
    number = cache_table_place(&cache->table, number)->colder;
    if (!matches(argument, &entry->key, entry->value)) continue;
    take_out(cache, entry, false, &leavers);
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
