// An open upload, shared by upload.c (what all uploads do) and kept_upload.c (what only kept ones do).
#ifndef STORE_UPLOADING_H
#define STORE_UPLOADING_H

#include "descriptors.h"
#include "inside.h"
#include "kept.h"
#include "leaves.h"
#include "names.h"

struct store_upload {
  struct store *store;
  struct store_file file;
  bool is_kept;
  bool is_shared;           // a crash in a commit: the data file is an original's already, and must not be changed
  enum base_result result;  // the first failure that can not be gone on from
  char name[STORE_UPLOAD_NAME_CHARS + 1];  // of a kept one
  struct store_path path;
  uint64_t bytes;
  uint64_t synced;                      // of a kept one, as its record says
  uint64_t write_back_from, handed_on;  // [write_back_from, handed_on) is on its way to the disk
  uint64_t reserved_bytes;              // still to come, counted in the store's sum
  uint64_t hashed;                      // how far `hash` has got
  struct integrity_hash hash;
  struct store_leaves leaves;  // its own `bytes` say how far
};

// upload.c.
// A new upload without a file; *out is NULL after a failure. `more` bytes are set aside, none for UINT64_MAX.
enum base_result store_upload_create(struct store *store, uint64_t more, struct store_upload **out,
                                     struct base_fault *fault) BASE_CHECKED;
// Closes the file and frees; the file stays.
void store_upload_free(struct store_upload **upload);
// Lends its descriptor, which a kept upload's file may be made for.
enum base_result store_upload_borrow(struct store_upload *upload, int *out_fd, struct base_fault *fault) BASE_CHECKED;
void store_upload_give_back(struct store_upload *upload);
// Forgets what lies behind `bytes` in memory: offsets and digest.
void store_upload_shorten(struct store_upload *upload, uint64_t bytes);

#endif
