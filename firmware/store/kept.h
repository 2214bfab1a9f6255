// Records of kept uploads, and what one needs to be believed after a crash. See kept.c for the order of things.
#ifndef STORE_KEPT_H
#define STORE_KEPT_H

#include "store/upload.h"

struct store;

// partial/<name>.rec without the note, which is its body.
struct store_kept {
  char name[STORE_UPLOAD_NAME_CHARS + 1];
  char boot_id[STORE_MAX_BOOT_ID + 1];  // under which the data file was written; empty: unknown
  uint64_t synced;                      // that many bytes of it survive a power cut
  bool is_committed;                    // they have become an original: there are none here
};

// Reads and verifies a record, whole. Its note is appended to `note`, which may be NULL. BASE_NOT_FOUND, BASE_CORRUPT,
// BASE_UNSUPPORTED.
enum base_result store_kept_load(struct store *store, const char *name, struct store_kept *out,
                                 struct base_buffer *note, struct base_fault *fault) BASE_CHECKED;
// Writes it durably: after a crash the old one is there or the new one. BASE_TOO_LARGE for a long note.
enum base_result store_kept_save(struct store *store, const struct store_kept *kept, struct base_span note,
                                 struct base_fault *fault) BASE_CHECKED;
// How many bytes there are, as far as they can be believed.
uint64_t store_kept_bytes(struct store *store, const struct store_kept *kept);
// Record and data, in an order that a crash can not make worse. Fine when they are not there.
enum base_result store_kept_remove(struct store *store, const char *name, struct base_fault *fault) BASE_CHECKED;
// The same for clean-up: a failure is logged.
void store_kept_discard(struct store *store, const char *name);
// When the store is opened: removes from partial/ what belongs to no upload, and counts.
enum base_result store_kept_clear(struct store *store, struct base_fault *fault) BASE_CHECKED;

#endif
