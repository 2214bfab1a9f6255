// Making the index of a store anew from its records.
#ifndef STORE_REINDEX_H
#define STORE_REINDEX_H

#include "store/store.h"

// Rebuilds index.sqlite of a closed store from its records. `progress` may be NULL. Fills counts. BASE_CONFLICT when
// it is open.
struct store_reindex_report {
  uint64_t originals, variants, levels;  // readable records
  uint64_t damaged;  // records that fail their checks: sidecars are kept, variants and levels dropped
  uint64_t unknown;  // records of an unknown format or kind, left alone
  uint64_t orphans;  // originals without a sidecar, variants and levels without an original, removed
};
enum base_result store_reindex(const struct store_config *config, void (*progress)(void *argument, uint64_t done),
                               void *argument, struct store_reindex_report *out, struct base_fault *fault) BASE_CHECKED;

#endif
