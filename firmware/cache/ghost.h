// Keys of entries that were evicted, oldest first, so that what comes back soon is known. S3-FIFO's.
//
// It costs a table's entry a key, so its length is bounded by the caller: by count and by the bytes that the entries
// had when they were there.
#ifndef CACHE_GHOST_H
#define CACHE_GHOST_H

#include "table.h"

struct cache_ghosts {
  struct cache_table table;
  uint64_t count, bytes;
};

// False when memory is short.
bool cache_ghosts_init(struct cache_ghosts *ghosts);
void cache_ghosts_finish(struct cache_ghosts *ghosts);
// Remembers the key, forgetting the oldest ones down to the limits. Without memory it is not remembered.
void cache_ghosts_add(struct cache_ghosts *ghosts, const struct cache_key *key, uint64_t bytes, uint64_t most,
                      uint64_t most_bytes);
// True when the key was there; it is forgotten then.
bool cache_ghosts_take(struct cache_ghosts *ghosts, const struct cache_key *key);

#endif
