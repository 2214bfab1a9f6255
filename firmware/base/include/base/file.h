// Small file operations with the durability stated in the name.
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/span.h"

// Reads a whole regular file (else BASE_BAD_INPUT), at most `limit_bytes` (BASE_TOO_LARGE). `out` is initialised by the
// callee; finish it. It is empty after a failure.
enum base_result base_file_read(const char *path, size_t limit_bytes, struct base_buffer *out,
                                struct base_fault *fault) BASE_CHECKED;
// Writes via "<path>.tmp", fsync, rename, fsync of the folder: after BASE_OK the new content survives power loss,
// and at any moment the path holds the old or the new content whole. The file gets `mode` whatever the umask; only
// one caller at a time may replace a path.
enum base_result base_file_replace_durably(const char *path, struct base_span content, mode_t mode,
                                           struct base_fault *fault) BASE_CHECKED;
// write(2) until everything is written; retries EINTR.
enum base_result base_fd_write_all(int fd, struct base_span content, struct base_fault *fault) BASE_CHECKED;
// pread(2) until `bytes` are read; BASE_CORRUPT when the file ends early.
enum base_result base_fd_pread_all(int fd, void *out, size_t bytes, off_t offset,
                                   struct base_fault *fault) BASE_CHECKED;
// Makes a folder and its missing parents (mode 0750), durably; one that exists is fine.
enum base_result base_folder_make(const char *path, struct base_fault *fault) BASE_CHECKED;
// fsync of a folder, so that renames in it are durable.
enum base_result base_folder_sync(const char *path, struct base_fault *fault) BASE_CHECKED;
// Closes and sets to -1; -1 is accepted.
void base_fd_close(int *fd);

#endif
