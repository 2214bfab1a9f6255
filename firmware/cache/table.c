#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_A_CHUNK = 4096, BUCKETS_AN_ENTRY = 2, FIRST_POINTERS = 8 };

// An array of `count` pointers with room for one more, which may have moved (what they point to has not); NULL when
// memory is short.
static void *with_room(void *pointers, size_t count) {
  // Full at every power of two from the first size on.
  if (count > 0 && (count < FIRST_POINTERS || (count & (count - 1)) != 0)) return pointers;
  return realloc(pointers, (count == 0 ? FIRST_POINTERS : 2 * count) * sizeof(void *));
}

static bool add_chunk(struct cache_table *table) {
  struct cache_chunk **chunks = with_room(table->chunks, table->chunk_count);
  if (!chunks) return false;
  table->chunks = chunks;
  chunks[table->chunk_count] = aligned_alloc(CACHE_LINE_BYTES, sizeof **chunks);
  if (!chunks[table->chunk_count]) return false;
  table->chunk_count++;
  return true;
}

static bool add_bucket_chunk(struct cache_table *table) {
  uint32_t **buckets = with_room(table->buckets, table->bucket_chunks);
  if (!buckets) return false;
  table->buckets = buckets;
  buckets[table->bucket_chunks] = calloc(BUCKETS_A_CHUNK, sizeof **buckets);  // CACHE_NONE
  if (!buckets[table->bucket_chunks]) return false;
  table->bucket_chunks++;
  return true;
}

bool cache_table_init(struct cache_table *table) {
  *table = (struct cache_table){.used = 1, .bucket_count = 1, .mask = 0};
  if (add_chunk(table) && add_bucket_chunk(table)) return true;
  cache_table_finish(table);
  return false;
}

void cache_table_finish(struct cache_table *table) {
  for (size_t i = 0; i < table->chunk_count; i++) free(table->chunks[i]);
  for (size_t i = 0; i < table->bucket_chunks; i++) free(table->buckets[i]);
  free(table->chunks);
  free(table->buckets);
}

struct cache_entry *cache_table_take(struct cache_table *table) {
  if (table->free != CACHE_NONE) {
    struct cache_entry *entry = cache_table_entry(table, table->free);
    table->free = entry->chain;
    return entry;
  }
  if (table->used == UINT32_MAX) return NULL;
  if (table->used / CACHE_CHUNK_ENTRIES == table->chunk_count && !add_chunk(table)) return NULL;
  struct cache_entry *entry = cache_table_entry(table, table->used);
  entry->number = table->used++;
  return entry;
}

void cache_table_give(struct cache_table *table, struct cache_entry *entry) {
  entry->chain = table->free;
  table->free = entry->number;
}

// The index.

static uint32_t *bucket_at(const struct cache_table *table, uint32_t bucket) {
  return &table->buckets[bucket / BUCKETS_A_CHUNK][bucket % BUCKETS_A_CHUNK];
}

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
  if (added > UINT32_MAX / 2) return;
  if (added / BUCKETS_A_CHUNK == table->bucket_chunks && !add_bucket_chunk(table)) return;
  const uint32_t twice = 2 * table->mask + 1;
  uint32_t *link = bucket_at(table, added & table->mask), *new_bucket = bucket_at(table, added);
  while (*link != CACHE_NONE) {
    struct cache_entry *entry = cache_table_entry(table, *link);
    if ((hash_of(&entry->key) & twice) != added) {
      link = &entry->chain;
      continue;
    }
    *link = entry->chain;
    entry->chain = *new_bucket;
    *new_bucket = entry->number;
  }
  table->bucket_count++;
  if (table->bucket_count == twice + 1) table->mask = twice;
}

struct cache_entry *cache_table_find(const struct cache_table *table, const struct cache_key *key) {
  uint32_t number = *bucket_of(table, key);
  while (number != CACHE_NONE) {
    struct cache_entry *entry = cache_table_entry(table, number);
    if (memcmp(entry->key.bytes, key->bytes, CACHE_KEY_BYTES) == 0) return entry;
    number = entry->chain;
  }
  return NULL;
}

void cache_table_insert(struct cache_table *table, struct cache_entry *entry) {
  table->count++;
  for (int i = 0; i < BUCKETS_AN_ENTRY && table->bucket_count / BUCKETS_AN_ENTRY < table->count; i++) split(table);
  uint32_t *bucket = bucket_of(table, &entry->key);
  entry->chain = *bucket;
  *bucket = entry->number;
}

void cache_table_remove(struct cache_table *table, struct cache_entry *entry) {
  uint32_t *link = bucket_of(table, &entry->key);
  while (*link != entry->number) link = &cache_table_entry(table, *link)->chain;
  *link = entry->chain;
  table->count--;
}
