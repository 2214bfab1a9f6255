#include "cache/lru.h"

#include <pthread.h>
#include <stdlib.h>

#include "order.h"

struct cache_lru {
  struct cache_config config;
  const struct cache_policy_rules *rules;
  uint64_t most_bytes;   // of one entry; follows the budget
  pthread_mutex_t lock;  // guards everything below, and the budget
  struct cache_table table;
  struct cache_order order;
  struct cache_stats stats;
};

static const struct cache_policy_rules *const policies[] = {[CACHE_POLICY_LRU] = &cache_policy_lru,
                                                            [CACHE_POLICY_SIEVE] = &cache_policy_sieve,
                                                            [CACHE_POLICY_S3FIFO] = &cache_policy_s3fifo};

static struct cache_entry *entry_at(const struct cache_lru *cache, uint32_t number) {
  return cache_table_entry(&cache->table, number);
}

// With the lock.

// Takes the entry out of index, order and sums, and puts it in front of the leavers.
static void take_out(struct cache_lru *cache, uint32_t number, bool is_evicted, uint32_t *leavers) {
  struct cache_entry *entry = entry_at(cache, number);
  cache_table_remove(&cache->table, number);
  cache->rules->leave(&cache->order, number, is_evicted);
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

// Evicts until at most `bytes` are left.
static void evict_down_to(struct cache_lru *cache, uint64_t bytes, uint32_t *leavers) {
  while (cache->stats.bytes > bytes) take_out(cache, cache->rules->victim(&cache->order), true, leavers);
}

static void take_out_all(struct cache_lru *cache, const struct cache_ring *ring, uint32_t *leavers) {
  while (ring->entries > 0) take_out(cache, cache_ring_coldest(&cache->table, ring), false, leavers);
}

static void set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  cache->config.budget_bytes = cache->order.budget_bytes = budget_bytes;
  cache->most_bytes = cache->config.entry_part > 1 ? budget_bytes / cache->config.entry_part : budget_bytes;
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
  BASE_ASSERT((size_t)config->policy < sizeof policies / sizeof policies[0]);
  struct cache_lru *cache = calloc(1, sizeof *cache);
  if (!cache || !cache_table_init(&cache->table)) {
    free(cache);
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a cache");
    return NULL;
  }
  cache->config = *config;
  cache->rules = policies[config->policy];
  cache->order.table = &cache->table;
  cache->order.weighs_heat = config->weighs_heat;
  set_budget(cache, config->budget_bytes);
  BASE_ASSERT(pthread_mutex_init(&cache->lock, NULL) == 0);
  if (!cache->rules->init(&cache->order)) {
    cache_lru_destroy(&cache);
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a cache");
  }
  return cache;
}

void cache_lru_destroy(struct cache_lru **cache_pointer) {
  struct cache_lru *cache = *cache_pointer;
  *cache_pointer = NULL;
  if (!cache) return;
  uint32_t leavers = CACHE_NONE;
  take_out_all(cache, &cache->order.ring, &leavers);
  take_out_all(cache, &cache->order.small, &leavers);
  release_all(cache, leavers);
  cache->rules->finish(&cache->order);
  pthread_mutex_destroy(&cache->lock);
  cache_table_finish(&cache->table);
  free(cache);
}

void cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  set_budget(cache, budget_bytes);
  evict_down_to(cache, budget_bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
}

void *cache_lru_get(struct cache_lru *cache, const struct cache_key *key) {
  void *held = NULL;
  pthread_mutex_lock(&cache->lock);
  const uint32_t number = cache_table_find(&cache->table, key);
  if (number != CACHE_NONE) {
    cache->stats.hits++;
    cache->rules->touch(&cache->order, number);
    held = cache->config.acquire(cache->config.self, entry_at(cache, number)->value);
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
  if (bytes > cache->most_bytes) return BASE_TOO_LARGE;
  const uint32_t number = cache_table_take(&cache->table);
  if (number == CACHE_NONE) return BASE_NO_MEMORY;
  struct cache_entry *entry = entry_at(cache, number);
  *entry = (struct cache_entry){.key = *key, .value = value, .bytes = bytes};

  const uint32_t old = cache_table_find(&cache->table, key);
  if (old != CACHE_NONE) take_out(cache, old, false, leavers);
  // Room is made first, so that the newcomer can not be its own victim and the sum never passes the budget.
  evict_down_to(cache, cache->config.budget_bytes - bytes, leavers);
  cache_table_insert(&cache->table, number);
  cache->rules->enter(&cache->order, number);
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

static uint64_t take_out_matching(struct cache_lru *cache, const struct cache_ring *ring,
                                  bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                                  void *argument, uint32_t *leavers) {
  uint64_t removed = 0;
  uint32_t next = entry_at(cache, ring->ends)->colder;
  for (uint64_t left = ring->entries; left > 0; left--) {
    const uint32_t number = next;
    const struct cache_entry *entry = entry_at(cache, number);
    next = entry->colder;
    if (!matches(argument, &entry->key, entry->value)) continue;
    take_out(cache, number, false, leavers);
    removed++;
  }
  return removed;
}

uint64_t cache_lru_remove_if(struct cache_lru *cache,
                             bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                             void *argument) {
  uint32_t leavers = CACHE_NONE;
  pthread_mutex_lock(&cache->lock);
  uint64_t removed = take_out_matching(cache, &cache->order.ring, matches, argument, &leavers);
  removed += take_out_matching(cache, &cache->order.small, matches, argument, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return removed;
}

void cache_lru_get_stats(struct cache_lru *cache, struct cache_stats *out) {
  pthread_mutex_lock(&cache->lock);
  *out = cache->stats;
  pthread_mutex_unlock(&cache->lock);
}
