// A bounded pool of open descriptors, shared by all uploads: one that waits for its client has none.
//
// Closing a file with unsynced bytes loses no error: Linux reports a failed write-back to the next fsync of the file
// through any descriptor as long as nobody has been told. Thread-safe; its lock is a leaf.
#ifndef STORE_DESCRIPTORS_H
#define STORE_DESCRIPTORS_H

#include <stdint.h>

#include "base/result.h"

enum { STORE_DESCRIPTORS = 64 };

struct store_descriptors;

// A file that may have a descriptor in the pool; used by one thread at a time. Zero-initialise it; it must not move.
struct store_file {
  uint32_t slot;  // where it was last
};

// NULL when memory is short.
struct store_descriptors *store_descriptors_create(void);
// All must have been dropped.
void store_descriptors_destroy(struct store_descriptors **pool);

// The descriptor of the file, opened (openat, with these flags) when it is not, in place of the longest unused one. It
// stays open until it is given back. A thread may hold one at a time: with all lent out, others wait.
enum base_result store_descriptors_borrow(struct store_descriptors *pool, struct store_file *file, int folder_fd,
                                          const char *path, int flags, int *out_fd,
                                          struct base_fault *fault) BASE_CHECKED;
void store_descriptors_give_back(struct store_descriptors *pool, struct store_file *file);
// Closes it, if it is open. It must not be lent out.
void store_descriptors_drop(struct store_descriptors *pool, struct store_file *file);

#endif
