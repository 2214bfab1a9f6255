// Sessions of resumable uploads: tus 1.0.0 (https://tus.io/protocols/resumable-upload) without its HTTP.
//
// `console` drives it. A session is a kept upload of the store, with a note that says whose it is, how long and until
// when; when the last byte is there it becomes an original. Any function may be called from any thread; one upload is
// used by one thread at a time.
//
// Known pairs of Upload-Metadata: `filename` or `name` (the latter wins), and `tags`: text with commas between the
// tags, or a JSON array of strings. Others are kept and given back, and mean nothing.
#ifndef INGEST_TUS_H
#define INGEST_TUS_H

#include "ingest/ingest.h"

enum {
  INGEST_TUS_ID_CHARS = STORE_UPLOAD_NAME_CHARS,
  INGEST_TUS_MAX_METADATA = 3072,  // bytes of Upload-Metadata, as sent
  INGEST_TUS_MAX_CONCAT = 4096,    // bytes of Upload-Concat, as sent
};
#define INGEST_TUS_CHECKSUMS "sha256,sha1"

// Zero means the default where one is given.
struct ingest_tus_config {
  struct ingest *ingest;
  struct store *store;
  uint64_t max_file_bytes;           // what ingest allows
  uint32_t expire_s;                 // default 86,400; a session in use is prolonged
  uint32_t yield_ms;                 // default 5,000: a chunk that has been silent for so long gives way to another
  uint32_t max_sessions;             // default 20,000; finished ones give way first
  uint32_t max_sessions_per_tenant;  // default: no limit of its own
  uint32_t sweep_s;                  // between sweeps by a thread of its own; 0: only ingest_tus_sweep does
  // Told of each original that is new to its tenant, once it is committed, from any thread; may be NULL.
  void (*stored)(void *self, const char *tenant, const struct integrity_digest *original);
  void *stored_self;
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

enum ingest_tus_kind { INGEST_TUS_WHOLE, INGEST_TUS_PARTIAL, INGEST_TUS_FINAL };
enum ingest_tus_state {
  INGEST_TUS_OPEN,      // bytes are missing; of a partial one also when none is
  INGEST_TUS_CHECKING,  // all bytes are there, they are no original yet
  INGEST_TUS_STORED,    // they have become an original
  INGEST_TUS_REFUSED,   // they are no picture that this box takes; they are gone
};
const char *ingest_tus_kind_name(enum ingest_tus_kind kind);     // "whole", "partial", "final"
const char *ingest_tus_state_name(enum ingest_tus_state state);  // "open", "checking", "stored", "refused"

struct ingest_tus_session {
  char id[INGEST_TUS_ID_CHARS + 1];
  char tenant[STORE_MAX_TENANT + 1];
  enum ingest_tus_kind kind;
  enum ingest_tus_state state;
  bool is_locked;       // somebody writes to it
  bool is_unannounced;  // its first chunk has not come whole: nobody knows its id
  bool has_length;
  uint64_t length, offset;  // the offset survives a power cut; of a stored one it is the length
  int64_t created_s, expires_s;
  uint64_t unverified_from;          // what lies behind waits for its checksum; UINT64_MAX: nothing does
  struct integrity_digest original;  // of a stored one
  struct base_fault problem;         // of a refused one
  char *metadata, *concat;           // as sent; NULL when not sent
};
// Checks a whole Upload-Metadata, and takes from it what a picture's metadata needs. BASE_BAD_INPUT ("Upload-Metadata",
// or "name" and "tags" as ingest_metadata_parse says).
enum base_result ingest_tus_metadata_parse(struct base_span value, struct ingest_metadata *out,
                                           struct base_fault *fault) BASE_CHECKED;
// Of a session that a function below has filled in.
void ingest_tus_session_finish(struct ingest_tus_session *session);

// Header values as sent; data is NULL when the field is absent.
struct ingest_tus_wishes {
  struct base_span length, defer_length, metadata, concat, checksum;
  uint64_t body_bytes;  // that come with it; UINT64_MAX: not known
};
struct ingest_tus_chunk {
  struct base_span offset, length, checksum;
  uint64_t body_bytes;
};

struct ingest_tus;
struct ingest_tus_upload;

// Finds the sessions of an earlier run, and syncs what they had not synced: what is told of them survives a power cut.
// Those whose bytes are all there are checked by the next sweep or look.
enum base_result ingest_tus_create(const struct ingest_tus_config *config, struct ingest_tus **out,
                                   struct base_fault *fault) BASE_CHECKED;
// No upload may be open.
void ingest_tus_destroy(struct ingest_tus **tus);
uint64_t ingest_tus_max_bytes(const struct ingest_tus *tus);

// A new session (creation, creation-with-upload, a final concatenation). BASE_BAD_INPUT (the field), BASE_TOO_LARGE
// ("Upload-Length"), BASE_UNSUPPORTED for an empty file, BASE_BUSY ("max_sessions"), BASE_NO_SPACE; of a concatenation
// BASE_NOT_FOUND, and BASE_CONFLICT for parts that are unfinished.
enum base_result ingest_tus_begin(struct ingest_tus *tus, const char *tenant, const struct ingest_tus_wishes *wishes,
                                  struct ingest_tus_upload **out, struct base_fault *fault) BASE_CHECKED;
// Locks the session for one chunk. One whose client has been silent for yield_ms is rested first: its connection may
// have broken without a word. BASE_NOT_FOUND (also for another tenant's), BASE_GONE (expired, refused),
// BASE_LOCKED, BASE_FORBIDDEN (a final one), BASE_CONFLICT ("Upload-Offset"), BASE_TOO_LARGE, BASE_BAD_INPUT.
enum base_result ingest_tus_resume(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                   const struct ingest_tus_chunk *chunk, struct ingest_tus_upload **out,
                                   struct base_fault *fault) BASE_CHECKED;
// Appends. After a failure the upload is to be ended or rested; ingest_tus_end tells of it again. BASE_LOCKED when the
// upload has given way.
enum base_result ingest_tus_write(struct ingest_tus_upload *upload, struct base_span bytes,
                                  struct base_fault *fault) BASE_CHECKED;
// The chunk has come whole: what it brought survives a power cut after BASE_OK, and the session is unlocked. With the
// session's last byte the picture is inspected, decoded and committed; a refusal is returned as ingest_adopt returns
// it, and the session keeps it. BASE_CHECKSUM: the chunk was dropped. A new session whose first chunk fails is removed.
// Consumes the upload; `out` is filled on BASE_OK only.
enum base_result ingest_tus_end(struct ingest_tus_upload **upload, struct ingest_tus_session *out,
                                struct base_fault *fault) BASE_CHECKED;
// The chunk will not come whole: what has come is kept (but with a checksum it is dropped, and so is a new session,
// whose id nobody knows), synced and unlocked. Consumes the upload; NULL is fine.
void ingest_tus_rest(struct ingest_tus_upload **upload);

// How far a session is. One whose bytes are all there is checked now if that has not been done: then the failures of
// ingest_tus_end, and BASE_LOCKED while it is being done (nobody waits for it, and nobody is told that the whole length
// is there before it is an original: clients take that for success). A check that fails for the box's own reasons
// leaves the session in CHECKING; it is tried again by looks, empty chunks and sweeps, but BASE_BUSY between them:
// after 1 s, and twice as long each time up to an hour. It does not prolong the session. BASE_NOT_FOUND, BASE_GONE
// (expired).
enum base_result ingest_tus_look(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                 struct ingest_tus_session *out, struct base_fault *fault) BASE_CHECKED;
// Every session of the tenant (with `only`: in that state), as far as they can be read; unfinished ones first, in no
// order otherwise. `visit` returns false to stop.
enum base_result ingest_tus_list(struct ingest_tus *tus, const char *tenant, const enum ingest_tus_state *only,
                                 bool (*visit)(void *argument, const struct ingest_tus_session *session),
                                 void *argument, struct base_fault *fault) BASE_CHECKED;
// Removes a session and its bytes; an original that it has become stays. BASE_NOT_FOUND, BASE_GONE, BASE_LOCKED.
enum base_result ingest_tus_terminate(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                      struct base_fault *fault) BASE_CHECKED;
// Removes what has expired and checks what was left unchecked. Returns how many were removed.
size_t ingest_tus_sweep(struct ingest_tus *tus);

#endif
