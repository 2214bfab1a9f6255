// An object's bytes as they come, in one go through its SHA-256 and its tree of 64 KiB blocks.
#ifndef PIXPOP_VERIFY_HASH_H
#define PIXPOP_VERIFY_HASH_H

#include "integrity/merkle.h"

// 64 KiB: not for the stack of a deep call.
struct verify_hash {
  struct integrity_hash whole;
  struct integrity_merkle tree;
  uint64_t bytes;
  size_t held;  // of a block that is not full yet
  uint8_t block[INTEGRITY_BLOCK_BYTES];
};

void verify_hash_begin(struct verify_hash *hash);
void verify_hash_add(struct verify_hash *hash, struct base_span bytes);
void verify_hash_end(struct verify_hash *hash, struct integrity_digest *digest, struct integrity_digest *root);
// `bytes` of a file from `offset`; `moved` is told of every block. BASE_IO, and BASE_CORRUPT when the file is shorter.
enum base_result verify_hash_file(struct verify_hash *hash, int fd, uint64_t offset, uint64_t bytes,
                                  void (*moved)(void *self, uint64_t bytes), void *self,
                                  struct base_fault *fault) BASE_CHECKED;

#endif
