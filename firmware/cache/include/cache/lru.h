// The O(1) cache container: a hash index over 32-byte keys and an eviction order, with a budget in bytes. The order is
// LRU's unless the config names another policy.
//
// Used for variants in RAM, variants on disk and resident sources. It owns the order and the index; values are opaque
// pointers that `release` gets back. Thread-safe; release is never called with the lock held.
#ifndef CACHE_LRU_H
#define CACHE_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

enum { CACHE_KEY_BYTES = 32 };

struct cache_key {
  uint8_t bytes[CACHE_KEY_BYTES];  // already a digest: its first bytes are the hash
};

// Which entry goes when the budget is full. LRU; SIEVE (Zhang et al., NSDI '24); S3-FIFO (Yang et al., SOSP '23).
enum cache_policy { CACHE_POLICY_LRU, CACHE_POLICY_SIEVE, CACHE_POLICY_S3FIFO };

struct cache_config {
  uint64_t budget_bytes;
  enum cache_policy policy;
  bool weighs_heat;     // of LRU: how often counts too, not only how lately; see cache_lru_put
  unsigned entry_part;  // an entry has at most 1/entry_part of the budget; 0: all of it
  // Called without the lock when a value leaves the cache (eviction, replacement, removal, destroy).
  void (*release)(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted);
  // Called under the lock by cache_lru_get to take the caller's own hold on the value (a reference); must be cheap.
  void *(*acquire)(void *self, void *value);
  void *self;
};

struct cache_stats {
  uint64_t entries, bytes, hits, misses, evictions, evicted_bytes;
};

struct cache_lru;

struct cache_lru *cache_lru_create(const struct cache_config *config, struct base_fault *fault);
void cache_lru_destroy(struct cache_lru **cache);
// Changes the budget; evicts until it holds.
void cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes);
// The acquired value and a touch, or NULL.
void *cache_lru_get(struct cache_lru *cache, const struct cache_key *key);
// True when the key is there; no touch, no statistics.
bool cache_lru_contains(struct cache_lru *cache, const struct cache_key *key);
// Takes the value (replaces an older one) and evicts until the budget holds. With weighs_heat a touch adds heat, up to
// 15, and an entry with heat at the cold end goes back to the hot end for half of it instead, 64 times an eviction at
// the most; SIEVE and S3-FIFO go on for 1024 entries that were hit before they take one of them. BASE_TOO_LARGE when it
// alone exceeds its part of the budget, BASE_NO_MEMORY: the value stays the caller's and an older one stays in.
enum base_result cache_lru_put(struct cache_lru *cache, const struct cache_key *key, void *value,
                               uint64_t bytes) BASE_CHECKED;
// True when it was there.
bool cache_lru_remove(struct cache_lru *cache, const struct cache_key *key);
// Removes everything `matches` says yes to (called under the lock; must be cheap and not call back). Returns how many.
uint64_t cache_lru_remove_if(struct cache_lru *cache,
                             bool (*matches)(void *argument, const struct cache_key *key, const void *value),
                             void *argument);
void cache_lru_get_stats(struct cache_lru *cache, struct cache_stats *out);

#endif
