#include "leaves.h"

#include <string.h>

static const uint8_t leaf_prefix = 0x00;  // RFC 6962 section 2.1

void store_leaves_init(struct store_leaves *leaves) {
  leaves->bytes = 0;
  base_buffer_init(&leaves->list, SIZE_MAX / 2);
}

void store_leaves_release(struct store_leaves *leaves) { base_buffer_finish(&leaves->list); }

void store_leaves_restart(struct store_leaves *leaves) {
  store_leaves_release(leaves);
  store_leaves_init(leaves);
}

// False, and back at the start, when memory is short.
static bool end_block(struct store_leaves *leaves) {
  struct integrity_digest leaf;
  integrity_hash_finish(&leaves->block, &leaf);
  if (base_buffer_append(&leaves->list, leaf.bytes, sizeof leaf.bytes) == BASE_OK) return true;
  store_leaves_restart(leaves);
  return false;
}

void store_leaves_add(struct store_leaves *leaves, struct base_span bytes) {
  while (bytes.bytes > 0) {
    const size_t begun = (size_t)(leaves->bytes % INTEGRITY_BLOCK_BYTES);
    const struct base_span piece = base_span_slice(bytes, 0, INTEGRITY_BLOCK_BYTES - begun);
    if (begun == 0) {
      integrity_hash_init(&leaves->block);
      integrity_hash_update(&leaves->block, base_span_of(&leaf_prefix, sizeof leaf_prefix));
    }
    integrity_hash_update(&leaves->block, piece);
    leaves->bytes += piece.bytes;
    bytes = base_span_slice(bytes, piece.bytes, bytes.bytes - piece.bytes);
    if (leaves->bytes % INTEGRITY_BLOCK_BYTES == 0 && !end_block(leaves)) return;
  }
}

enum base_result store_leaves_finish(struct store_leaves *leaves, struct base_fault *fault) {
  const bool is_open = leaves->bytes % INTEGRITY_BLOCK_BYTES != 0;
  if (is_open && !end_block(leaves)) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
  store_leaves_root(base_buffer_span(&leaves->list), &leaves->root);
  return BASE_OK;
}

void store_leaves_root(struct base_span leaves, struct integrity_digest *out) {
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (size_t at = 0; at < leaves.bytes; at += sizeof out->bytes) {
    struct integrity_digest leaf;
    memcpy(leaf.bytes, leaves.data + at, sizeof leaf.bytes);
    integrity_merkle_add(&tree, &leaf);
  }
  integrity_merkle_root(&tree, out);
}
