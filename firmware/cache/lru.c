#include "cache/lru.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

// One entry is in one hash chain and in the order; once taken out it is in a list of leavers (through `chain`).
struct entry {
  struct entry *chain;
  struct entry *warmer, *colder;
  struct cache_key key;
  void *value;
  uint64_t bytes;
  bool is_evicted;
};

struct cache_lru {
  struct cache_config config;
  pthread_mutex_t lock;    // guards everything below, and the budget
  struct entry order;      // sentinel of a ring: order.colder is the hottest entry, order.warmer the coldest
  struct entry **buckets;  // a power of two of them, never fewer than entries until memory is short
  size_t bucket_count;
  struct cache_stats stats;
};

// The index; the lock is held.

static struct entry **bucket_of(const struct cache_lru *cache, const struct cache_key *key) {
  uint64_t hash;
  memcpy(&hash, key->bytes, sizeof hash);
  return &cache->buckets[hash & (cache->bucket_count - 1)];
}

// The link that points to the entry, or to the NULL at the end of its chain.
static struct entry **find_link(const struct cache_lru *cache, const struct cache_key *key) {
  struct entry **link = bucket_of(cache, key);
  while (*link && memcmp((*link)->key.bytes, key->bytes, CACHE_KEY_BYTES) != 0) link = &(*link)->chain;
  return link;
}

// Doubles the buckets when chains would get longer than one on average, so that the cost stays O(1) amortised.
// Without memory the cache goes on with longer chains.
static void grow_index(struct cache_lru *cache) {
  if (cache->stats.entries < cache->bucket_count || cache->bucket_count > SIZE_MAX / 2) return;
  struct entry **buckets = calloc(cache->bucket_count * 2, sizeof *buckets);
  if (!buckets) return;
  free(cache->buckets);
  cache->buckets = buckets;
  cache->bucket_count *= 2;
  for (struct entry *entry = cache->order.colder; entry != &cache->order; entry = entry->colder) {
    struct entry **bucket = bucket_of(cache, &entry->key);
    entry->chain = *bucket;
    *bucket = entry;
  }
}

// The order; the lock is held.

static void order_remove(struct entry *entry) {
  entry->warmer->colder = entry->colder;
  entry->colder->warmer = entry->warmer;
}

static void order_put_first(struct cache_lru *cache, struct entry *entry) {
  entry->warmer = &cache->order;
  entry->colder = cache->order.colder;
  entry->colder->warmer = entry;
  cache->order.colder = entry;
}

// Takes the entry at `link` out of index, order and sums, and puts it in front of the leavers.
static void take_out(struct cache_lru *cache, struct entry **link, bool is_evicted, struct entry **leavers) {
  struct entry *entry = *link;
  *link = entry->chain;
  order_remove(entry);
  cache->stats.entries--;
  cache->stats.bytes -= entry->bytes;
  if (is_evicted) {
    cache->stats.evictions++;
    cache->stats.evicted_bytes += entry->bytes;
  }
  entry->is_evicted = is_evicted;
  entry->chain = *leavers;
  *leavers = entry;
}

// Evicts from the cold end until at most `bytes` are left.
static void evict_down_to(struct cache_lru *cache, uint64_t bytes, struct entry **leavers) {
  while (cache->stats.bytes > bytes) {
    take_out(cache, find_link(cache, &cache->order.warmer->key), true, leavers);
  }
}

// Without the lock.

static void release_all(struct cache_lru *cache, struct entry *leavers) {
  while (leavers) {
    struct entry *entry = leavers;
    leavers = entry->chain;
    cache->config.release(cache->config.self, &entry->key, entry->value, entry->bytes, entry->is_evicted);
    free(entry);
  }
}

struct cache_lru *cache_lru_create(const struct cache_config *config, struct base_fault *fault) {
  BASE_ASSERT(config->release && config->acquire);
  struct cache_lru *cache = calloc(1, sizeof *cache);
  struct entry **buckets = calloc(FIRST_BUCKETS, sizeof(struct entry *));
  if (!cache || !buckets) {
    free(cache);
    free(buckets);
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a cache");
    return NULL;
  }
  cache->config = *config;
  cache->buckets = buckets;
  cache->bucket_count = FIRST_BUCKETS;
  cache->order.warmer = cache->order.colder = &cache->order;
  BASE_ASSERT(pthread_mutex_init(&cache->lock, NULL) == 0);
  return cache;
}

void cache_lru_destroy(struct cache_lru **cache_pointer) {
  struct cache_lru *cache = *cache_pointer;
  *cache_pointer = NULL;
  if (!cache) return;
  struct entry *leavers = NULL;
  while (cache->order.warmer != &cache->order) {
    take_out(cache, find_link(cache, &cache->order.warmer->key), false, &leavers);
  }
  release_all(cache, leavers);
  pthread_mutex_destroy(&cache->lock);
  free(cache->buckets);
  free(cache);
}

void cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  struct entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  cache->config.budget_bytes = budget_bytes;
  evict_down_to(cache, budget_bytes, &leavers);
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
}

void *cache_lru_get(struct cache_lru *cache, const struct cache_key *key) {
  void *held = NULL;
  pthread_mutex_lock(&cache->lock);
  struct entry *entry = *find_link(cache, key);
  if (entry) {
    cache->stats.hits++;
    order_remove(entry);
    order_put_first(cache, entry);
    held = cache->config.acquire(cache->config.self, entry->value);
  } else {
    cache->stats.misses++;
  }
  pthread_mutex_unlock(&cache->lock);
  return held;
}

bool cache_lru_contains(struct cache_lru *cache, const struct cache_key *key) {
  pthread_mutex_lock(&cache->lock);
  const bool is_there = *find_link(cache, key) != NULL;
  pthread_mutex_unlock(&cache->lock);
  return is_there;
}

enum base_result cache_lru_put(struct cache_lru *cache, const struct cache_key *key, void *value, uint64_t bytes) {
  struct entry *entry = malloc(sizeof *entry);
  if (!entry) return BASE_NO_MEMORY;
  *entry = (struct entry){.key = *key, .value = value, .bytes = bytes};

  struct entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  if (bytes > cache->config.budget_bytes) {
    pthread_mutex_unlock(&cache->lock);
    free(entry);
    return BASE_TOO_LARGE;
  }
  struct entry **old = find_link(cache, key);
  if (*old) take_out(cache, old, false, &leavers);
  // Room is made first, so that the newcomer can not be its own victim and the sum never passes the budget.
  evict_down_to(cache, cache->config.budget_bytes - bytes, &leavers);

  grow_index(cache);
  struct entry **bucket = bucket_of(cache, key);
  entry->chain = *bucket;
  *bucket = entry;
  order_put_first(cache, entry);
  cache->stats.entries++;
  cache->stats.bytes += bytes;
  pthread_mutex_unlock(&cache->lock);
  release_all(cache, leavers);
  return BASE_OK;
}

bool cache_lru_remove(struct cache_lru *cache, const struct cache_key *key) {
  struct entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  struct entry **link = find_link(cache, key);
  if (*link) take_out(cache, link, false, &leavers);
  pthread_mutex_unlock(&cache->lock);
  const bool was_there = leavers != NULL;
  release_all(cache, leavers);
  return was_there;
}

uint64_t cache_lru_remove_if(struct cache_lru *cache,
                             bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                             void *argument) {
  uint64_t removed = 0;
  struct entry *leavers = NULL;
  pthread_mutex_lock(&cache->lock);
  struct entry *entry = cache->order.colder;
  while (entry != &cache->order) {
    struct entry *next = entry->colder;
    if (matches(argument, &entry->key, entry->value)) {
      take_out(cache, find_link(cache, &entry->key), false, &leavers);
      removed++;
    }
    entry = next;
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
