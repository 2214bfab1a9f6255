#include "integrity/merkle.h"

enum { LEAF_PREFIX = 0x00, NODE_PREFIX = 0x01 };

void integrity_merkle_leaf(struct base_span data, struct integrity_digest *out) {
  static const uint8_t prefix[] = {LEAF_PREFIX};
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(prefix, sizeof prefix));
  integrity_hash_update(&hash, data);
  integrity_hash_finish(&hash, out);
}

void integrity_merkle_node(const struct integrity_digest *left, const struct integrity_digest *right,
                           struct integrity_digest *out) {
  static const uint8_t prefix[] = {NODE_PREFIX};
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(prefix, sizeof prefix));
  integrity_hash_update(&hash, base_span_of(left->bytes, sizeof left->bytes));
  integrity_hash_update(&hash, base_span_of(right->bytes, sizeof right->bytes));
  integrity_hash_finish(&hash, out);
}

void integrity_merkle_init(struct integrity_merkle *tree) { tree->leaves = 0; }

// Full subtrees are the ones in the binary number of leaves; adding a leaf carries like adding one.
void integrity_merkle_add(struct integrity_merkle *tree, const struct integrity_digest *leaf) {
  BASE_ASSERT(tree->leaves < UINT64_MAX);
  size_t count = (size_t)__builtin_popcountll(tree->leaves);
  struct integrity_digest node = *leaf;
  for (uint64_t carry = tree->leaves; carry & 1; carry >>= 1) {
    count--;
    integrity_merkle_node(&tree->peaks[count], &node, &node);
  }
  tree->peaks[count] = node;
  tree->leaves++;
}

void integrity_merkle_root(const struct integrity_merkle *tree, struct integrity_digest *out) {
  size_t count = (size_t)__builtin_popcountll(tree->leaves);
  if (count == 0) {
    integrity_digest_of((struct base_span){0}, out);
    return;
  }
  struct integrity_digest node = tree->peaks[--count];
  while (count > 0) integrity_merkle_node(&tree->peaks[--count], &node, &node);
  *out = node;
}

uint64_t integrity_block_count(uint64_t bytes) {
  return bytes / INTEGRITY_BLOCK_BYTES + (bytes % INTEGRITY_BLOCK_BYTES > 0);
}

static void root_of(const struct integrity_digest *leaves, uint64_t count, struct integrity_digest *out) {
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (uint64_t i = 0; i < count; i++) integrity_merkle_add(&tree, &leaves[i]);
  integrity_merkle_root(&tree, out);
}

// Of two or more leaves: the largest power of two below their number.
static uint64_t left_leaves(uint64_t count) { return UINT64_C(1) << (63 - __builtin_clzll(count - 1)); }

size_t integrity_merkle_path(const struct integrity_digest *leaves, uint64_t count, uint64_t index,
                             struct integrity_digest out[INTEGRITY_MERKLE_LEVELS]) {
  BASE_ASSERT(index < count);
  size_t nodes = 0;
  while (count > 1) {  // from the root down to the leaf
    const uint64_t left = left_leaves(count);
    if (index < left) {
      root_of(leaves + left, count - left, &out[nodes++]);
      count = left;
    } else {
      root_of(leaves, left, &out[nodes++]);
      leaves += left;
      index -= left;
      count -= left;
    }
  }
  for (size_t i = 0; i < nodes / 2; i++) {
    const struct integrity_digest upper = out[i];
    out[i] = out[nodes - 1 - i];
    out[nodes - 1 - i] = upper;
  }
  return nodes;
}

bool integrity_merkle_is_in(const struct integrity_digest *leaf, uint64_t index, uint64_t count,
                            const struct integrity_digest *path, size_t path_nodes,
                            const struct integrity_digest *root) {
  if (index >= count) return false;
  struct integrity_digest node = *leaf;
  uint64_t last = count - 1;
  for (size_t i = 0; i < path_nodes; i++) {
    if (last == 0) return false;  // the path is too long
    if (index % 2 == 1 || index == last) {
      integrity_merkle_node(&path[i], &node, &node);
      while (index % 2 == 0 && index != 0) {  // a right end without a sibling stands for its parents too
        index /= 2;
        last /= 2;
      }
    } else {
      integrity_merkle_node(&node, &path[i], &node);
    }
    index /= 2;
    last /= 2;
  }
  return last == 0 && integrity_digest_equal(&node, root);
}
