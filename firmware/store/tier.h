// The disk tier: which variants and levels are on disk, in the order of their use, within one budget; and the steps of
// keeping and reading one, whichever kind it is.
#ifndef STORE_TIER_H
#define STORE_TIER_H

#include "inside.h"

struct store_tier_counts {
  uint64_t variants, variant_bytes, levels, level_bytes;
};
void store_tier_count(struct store *store, struct store_tier_counts *out);

// Something on its way into the tier; one of `variant` and `level` is set.
struct store_placement {
  struct cache_key key;
  const struct store_variant *variant;
  const struct store_level *level;
  struct store_path temporary;
  struct integrity_digest root;  // of the body's tree
  uint64_t file_bytes;
};

// BASE_TOO_LARGE, BASE_NO_SPACE.
enum base_result store_tier_check(struct store *store, struct base_span body, struct base_fault *fault) BASE_CHECKED;
// Writes the record to placement->temporary. `record` is complete but for its metadata, which are `meta`.
enum base_result store_tier_write(struct store *store, struct store_placement *placement, struct store_record *record,
                                  struct base_span body, struct base_fault *fault) BASE_CHECKED;
// Gives the file its name: file, tier and queue of changes change together. The original's lock is held.
enum base_result store_tier_place(struct store *store, const struct store_placement *placement,
                                  struct base_fault *fault) BASE_CHECKED;
// Reads and verifies what is kept under `key`; `take` reads the metadata. BASE_NOT_FOUND for a miss, also when the
// record was damaged (it is dropped and counted). *out is the caller's.
enum base_result store_tier_read(struct store *store, const struct cache_key *key,
                                 enum base_result (*take)(void *argument, const struct store_record *record,
                                                          struct base_fault *fault),
                                 void *argument, struct base_blob **out, struct base_fault *fault) BASE_CHECKED;
// Takes a damaged or missing record out, counts and logs it.
void store_tier_drop_damaged(struct store *store, const struct cache_key *key, const struct base_fault *fault);

#endif
