#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"

enum { BUCKETS_AN_ENTRY = 2, HUGE_PAGE_BYTES = 2 << 20 };

// Large chunks lie on huge pages where there are such: in a cache of many entries nearly every touch would otherwise
// cost walks through the page tables too.
static void *chunk_new(unsigned chunk, size_t item_bytes) {
  size_t bytes;
  if (!base_mul_size(cache_chunk_size(chunk), item_bytes, &bytes)) return NULL;
  if (bytes < HUGE_PAGE_BYTES) return aligned_alloc(CACHE_LINE_BYTES, bytes);
  void *memory = aligned_alloc(HUGE_PAGE_BYTES, bytes);
  if (memory) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

// Makes room for the entry `number`.
static bool reach_entry(struct cache_table *table, uint32_t number) {
  const unsigned chunk = cache_chunk_of(number);
  if (chunk >= CACHE_CHUNKS) return false;
  if (!table->entries[chunk]) table->entries[chunk] = chunk_new(chunk, sizeof(struct cache_entry));
  return table->entries[chunk] != NULL;
}

static bool reach_bucket(struct cache_table *table, uint32_t bucket) {
  const unsigned chunk = cache_chunk_of(bucket);
  if (chunk >= CACHE_CHUNKS) return false;
  if (!table->buckets[chunk]) table->buckets[chunk] = chunk_new(chunk, sizeof(uint32_t));
  return table->buckets[chunk] != NULL;
}

static uint32_t *bucket_at(const struct cache_table *table, uint32_t bucket) {
  const unsigned chunk = cache_chunk_of(bucket);
  return &table->buckets[chunk][cache_chunk_offset(bucket, chunk)];
}

bool cache_table_init(struct cache_table *table) {
  *table = (struct cache_table){.used = 1, .bucket_count = 1};
  if (reach_entry(table, CACHE_NONE) && reach_bucket(table, 0)) {
    *bucket_at(table, 0) = CACHE_NONE;
    return true;
  }
  cache_table_finish(table);
  return false;
}

void cache_table_finish(struct cache_table *table) {
  for (unsigned i = 0; i < CACHE_CHUNKS; i++) {
    free(table->entries[i]);
    free(table->buckets[i]);
  }
  *table = (struct cache_table){0};
}

uint32_t cache_table_take(struct cache_table *table) {
  const uint32_t number = table->free;
  if (number == CACHE_NONE) return reach_entry(table, table->used) ? table->used++ : CACHE_NONE;
  table->free = cache_table_entry(table, number)->chain;
  return number;
}

void cache_table_give(struct cache_table *table, uint32_t number) {
  cache_table_entry(table, number)->chain = table->free;
  table->free = number;
}

// The index.

static uint32_t hash_of(const struct cache_key *key) {
  uint32_t hash;
  memcpy(&hash, key->bytes, sizeof hash);
  return hash;
}

// By one more bit of the hash where the bucket has been split already.
static uint32_t *bucket_of(const struct cache_table *table, const struct cache_key *key) {
  const uint32_t hash = hash_of(key);
  const uint32_t bucket = hash & (2 * table->mask + 1);
  return bucket_at(table, bucket < table->bucket_count ? bucket : hash & table->mask);
}

// Adds the next bucket, which takes over half of another one. Without memory the chains get longer.
static void split(struct cache_table *table) {
  const uint32_t added = table->bucket_count;
  if (added > UINT32_MAX / 2 || !reach_bucket(table, added)) return;
  const uint32_t twice = 2 * table->mask + 1;
  uint32_t *link = bucket_at(table, added & table->mask), *new_bucket = bucket_at(table, added);
  *new_bucket = CACHE_NONE;
  while (*link != CACHE_NONE) {
    const uint32_t number = *link;
    struct cache_entry *entry = cache_table_entry(table, number);
    if ((hash_of(&entry->key) & twice) != added) {
      link = &entry->chain;
      continue;
    }
    *link = entry->chain;
    entry->chain = *new_bucket;
    *new_bucket = number;
  }
  table->bucket_count++;
  if (table->bucket_count == twice + 1) table->mask = twice;
}

uint32_t cache_table_find(const struct cache_table *table, const struct cache_key *key) {
  uint32_t number = *bucket_of(table, key);
  while (number != CACHE_NONE) {
    const struct cache_entry *entry = cache_table_entry(table, number);
    if (memcmp(entry->key.bytes, key->bytes, CACHE_KEY_BYTES) == 0) break;
    number = entry->chain;
  }
  return number;
}

void cache_table_insert(struct cache_table *table, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(table, number);
  table->count++;
  for (int i = 0; i < BUCKETS_AN_ENTRY && table->bucket_count / BUCKETS_AN_ENTRY < table->count; i++) split(table);
  uint32_t *bucket = bucket_of(table, &entry->key);
  entry->chain = *bucket;
  *bucket = number;
}

void cache_table_remove(struct cache_table *table, uint32_t number) {
  const struct cache_entry *entry = cache_table_entry(table, number);
  uint32_t *link = bucket_of(table, &entry->key);
  while (*link != number) link = &cache_table_entry(table, *link)->chain;
  *link = entry->chain;
  table->count--;
}
