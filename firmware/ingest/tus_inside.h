// What the files of tus share.
#ifndef INGEST_TUS_INSIDE_H
#define INGEST_TUS_INSIDE_H

#include <pthread.h>

#include "tus_note.h"
#include "tus_table.h"
#include "tus_values.h"

struct ingest_tus {
  struct ingest_tus_config config;
  struct ingest_tus_table *table;
  struct base_metric *stored, *refused, *expired, *terminated, *received;
  bool has_sweeper;
  pthread_t sweeper;
  pthread_mutex_t lock;  // of what follows
  pthread_cond_t stopping;
  bool is_stopping;
};

// All bytes are there and they are to become an original.
static inline bool ingest_tus_is_ripe(const struct ingest_tus_session *session) {
  return session->kind != INGEST_TUS_PARTIAL && session->state <= INGEST_TUS_CHECKING && session->has_length &&
         session->offset == session->length;
}
static inline int64_t ingest_tus_now_s(const struct ingest_tus *tus) { return base_clock_wall_s(tus->config.clock); }

// Fills `out` from the note of a session, locked or not.
enum base_result ingest_tus_peek(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                 struct ingest_tus_session *out, struct base_fault *fault) BASE_CHECKED;
// Opens a session that the caller has locked, without what waits for a checksum. `body_bytes` are to come.
enum base_result ingest_tus_open(struct ingest_tus *tus, const struct ingest_tus_entry *entry, uint64_t body_bytes,
                                 struct ingest_tus_session *out, struct store_upload **file,
                                 struct base_fault *fault) BASE_CHECKED;
// Writes the session down, syncing its bytes.
enum base_result ingest_tus_write_note(const struct ingest_tus_session *session, struct store_upload *file,
                                       struct base_fault *fault) BASE_CHECKED;
// Whether one in CHECKING that the caller has locked may be checked again: BASE_BUSY while it is put
// off.
enum base_result ingest_tus_may_check(const struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                      struct base_fault *fault) BASE_CHECKED;
// Prolongs a session in use; false when there is time enough.
bool ingest_tus_prolong(const struct ingest_tus *tus, struct ingest_tus_session *session);
// All bytes of the session are in `file`: it becomes an original, or is refused, or (busy, no space ...) stays in
// CHECKING. Consumes the file.
enum base_result ingest_tus_check(struct ingest_tus *tus, struct ingest_tus_session *session,
                                  struct store_upload **file, struct base_fault *fault) BASE_CHECKED;
// The same for a locked session that is in CHECKING; unlocks it. `out` is filled on BASE_OK.
enum base_result ingest_tus_check_again(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                        struct ingest_tus_session *out, struct base_fault *fault) BASE_CHECKED;
// Tries again to write down how a locked session has ended; unlocks it.
void ingest_tus_tell_again(struct ingest_tus *tus, const struct ingest_tus_entry *entry);
// Removes a session that the caller has locked: bytes, note and entry. On a failure it is unlocked.
enum base_result ingest_tus_remove(struct ingest_tus *tus, const char *id, struct base_fault *fault) BASE_CHECKED;
// Sum of the lengths of the parts, which must be finished partial uploads of the tenant.
enum base_result ingest_tus_measure_parts(struct ingest_tus *tus, const char *tenant,
                                          const struct ingest_tus_concat *concat, uint64_t *bytes,
                                          struct base_fault *fault) BASE_CHECKED;
// Fills the new, empty final upload.
enum base_result ingest_tus_concatenate(struct ingest_tus *tus, const struct ingest_tus_session *session,
                                        struct store_upload *file, struct base_fault *fault) BASE_CHECKED;
// The parts have served: they may go soon.
void ingest_tus_release_parts(struct ingest_tus *tus, const struct ingest_tus_session *session);

enum base_result ingest_tus_start_sweeper(struct ingest_tus *tus, struct base_fault *fault) BASE_CHECKED;
void ingest_tus_stop_sweeper(struct ingest_tus *tus);

#endif
