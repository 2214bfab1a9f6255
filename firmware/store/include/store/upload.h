// Uploads: bytes on their way into the store, hashed as they pass.
//
// `ingest` uses it. Different uploads may be used by different threads at once; one upload is used by one at a time.
// A waiting upload holds no descriptor of its own, and some 400 bytes: files are opened from a bounded pool while bytes
// are written.
//
// An anonymous upload lives in tmp/ and dies with the process. A kept one has a name and lives in partial/ until it is
// committed or aborted: its bytes survive a crash and a power cut up to the last store_upload_sync.
#ifndef STORE_UPLOAD_H
#define STORE_UPLOAD_H

#include "store/store.h"

enum {
  STORE_UPLOAD_NAME_CHARS = 43,  // of a kept upload: base64url characters, as made by the caller from random bytes
  STORE_MAX_NOTE = 8192,         // bytes of a kept upload's note
  STORE_MAX_REPORT = 64 * 1024,  // bytes of an inspection report
};

struct store_upload;

// `expected_bytes` reserves against min_free_bytes; UINT64_MAX when unknown.
enum base_result store_upload_begin(struct store *store, uint64_t expected_bytes, struct store_upload **out,
                                    struct base_fault *fault) BASE_CHECKED;
// The same, kept under `name`, with a note that means something to the caller only (who, how long, until when).
// Durable when it returns. BASE_CONFLICT when the name is taken.
enum base_result store_upload_begin_kept(struct store *store, const char *name, struct base_span note,
                                         uint64_t expected_bytes, struct store_upload **out,
                                         struct base_fault *fault) BASE_CHECKED;
// Goes on with a kept upload, at the offset that is true (store_upload_bytes). Its note is appended to `note`, which
// may be NULL. `more_bytes`, still to come, are reserved; UINT64_MAX when unknown. What was written before is hashed
// again when the digest is needed, not now. BASE_NOT_FOUND; BASE_CONFLICT while somebody has it open, and when it has
// become an original; BASE_CORRUPT when its record is damaged.
enum base_result store_upload_resume(struct store *store, const char *name, uint64_t more_bytes,
                                     struct base_buffer *note, struct store_upload **out,
                                     struct base_fault *fault) BASE_CHECKED;
// The same look without opening it for writing, also while somebody has it open (bytes: as of the last write).
enum base_result store_upload_peek(struct store *store, const char *name, struct base_buffer *note, uint64_t *bytes,
                                   struct base_fault *fault) BASE_CHECKED;
// Every kept upload, by name, in no order; none is locked meanwhile. `visit` returns false to stop.
enum base_result store_upload_visit(struct store *store, bool (*visit)(void *argument, const char *name),
                                    void *argument, struct base_fault *fault) BASE_CHECKED;

// Appends and hashes. Waits for the disk when the client is faster. BASE_NO_SPACE when the disk is full: an anonymous
// upload is lost then, a kept one keeps what fitted (what it had at the last sync, when the disk said so too late).
enum base_result store_upload_write(struct store_upload *upload, struct base_span bytes,
                                    struct base_fault *fault) BASE_CHECKED;
// Appends the bytes of other kept uploads, in this order; they stay. BASE_NOT_FOUND; BASE_CONFLICT while somebody has
// one of them open. What had been appended before a failure stays appended.
enum base_result store_upload_append(struct store_upload *upload, const char *const *names, size_t count,
                                     struct base_fault *fault) BASE_CHECKED;
// Forgets what lies behind `bytes` (a chunk whose checksum was wrong).
enum base_result store_upload_rewind(struct store_upload *upload, uint64_t bytes,
                                     struct base_fault *fault) BASE_CHECKED;
// Of a kept upload: what was written survives a power cut from here on.
enum base_result store_upload_sync(struct store_upload *upload, struct base_fault *fault) BASE_CHECKED;
// Of a kept upload: syncs and replaces the note, both or (after a crash) neither.
enum base_result store_upload_set_note(struct store_upload *upload, struct base_span note,
                                       struct base_fault *fault) BASE_CHECKED;
// The file so far, for inspection; the descriptor (read-only) is the caller's.
enum base_result store_upload_open_bytes(const struct store_upload *upload, int *out_fd,
                                         struct base_fault *fault) BASE_CHECKED;
uint64_t store_upload_bytes(const struct store_upload *upload);

// Ends with a kept upload for now: syncs, closes, frees; it can be resumed. Consumes the upload in every case: after a
// failure what was synced before is sure, and the rest is there unless the power fails.
enum base_result store_upload_rest(struct store_upload **upload, struct base_fault *fault) BASE_CHECKED;
// fsync, rename under the digest, sidecar record with `report` (a JSON object; may be empty), fsync of the folders,
// index. `original` brings everything but id and bytes, which are filled in; created_s too when it is 0 or in the
// future. Its texts must be free of control bytes (but '\n' between tags), else BASE_BAD_INPUT. After BASE_OK nothing
// short of a broken disk loses it.
// *is_new is false when the tenant had it already (its first created_s, name and report stay). Consumes the upload in
// every case; a kept one rests in partial/ after a failure, and after BASE_OK only its record stays, with no bytes, for
// store_upload_annotate. A crash before that brings it back with its bytes, to be committed again (*is_new is false).
enum base_result store_upload_commit(struct store_upload **upload, struct store_original *original,
                                     struct base_span report, bool *is_new, struct base_fault *fault) BASE_CHECKED;
// Of a kept upload that nobody has open: replaces its note, whatever has become of its bytes; after a commit this is
// what ends it. BASE_NOT_FOUND, BASE_CONFLICT.
enum base_result store_upload_annotate(struct store *store, const char *name, struct base_span note,
                                       struct base_fault *fault) BASE_CHECKED;
// Of the same: throws it away. Fine when it is not there; BASE_CONFLICT while somebody has it open.
enum base_result store_upload_remove(struct store *store, const char *name, struct base_fault *fault) BASE_CHECKED;
// Throws it away, kept ones too.
void store_upload_abort(struct store_upload **upload);

#endif
