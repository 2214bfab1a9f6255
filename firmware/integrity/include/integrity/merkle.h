// Merkle trees over SHA-256, with the hashes of RFC 6962 section 2.1: a leaf is SHA-256(0x00 || data), an inner node
// SHA-256(0x01 || left || right), and the left one of two subtrees has the largest power of two of the leaves.
//
// `store` keeps the leaves of every record's blocks and reads by them. Thread-safe: there is no state but the caller's.
#ifndef INTEGRITY_MERKLE_H
#define INTEGRITY_MERKLE_H

#include "integrity/digest.h"

enum {
  INTEGRITY_BLOCK_BYTES = 64 * 1024,  // a stored object's leaves are its blocks of this size, the last one shorter
  INTEGRITY_MERKLE_LEVELS = 64,       // of a tree of 2^64 - 1 leaves; the longest path too
};

void integrity_merkle_leaf(struct base_span data, struct integrity_digest *out);
void integrity_merkle_node(const struct integrity_digest *left, const struct integrity_digest *right,
                           struct integrity_digest *out);

// A tree that grows leaf by leaf, in the memory of one path.
struct integrity_merkle {
  uint64_t leaves;
  struct integrity_digest peaks[INTEGRITY_MERKLE_LEVELS];  // of its full subtrees, the largest first
};
void integrity_merkle_init(struct integrity_merkle *tree);
void integrity_merkle_add(struct integrity_merkle *tree, const struct integrity_digest *leaf);
// The root so far; of no leaves it is SHA-256 of nothing. The tree may go on growing.
void integrity_merkle_root(const struct integrity_merkle *tree, struct integrity_digest *out);

// How many blocks `bytes` are, so how many leaves they have: none for 0.
uint64_t integrity_block_count(uint64_t bytes);

// The audit path of leaf `index` (RFC 6962 section 2.1.1), from the leaf up; the number of nodes in it. `index` must be
// below `count`.
size_t integrity_merkle_path(const struct integrity_digest *leaves, uint64_t count, uint64_t index,
                             struct integrity_digest out[INTEGRITY_MERKLE_LEVELS]);
// Whether `leaf` is the one at `index` of the `count` that `root` stands for (RFC 9162 section 2.1.3.2).
bool integrity_merkle_is_in(const struct integrity_digest *leaf, uint64_t index, uint64_t count,
                            const struct integrity_digest *path, size_t path_nodes,
                            const struct integrity_digest *root);

#endif
