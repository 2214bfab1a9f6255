#include "verify_hash.h"

#include <fcntl.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"

static void add_block(struct verify_hash *hash, struct base_span block) {
  struct integrity_digest leaf;
  integrity_hash_update(&hash->whole, block);  // both while the block is in the processor's cache
  integrity_merkle_leaf(block, &leaf);
  integrity_merkle_add(&hash->tree, &leaf);
}

void verify_hash_begin(struct verify_hash *hash) {
  integrity_hash_init(&hash->whole);
  integrity_merkle_init(&hash->tree);
  hash->bytes = 0;
  hash->held = 0;
}

void verify_hash_add(struct verify_hash *hash, struct base_span bytes) {
  hash->bytes += bytes.bytes;
  while (bytes.bytes > 0) {
    if (hash->held == 0 && bytes.bytes >= INTEGRITY_BLOCK_BYTES) {
      add_block(hash, base_span_slice(bytes, 0, INTEGRITY_BLOCK_BYTES));
      bytes = base_span_slice(bytes, INTEGRITY_BLOCK_BYTES, bytes.bytes);
      continue;
    }
    const struct base_span piece = base_span_slice(bytes, 0, INTEGRITY_BLOCK_BYTES - hash->held);
    memcpy(hash->block + hash->held, piece.data, piece.bytes);
    hash->held += piece.bytes;
    bytes = base_span_slice(bytes, piece.bytes, bytes.bytes);
    if (hash->held < INTEGRITY_BLOCK_BYTES) continue;
    add_block(hash, base_span_of(hash->block, hash->held));
    hash->held = 0;
  }
}

void verify_hash_end(struct verify_hash *hash, struct integrity_digest *digest, struct integrity_digest *root) {
  if (hash->held > 0) add_block(hash, base_span_of(hash->block, hash->held));
  hash->held = 0;
  integrity_hash_finish(&hash->whole, digest);
  integrity_merkle_root(&hash->tree, root);
}

enum base_result verify_hash_file(struct verify_hash *hash, int fd, uint64_t offset, uint64_t bytes,
                                  void (*moved)(void *self, uint64_t bytes), void *self, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  verify_hash_begin(hash);
  (void)posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_SEQUENTIAL);
  while (hash->bytes < bytes && result == BASE_OK) {
    const size_t now = (size_t)base_min_u64(bytes - hash->bytes, INTEGRITY_BLOCK_BYTES);
    result = base_fd_pread_all(fd, hash->block, now, (off_t)(offset + hash->bytes), fault);
    if (result != BASE_OK) break;
    add_block(hash, base_span_of(hash->block, now));
    hash->bytes += now;
    if (moved) moved(self, now);
  }
  return result;
}
