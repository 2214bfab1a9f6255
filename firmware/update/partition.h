// One partition being overwritten and read back: in blocks, each synced before much more is dirty, and past the page
// cache where the device allows, so that what is read back is what the disk has.
#ifndef UPDATE_PARTITION_H
#define UPDATE_PARTITION_H

#include "integrity/digest.h"

enum { UPDATE_BLOCK_BYTES = 1 << 20, UPDATE_BLOCK_ALIGN = 4096 };

struct update_partition {
  const char *path;
  int fd;                      // -1: closed
  uint64_t capacity;           // bytes
  uint64_t written;            // behind it nothing is changed
  uint64_t synced;             // of it
  struct integrity_hash hash;  // of what was written, or read back
};

// Opens the device for writing and finds out how large it is. BASE_UNSUPPORTED: neither a device nor a file.
enum base_result update_partition_open(const char *path, struct update_partition *out,
                                       struct base_fault *fault) BASE_CHECKED;
// Writes behind what is there already.
enum base_result update_partition_write(struct update_partition *partition, struct base_span bytes,
                                        struct base_fault *fault) BASE_CHECKED;
// All of it is on the disk, and closes.
enum base_result update_partition_end(struct update_partition *partition, struct base_fault *fault) BASE_CHECKED;

// For reading back, without a copy of it that memory holds.
enum base_result update_partition_reopen(struct update_partition *partition, struct base_fault *fault) BASE_CHECKED;
// Reads up to a block at `offset`, which is a multiple of UPDATE_BLOCK_BYTES, of `total` bytes. `block` is aligned.
enum base_result update_partition_read(struct update_partition *partition, uint64_t offset, uint64_t total,
                                       uint8_t *block, struct base_fault *fault) BASE_CHECKED;
void update_partition_close(struct update_partition *partition);

#endif
