// The header block of a file in a tar archive (POSIX.1-1988 10.1.1).
#ifndef ARCHIVE_HEAD_H
#define ARCHIVE_HEAD_H

#include "archive/tar.h"

enum base_result archive_head_write(const struct archive_entry *entry, uint8_t out[ARCHIVE_BLOCK_BYTES],
                                    struct base_fault *fault) BASE_CHECKED;
// *is_folder: there is nothing to read of it.
enum base_result archive_head_read(const uint8_t block[ARCHIVE_BLOCK_BYTES], struct archive_entry *out, bool *is_folder,
                                   struct base_fault *fault) BASE_CHECKED;

#endif
