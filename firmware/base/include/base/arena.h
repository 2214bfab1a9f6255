// A bounded memory file for large blobs, so that a socket can be given their pages instead of a copy of their bytes.
//
// Whoever keeps large blobs in RAM and sends them often puts them here (the variants of `pop`); `delivery` sends what
// has a descriptor by sendfile. Thread-safe.
//
// Bytes stand on pages of their own from a page's start on. When a blob's last reference goes, its pages are taken out
// of the file (a hole) before the range is used again: a socket that still has them queued keeps the old pages, and
// whatever comes into the range next gets new ones. Nobody ever writes to a page that has left this process.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

// Fewer bytes are copied faster than their pages are handled (measured with sockets on loopback).
enum { BASE_ARENA_DEFAULT_MIN_BYTES = 24 * 1024 };

struct base_arena_config {
  uint64_t capacity_bytes;  // rounded up to pages; memory is taken only for what is in it
  size_t min_bytes;         // smaller blobs stay out; 0: BASE_ARENA_DEFAULT_MIN_BYTES
};

struct base_arena_stats {
  uint64_t capacity_bytes;
  uint64_t used_bytes;  // whole pages
  uint64_t blobs;
  uint64_t refused;     // large enough, but there was no room or no memory
  uint64_t lost_bytes;  // pages that the kernel did not take out of the file; they are not used again
};

// BASE_NO_MEMORY or BASE_IO: without an arena everything works, by copying.
enum base_result base_arena_create(const struct base_arena_config *config, struct base_arena **out,
                                   struct base_fault *fault) BASE_CHECKED;
// Nothing more is moved in. The memory goes with the last of its blobs, which may outlive this.
void base_arena_destroy(struct base_arena **arena);
// Moves a blob in: takes the caller's reference and returns one of a blob with the same bytes. That is the same blob
// when the arena is NULL or full, or the blob is small or in an arena already.
struct base_blob *base_arena_move_in(struct base_arena *arena, struct base_blob *blob);
void base_arena_get_stats(struct base_arena *arena, struct base_arena_stats *out);
// Bytes that a blob costs: its own, or the pages it stands on.
size_t base_arena_cost(const struct base_blob *blob);

// For base_blob_unref: the blob's last reference has gone.
void base_arena_take_back(const struct base_blob *blob);

#endif
