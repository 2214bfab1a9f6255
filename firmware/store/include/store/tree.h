// Block trees of originals: read a part, verify that part alone.
//
// Every original has a record of its leaf hashes beside it (originals/<2 chars>/<id>.tree, kind tree: its body are the
// leaves, its metadata the original's size and root). It is written when the original is committed; for one that came
// before there were such records it is made by the first whole read that finds the digest right. `delta`'s callers and
// ranged reads use it. Thread-safe.
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "integrity/merkle.h"
#include "store/store.h"

struct store_tree {
  uint64_t bytes;  // of the object
  struct integrity_digest root;
  struct base_blob *leaves;  // integrity_block_count(bytes) digests; unref it
};

// The tree of an original. BASE_NOT_FOUND; BASE_CORRUPT when the bytes are damaged.
enum base_result store_original_tree(struct store *store, const struct integrity_digest *id, struct store_tree *out,
                                     struct base_fault *fault) BASE_CHECKED;
// Reads `bytes` from `offset` of an original into `out` and verifies the blocks they touch, no others. BASE_CORRUPT
// (counted, logged and reported), BASE_BAD_INPUT past the end, BASE_NOT_FOUND.
enum base_result store_original_read(struct store *store, const struct integrity_digest *id,
                                     const struct store_tree *tree, uint64_t offset, uint8_t *out, size_t bytes,
                                     struct base_fault *fault) BASE_CHECKED;

#endif
