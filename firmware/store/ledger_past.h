// The leaves of what the last compaction pruned, so that checkpoints from before it can still be shown to be
// consistent.
//
// A convenience: what fails is logged, and is as if there were none.
#ifndef STORE_LEDGER_PAST_H
#define STORE_LEDGER_PAST_H

#include "ledger_inside.h"

// The writer's: replaces the file by one for what the compaction is about to prune. Returns what `leaves_first` is to
// be afterwards, and how many bytes the file has.
uint64_t store_ledger_past_write(struct store_ledger *ledger, uint64_t *file_bytes);
// At open: fills the tree that the file `pruned` describes, with hashes from `leaves_first` on. False: there is none,
// and the tree is as it was.
bool store_ledger_past_load(struct store_ledger *ledger, struct base_span pruned);
// A tile of level 0 in [leaves_first, first). Not locked. BASE_NOT_FOUND.
enum base_result store_ledger_past_read(struct store_ledger *ledger, const struct integrity_tile *tile,
                                        struct integrity_digest out[INTEGRITY_TILE_WIDTH],
                                        struct base_fault *fault) BASE_CHECKED;

#endif
