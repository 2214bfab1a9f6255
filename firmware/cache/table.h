// The entries of a cache and the index over their keys: memory in chunks that never move, found by number or by key,
// so that neither a new entry nor a growing index ever stops the others for long.
//
// An entry is one cache line. The index is a linear hash table (W. Litwin, 1980): it grows by a bucket or two at a
// time.
#ifndef CACHE_TABLE_H
#define CACHE_TABLE_H

#include <stddef.h>

#include "cache/lru.h"

enum { CACHE_LINE_BYTES = 64, CACHE_NONE = 0, CACHE_FIRST_BITS = 6, CACHE_CHUNKS = 32 - CACHE_FIRST_BITS };

struct cache_entry {
  _Alignas(CACHE_LINE_BYTES) struct cache_key key;
  void *value;
  uint64_t bytes;
  uint32_t chain;  // the next one in its bucket, among the leavers or among the free; CACHE_NONE at the end
  uint32_t warmer, colder;
  uint8_t heat;   // what touches have earned; each policy has its own use of it
  bool is_small;  // in the small queue of S3-FIFO
  bool is_evicted;
};
_Static_assert(sizeof(struct cache_entry) == CACHE_LINE_BYTES, "an entry is a cache line");

// Entries go by their numbers. Number 0 is none: it is the sentinel of the first ring. Chunk i has 64 << i entries or
// buckets.
struct cache_table {
  struct cache_entry *entries[CACHE_CHUNKS];
  uint32_t *buckets[CACHE_CHUNKS];
  uint32_t used;   // numbers ever given out
  uint32_t free;   // the first of those given back
  uint32_t count;  // entries in the index
  uint32_t bucket_count;
  uint32_t mask;  // of the largest power of two that is at most bucket_count
};

// False when memory is short.
bool cache_table_init(struct cache_table *table);
void cache_table_finish(struct cache_table *table);

// An entry outside the index, undefined as yet. CACHE_NONE when memory is short.
uint32_t cache_table_take(struct cache_table *table);
void cache_table_give(struct cache_table *table, uint32_t number);

// CACHE_NONE when the key is not there.
uint32_t cache_table_find(const struct cache_table *table, const struct cache_key *key);
// The key must not be there.
void cache_table_insert(struct cache_table *table, uint32_t number);
// It must be there.
void cache_table_remove(struct cache_table *table, uint32_t number);

// Where a number is: its chunk, and how far into that.
static inline unsigned cache_chunk_of(uint32_t number) {
  return 63 - (unsigned)__builtin_clzll(((uint64_t)number >> CACHE_FIRST_BITS) + 1);
}
static inline size_t cache_chunk_size(unsigned chunk) { return (size_t)1 << (CACHE_FIRST_BITS + chunk); }
static inline size_t cache_chunk_offset(uint32_t number, unsigned chunk) {
  return number + cache_chunk_size(0) - cache_chunk_size(chunk);
}
static inline struct cache_entry *cache_table_entry(const struct cache_table *table, uint32_t number) {
  const unsigned chunk = cache_chunk_of(number);
  return &table->entries[chunk][cache_chunk_offset(number, chunk)];
}
#endif
