// The record of an original's leaf hashes, as a file: originals/<2 chars>/<id>.tree.
#ifndef STORE_TREE_FILE_H
#define STORE_TREE_FILE_H

#include "leaves.h"
#include "store/tree.h"

// BASE_NOT_FOUND, BASE_CORRUPT; BASE_UNSUPPORTED: of another firmware. The original's bytes are not looked at.
enum base_result store_tree_load(struct store *store, const struct integrity_digest *id, struct store_tree *out,
                                 struct base_fault *fault) BASE_CHECKED;
// Writes finished leaves, unless a record of another firmware is there. Not fsynced: a torn one fails its checks and is
// made anew. A failure is logged and costs a later whole read, no more. The original's lock is held, and its bytes are
// there.
void store_tree_place(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves);
// The same, taking the lock, if the bytes are there.
void store_tree_keep(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves);

#endif
