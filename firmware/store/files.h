// File operations under the store's root.
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "paths.h"
#include "store/record.h"

// Makes a folder in an existing one, which is synced when `is_durable`. Fine when it is there.
enum base_result store_folder_make(struct store *store, const char *path, bool is_durable,
                                   struct base_fault *fault) BASE_CHECKED;
enum base_result store_folder_sync(struct store *store, const char *path, struct base_fault *fault) BASE_CHECKED;
// Calls `visit` with every name but "." and ".."; a missing folder is an empty one. `visit` may remove the file.
enum base_result store_folder_visit(struct store *store, const char *path,
                                    enum base_result (*visit)(void *argument, const char *name,
                                                              struct base_fault *fault),
                                    void *argument, struct base_fault *fault) BASE_CHECKED;
// A new file in tmp/, open for reading and writing.
enum base_result store_temporary_create(struct store *store, struct store_path *path, int *out_fd,
                                        struct base_fault *fault) BASE_CHECKED;
// A new file in tmp/ with a record: `record` (complete but for what its body gives: length and root) and its body.
// Synced when `is_durable`. *file_bytes is its length and may be NULL. Nothing is left behind on failure.
enum base_result store_record_write(struct store *store, struct store_record *record, struct base_span body,
                                    bool is_durable, struct store_path *path, uint64_t *file_bytes,
                                    struct base_fault *fault) BASE_CHECKED;
enum base_result store_file_rename(struct store *store, const char *from, const char *to,
                                   struct base_fault *fault) BASE_CHECKED;
// Fine when it is not there.
enum base_result store_file_remove(struct store *store, const char *path, struct base_fault *fault) BASE_CHECKED;
// For clean-up, where a failure changes nothing: what stays in tmp/ goes at the next open.
void store_file_discard(struct store *store, const char *path);
// False when there is no regular file of that name.
bool store_file_size(struct store *store, const char *path, uint64_t *bytes) BASE_CHECKED;
uint64_t store_free_bytes(struct store *store);
// How many bytes must become free before `more` can be written and the configured reserve still stays; 0: it fits.
uint64_t store_missing_bytes(struct store *store, uint64_t more);

// A record's file, opened, with its head believed. Holds `front`, which the record's metadata points into.
struct store_record_file {
  int fd;
  uint64_t file_bytes, body_offset;
  struct store_record record;
  uint8_t front[STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META];
};
// BASE_NOT_FOUND, BASE_CORRUPT, BASE_UNSUPPORTED. `file` needs closing after BASE_OK only.
enum base_result store_record_open(struct store *store, const char *path, struct store_record_file *file,
                                   struct base_fault *fault) BASE_CHECKED;
// Reads the body, of at most `limit` bytes, and verifies it block by block as it comes. *out is the caller's.
// BASE_CORRUPT.
enum base_result store_record_read_body(const struct store_record_file *file, const char *path, uint64_t limit,
                                        struct base_blob **out, struct base_fault *fault) BASE_CHECKED;

#endif
