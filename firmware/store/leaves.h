// The leaves of an object's block tree, made while its bytes go by in pieces of any size.
//
// Takes 32 bytes of memory for every 64 KiB that went by. Belongs to one thread.
#ifndef STORE_LEAVES_H
#define STORE_LEAVES_H

#include "integrity/merkle.h"

struct store_leaves {
  uint64_t bytes;               // that went by
  struct integrity_hash block;  // of the block under way
  struct base_buffer list;      // of digests, one a finished block
  struct integrity_digest root;
};

void store_leaves_init(struct store_leaves *leaves);
void store_leaves_release(struct store_leaves *leaves);
// Back to no bytes.
void store_leaves_restart(struct store_leaves *leaves);
// Short of memory they restart: `bytes` is 0 then.
void store_leaves_add(struct store_leaves *leaves, struct base_span bytes);
// Ends the last block and sets the root; nothing can be added any more. BASE_NO_MEMORY.
enum base_result store_leaves_finish(struct store_leaves *leaves, struct base_fault *fault) BASE_CHECKED;

// The root over `leaves`, whose length is a multiple of a digest's.
void store_leaves_root(struct base_span leaves, struct integrity_digest *out);

#endif
