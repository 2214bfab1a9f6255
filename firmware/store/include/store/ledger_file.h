// The files of a ledger, as they lie under <root>/ledger/, for the store itself and for whoever reads them without one.
//
//   key, vkey, checkpoint    see store/ledger.h
//   entries/x000/001         records of up to 256 entries, one behind the other
//   pruned                   when the front has been pruned: 8 bytes "pxprune" 0x01, u64 first kept entry (a multiple
//   of
//                            256), then for each tile level from 1 up the hashes of the partial tile of a tree of that
//                            many entries, then the SHA-256 of all before
//   past                     leaves of what was pruned last; store only, not needed, see store/ledger.h
// A record, big-endian:
//   0   u16       bytes of the subject
//   2   58 bytes  the entry (integrity/entry.h)
//   60  16 bytes  its salt
//   76  ...       its subject
//   ... 8 bytes   the first of SHA-256 of all before: a torn record shows
// Behind the entries that the checkpoint covers there may be more, and a torn one at the end. Thread-safe: no state but
// the caller's.
#ifndef STORE_LEDGER_FILE_H
#define STORE_LEDGER_FILE_H

#include "integrity/entry.h"
#include "integrity/tiles.h"

enum {
  STORE_LEDGER_CHECK_BYTES = 8,
  STORE_LEDGER_RECORD_HEAD_BYTES = 2 + INTEGRITY_ENTRY_BYTES + INTEGRITY_SALT_BYTES,
  STORE_LEDGER_MAX_RECORD_BYTES =
      STORE_LEDGER_RECORD_HEAD_BYTES + INTEGRITY_SUBJECT_MAX_BYTES + STORE_LEDGER_CHECK_BYTES,
  STORE_LEDGER_MAX_BUNDLE_BYTES = INTEGRITY_TILE_WIDTH * STORE_LEDGER_MAX_RECORD_BYTES,
};

struct store_ledger_record {
  uint8_t entry[INTEGRITY_ENTRY_BYTES];
  uint8_t salt[INTEGRITY_SALT_BYTES];
  struct base_span subject;  // borrowed from what was read
};

enum base_result store_ledger_record_write(const struct store_ledger_record *record, struct base_buffer *out,
                                           struct base_fault *fault) BASE_CHECKED;
// Cuts the first record off `*rest`, which stays when there is no whole one: BASE_CORRUPT; BASE_NOT_FOUND when nothing
// is left. That entry, salt and subject belong together is not looked at (store_ledger_record_check).
enum base_result store_ledger_record_next(struct base_span *rest, struct store_ledger_record *out,
                                          struct base_fault *fault) BASE_CHECKED;
// Parses entry and subject and checks them against each other. BASE_CORRUPT, BASE_UNSUPPORTED.
enum base_result store_ledger_record_check(const struct store_ledger_record *record, struct integrity_entry *entry,
                                           struct integrity_subject *subject, struct base_fault *fault) BASE_CHECKED;

// The tree of a ledger as far as it must be in memory: the hashes of tile level 1 and above, and of level 0 the leaves
// behind the last full tile.
struct store_ledger_tree {
  uint64_t size;                  // entries
  struct integrity_merkle peaks;  // for the root
  struct {
    uint64_t first;             // index of the first hash that is kept: a multiple of 256
    struct base_buffer hashes;  // of struct integrity_digest
  } levels[INTEGRITY_TILE_LEVELS];
};

void store_ledger_tree_init(struct store_ledger_tree *tree);
void store_ledger_tree_finish(struct store_ledger_tree *tree);
// BASE_NO_MEMORY: the tree is as it was.
enum base_result store_ledger_tree_add(struct store_ledger_tree *tree, const struct integrity_digest *leaf,
                                       struct base_fault *fault) BASE_CHECKED;
void store_ledger_tree_root(const struct store_ledger_tree *tree, struct integrity_digest *out);
// The tile's hashes. BASE_NOT_FOUND: pruned, not there yet, or of level 0 and not the last one.
enum base_result store_ledger_tree_read(const struct store_ledger_tree *tree, const struct integrity_tile *tile,
                                        struct integrity_digest out[INTEGRITY_TILE_WIDTH],
                                        struct base_fault *fault) BASE_CHECKED;
// Appends the file `pruned` for a ledger that begins at `first`, a multiple of 256 up to the tree's size.
enum base_result store_ledger_tree_write_pruned(const struct store_ledger_tree *tree, uint64_t first,
                                                struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Forgets what only entries before `first` need.
void store_ledger_tree_prune(struct store_ledger_tree *tree, uint64_t first);
// Into an empty tree: it has as many entries as the file says were pruned. BASE_CORRUPT, BASE_NO_MEMORY.
enum base_result store_ledger_tree_read_pruned(struct store_ledger_tree *tree, struct base_span file,
                                               struct base_fault *fault) BASE_CHECKED;

#endif
