// The entries of a cache and the index over their keys: memory in chunks that never move, found by number or by key,
// so that neither a new entry nor a growing index ever stops the others for long.
//
// Entries are one cache line each. Their places in the order lie apart from them, packed, because every touch writes to
// those of two neighbours. The index is a linear hash table (W. Litwin, 1980): it grows by a bucket or two at a time.
#ifndef CACHE_TABLE_H
#define CACHE_TABLE_H

#include <stddef.h>

#include "cache/lru.h"

enum { CACHE_LINE_BYTES = 64, CACHE_CHUNK_ENTRIES = 1024, CACHE_NONE = 0 };

struct cache_entry {
  _Alignas(CACHE_LINE_BYTES) struct cache_key key;
  void *value;
  uint64_t bytes;
  union {
    struct cache_entry *next;  // in the list of the leavers
    uint32_t chain;            // in its bucket or the list of the free; CACHE_NONE at the end
  };
  uint32_t number;
  uint8_t heat;
  bool is_evicted;
};
_Static_assert(sizeof(struct cache_entry) == CACHE_LINE_BYTES, "an entry is a cache line");

struct cache_place {
  uint32_t warmer, colder;
};

struct cache_chunk {
  struct cache_entry entries[CACHE_CHUNK_ENTRIES];
  struct cache_place places[CACHE_CHUNK_ENTRIES];
};

// Number 0 is no entry: it is the sentinel of the order, which is a ring.
struct cache_table {
  struct cache_chunk **chunks;
  size_t chunk_count;
  uint32_t used;       // numbers ever given out
  uint32_t free;       // the first of those given back
  uint32_t count;      // entries in the index
  uint32_t **buckets;  // in chunks too
  size_t bucket_chunks;
  uint32_t bucket_count;
  uint32_t mask;  // of the largest power of two that is at most bucket_count
};

// False when memory is short.
bool cache_table_init(struct cache_table *table);
void cache_table_finish(struct cache_table *table);

// An entry outside the index; `number` is set, everything else is undefined. NULL when memory is short.
struct cache_entry *cache_table_take(struct cache_table *table);
void cache_table_give(struct cache_table *table, struct cache_entry *entry);

struct cache_entry *cache_table_find(const struct cache_table *table, const struct cache_key *key);
// The key must not be there.
void cache_table_insert(struct cache_table *table, struct cache_entry *entry);
// It must be there.
void cache_table_remove(struct cache_table *table, struct cache_entry *entry);

static inline struct cache_entry *cache_table_entry(const struct cache_table *table, uint32_t number) {
  return &table->chunks[number / CACHE_CHUNK_ENTRIES]->entries[number % CACHE_CHUNK_ENTRIES];
}
static inline struct cache_place *cache_table_place(const struct cache_table *table, uint32_t number) {
  return &table->chunks[number / CACHE_CHUNK_ENTRIES]->places[number % CACHE_CHUNK_ENTRIES];
}

#endif
