// What the files of this room share: the store itself and its locks.
//
// Locks, in the order they are taken: one of `original_locks`, one of `variant_locks`, then the leaves (pending, index,
// doomed, names, descriptors, the tier's own). No lock is held while an upload's bytes are written or synced.
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "files.h"
#include "findings.h"
#include "index.h"
#include "leaves.h"
#include "paths.h"
#include "pending.h"
#include "store/reindex.h"
#include "store/store.h"

enum { STORE_LOCKS = 64 };

#define STORE_ROOM "store"

// A variant or level known to the disk tier; the tier's value.
struct store_tier_entry {
  struct cache_key key;
  bool is_level;
  struct store_tier_entry *next;  // in the list of the doomed
};

struct store_meters {
  struct base_metric *originals, *original_bytes, *variants, *variant_bytes, *levels, *level_bytes;
  struct base_metric *uploads_new, *uploads_known, *uploads_failed, *deletes;
  struct base_metric *variant_hits, *variant_misses, *variant_puts, *variant_evictions, *variant_drops;
  struct base_metric *level_hits, *level_misses, *level_puts, *level_evictions;
  struct base_metric *kept;  // uploads that may be resumed
  struct base_metric *damaged_originals, *known_damaged, *damaged, *unknown, *orphans, *no_space;
  struct base_histogram *commit_seconds;
};

struct store {
  struct store_config config;
  char *root;  // what config.root points to
  int root_fd;
  int lock_fd;
  struct store_index *index;
  bool is_index_in_memory;  // the disk was full at the start
  struct cache_lru *tier;
  struct store_pending *pending;
  struct store_names *names;              // of kept uploads that are open
  struct store_descriptors *descriptors;  // of uploads
  struct store_findings *findings;
  struct store_ledger *ledger;          // NULL: off
  char boot_id[STORE_MAX_BOOT_ID + 1];  // empty: unknown
  // Serialise what happens to one original (its bytes, sidecars, variants and levels) and to one file of the tier.
  pthread_mutex_t original_locks[STORE_LOCKS];
  pthread_mutex_t variant_locks[STORE_LOCKS];
  pthread_mutex_t doomed_lock;
  struct store_tier_entry *doomed;  // out of the tier, files still to be removed
  atomic_uint_fast64_t next_temporary;
  atomic_uint_fast64_t next_use;  // ever growing; orders the tier by last use
  atomic_uint_fast64_t reserved_bytes;
  atomic_uint_fast64_t originals, original_bytes;
  atomic_uint_fast64_t levels, level_bytes;  // in the tier
  atomic_uint uploads;                       // open ones
  atomic_bool is_index_behind;               // the index missed something: the next open must look at the records
  struct store_meters meters;
};

static inline pthread_mutex_t *store_original_lock(struct store *store, const struct integrity_digest *id) {
  return &store->original_locks[id->bytes[0] % STORE_LOCKS];
}
static inline pthread_mutex_t *store_variant_lock(struct store *store, const struct cache_key *key) {
  return &store->variant_locks[key->bytes[0] % STORE_LOCKS];
}

// original.c.
// Reads and checks a sidecar against its name, and that the bytes are there in full.
enum base_result store_sidecar_read(struct store *store, const char *tenant, const struct integrity_digest *id,
                                    struct store_original *out, struct base_fault *fault) BASE_CHECKED;
// Makes the synced file `temporary` the bytes of `original` (complete but for what is known already) and its record,
// with the report, and writes its tree of `leaves`, which are finished.
enum base_result store_original_adopt(struct store *store, const char *temporary, struct store_original *original,
                                      const struct store_leaves *leaves, struct base_span report, bool *is_new,
                                      struct base_fault *fault) BASE_CHECKED;

// Writes a damaged sidecar anew from the index, if it still is: without the report, which is lost until the
// next upload. BASE_NOT_FOUND: the index does not know it.
enum base_result store_sidecar_mend(struct store *store, const char *tenant, const struct integrity_digest *id,
                                    bool *is_mended, struct base_fault *fault) BASE_CHECKED;
// At open: makes the record again from the index when it is missing or damaged and the bytes are there.
enum base_result store_sidecar_restore(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       bool *is_restored, struct base_fault *fault) BASE_CHECKED;

// tier.c; what variants and levels need of it is in tier.h.
enum base_result store_tier_create(struct store *store, struct base_fault *fault) BASE_CHECKED;
// Fills the tier from the index, coldest first.
enum base_result store_tier_load(struct store *store, struct base_fault *fault) BASE_CHECKED;
void store_tier_destroy(struct store *store);
// Unlinks the files of what left the tier. No lock may be held.
void store_tier_bury(struct store *store);
// Evicts and unlinks at least `bytes`, coldest first. False, with nothing done, when there is less. No lock may be
// held.
bool store_tier_make_room(struct store *store, uint64_t bytes);

// variant.c and level.c; call store_tier_bury afterwards.
// Removes all variants of a tenant's original. Its original lock is held.
enum base_result store_variants_remove(struct store *store, const char *tenant, const struct integrity_digest *original,
                                       struct base_fault *fault) BASE_CHECKED;
struct cache_key store_level_key(const struct integrity_digest *original, unsigned shrink);
void store_levels_remove(struct store *store, const struct integrity_digest *original);

// scan.c.
// Brings the index up to date with the records and removes orphans. Nobody else uses the store yet.
enum base_result store_scan(struct store *store, void (*progress)(void *argument, uint64_t done), void *argument,
                            struct store_reindex_report *out, struct base_fault *fault) BASE_CHECKED;

// pending.c, over the store.
// Queues an index change; a change that can not be queued or written leaves the index behind.
void store_pend(struct store *store, enum store_change change, const struct cache_key *key);
void store_pend_variant(struct store *store, const struct store_variant *variant, uint64_t file_bytes);
void store_pend_level(struct store *store, const struct store_level *level, uint64_t file_bytes);
// Writes the queue when it is long. No original or variant lock should be held.
void store_pend_flush_if_long(struct store *store);
enum base_result store_pend_flush(struct store *store, struct base_fault *fault) BASE_CHECKED;

#endif
