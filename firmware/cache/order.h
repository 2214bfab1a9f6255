// Rings of entries, each closed by a sentinel of its own, and the policies that say which entry goes next.
//
// A policy is one file: a const struct of functions over these rings, called with the container's lock held. All of
// them take constant time; choosing a victim may send entries round first, but each of those has paid by a touch, and
// their number is bounded.
#ifndef CACHE_ORDER_H
#define CACHE_ORDER_H

#include "ghost.h"
#include "table.h"

enum { CACHE_HEAT_MOST = 15 };

// The sentinel's `colder` is the ring's hottest (or newest) entry, its `warmer` the coldest (or oldest).
struct cache_ring {
  uint32_t ends;  // the sentinel's number
  uint64_t entries, bytes;
};

struct cache_order {
  struct cache_table *table;
  uint64_t budget_bytes;
  bool weighs_heat;  // of LRU
  // What is a policy's own. Entries are in `ring` or, where entry->is_small, in `small`.
  struct cache_ring ring;
  struct cache_ring small;     // of S3-FIFO; ends is CACHE_NONE where there is none
  uint32_t hand;               // of SIEVE: the next candidate, CACHE_NONE: the oldest
  struct cache_ghosts ghosts;  // of S3-FIFO
};

struct cache_policy_rules {
  // False when memory is short. May take entries of the table as sentinels.
  bool (*init)(struct cache_order *order);
  void (*finish)(struct cache_order *order);
  // A hit.
  void (*touch)(struct cache_order *order, uint32_t number);
  // A new entry finds its place.
  void (*enter)(struct cache_order *order, uint32_t number);
  // The entry to evict; there is one. It stays where it is until it leaves.
  uint32_t (*victim)(struct cache_order *order);
  // An entry goes, for whatever reason.
  void (*leave)(struct cache_order *order, uint32_t number, bool is_evicted);
};

extern const struct cache_policy_rules cache_policy_lru, cache_policy_sieve, cache_policy_s3fifo;

static inline void cache_ring_link(struct cache_table *table, const struct cache_ring *ring, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(table, number), *ends = cache_table_entry(table, ring->ends);
  entry->warmer = ring->ends;
  entry->colder = ends->colder;
  cache_table_entry(table, ends->colder)->warmer = number;
  ends->colder = number;
}

static inline void cache_ring_unlink(struct cache_table *table, const struct cache_entry *entry) {
  cache_table_entry(table, entry->warmer)->colder = entry->colder;
  cache_table_entry(table, entry->colder)->warmer = entry->warmer;
}

// At the hot end.
static inline void cache_ring_add(struct cache_table *table, struct cache_ring *ring, uint32_t number) {
  cache_ring_link(table, ring, number);
  ring->entries++;
  ring->bytes += cache_table_entry(table, number)->bytes;
}

static inline void cache_ring_remove(struct cache_table *table, struct cache_ring *ring, uint32_t number) {
  const struct cache_entry *entry = cache_table_entry(table, number);
  cache_ring_unlink(table, entry);
  ring->entries--;
  ring->bytes -= entry->bytes;
}

// Moves the entry to the hot end.
static inline void cache_ring_renew(struct cache_table *table, const struct cache_ring *ring, uint32_t number) {
  cache_ring_unlink(table, cache_table_entry(table, number));
  cache_ring_link(table, ring, number);
}

// ring->ends when it is empty.
static inline uint32_t cache_ring_coldest(const struct cache_table *table, const struct cache_ring *ring) {
  return cache_table_entry(table, ring->ends)->warmer;
}

// An empty ring around the entry `ends`.
static inline void cache_ring_init(struct cache_table *table, struct cache_ring *ring, uint32_t ends) {
  struct cache_entry *sentinel = cache_table_entry(table, ends);
  sentinel->warmer = sentinel->colder = ends;
  *ring = (struct cache_ring){.ends = ends};
}

#endif
