// From a session whose bytes are all there to an original; and sessions made of others.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tus_inside.h"

// A client whose last reply was lost asks for the same concatenation again.
enum { PARTS_LINGER_S = 600 };

// What the file itself is to blame for; anything else may be better the next time.
static bool is_refusal(enum base_result result) {
  return result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED || result == BASE_TOO_LARGE ||
         result == BASE_BAD_INPUT;
}

static enum base_result annotate(struct ingest_tus *tus, const struct ingest_tus_session *session,
                                 struct base_fault *fault) {
  struct base_buffer note;
  enum base_result result = ingest_tus_note_write(session, &note, fault);
  if (result == BASE_OK) {
    result = store_upload_annotate(tus->config.store, session->id, base_buffer_span(&note), fault);
  }
  base_buffer_finish(&note);
  return result;
}

// The session stays, its bytes go.
static enum base_result drop_bytes(struct ingest_tus *tus, const struct ingest_tus_session *session,
                                   struct base_fault *fault) {
  struct base_buffer note;
  struct store_upload *file;
  base_buffer_init(&note, STORE_MAX_NOTE);
  enum base_result result = store_upload_resume(tus->config.store, session->id, 0, &note, &file, fault);
  base_buffer_finish(&note);
  if (result != BASE_OK) return result;
  // In this order: a crash in between leaves a refused session with bytes, and not one to be checked without.
  result = ingest_tus_write_note(session, file, fault);
  if (result == BASE_OK) result = store_upload_rewind(file, 0, fault);
  const enum base_result rested = store_upload_rest(&file, fault);
  return result == BASE_OK ? rested : result;
}

// A full disk, say: until it can be written down the table alone knows.
static void tell(struct ingest_tus *tus, const struct ingest_tus_session *session) {
  struct base_fault fault = {0};
  const enum base_result result =
      session->state == INGEST_TUS_STORED ? annotate(tus, session, &fault) : drop_bytes(tus, session, &fault);
  if (result == BASE_OK) {
    ingest_tus_table_told(tus->table, session->id);
    return;
  }
  ingest_tus_table_untold(tus->table, session);
  base_log_fault(tus->config.log, BASE_LOG_WARN, "ingest", NULL, &fault);
}

void ingest_tus_tell_again(struct ingest_tus *tus, const struct ingest_tus_entry *entry) {
  struct ingest_tus_session session;
  if (ingest_tus_peek(tus, entry, &session, NULL) == BASE_OK) {
    tell(tus, &session);
    ingest_tus_session_finish(&session);
  }
  ingest_tus_table_release(tus->table, entry->id);
}

static void take_original(struct ingest_tus *tus, struct ingest_tus_session *session,
                          const struct store_original *original, bool is_new) {
  session->state = INGEST_TUS_STORED;
  session->is_unannounced = false;
  session->original = original->id;
  base_metric_add(tus->stored, 1);
  tell(tus, session);  // the original is safe, whatever becomes of the note
  if (is_new && tus->config.stored) tus->config.stored(tus->config.stored_self, session->tenant, &original->id);
}

static void take_refusal(struct ingest_tus *tus, struct ingest_tus_session *session, const struct base_fault *why) {
  session->state = INGEST_TUS_REFUSED;
  session->offset = 0;
  session->problem = *why;
  base_metric_add(tus->refused, 1);
  tell(tus, session);
}

enum base_result ingest_tus_may_check(const struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                      struct base_fault *fault) {
  if (entry->state != INGEST_TUS_CHECKING || entry->next_check_s <= ingest_tus_now_s(tus)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BUSY, "id", "all bytes are there, but the picture could not be checked yet; ask again");
}

enum base_result ingest_tus_check(struct ingest_tus *tus, struct ingest_tus_session *session,
                                  struct store_upload **file, struct base_fault *fault) {
  struct ingest_metadata metadata;
  struct store_original original;
  struct base_fault why = {0};
  bool is_new = false;
  session->state = INGEST_TUS_CHECKING;
  session->unverified_from = UINT64_MAX;
  enum base_result result = ingest_tus_metadata_parse(base_span_text(session->metadata), &metadata, fault);
  if (result == BASE_OK) result = ingest_tus_write_note(session, *file, fault);
  if (result != BASE_OK) {
    if (store_upload_rest(file, NULL) != BASE_OK) *file = NULL;
    ingest_tus_table_put_off(tus->table, session->id, ingest_tus_now_s(tus));
    return result;
  }
  ingest_tus_table_note(tus->table, session);
  result = ingest_adopt(tus->config.ingest, session->tenant, file, &metadata, &original, &is_new, &why);
  if (result == BASE_OK) {
    take_original(tus, session, &original, is_new);
  } else if (is_refusal(result)) {
    take_refusal(tus, session, &why);
  } else {
    ingest_tus_table_put_off(tus->table, session->id, ingest_tus_now_s(tus));
  }
  if (result != BASE_OK && fault && fault->result == BASE_OK) *fault = why;
  return result;
}

enum base_result ingest_tus_check_again(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                        struct ingest_tus_session *out, struct base_fault *fault) {
  struct store_upload *file;
  enum base_result result = ingest_tus_open(tus, entry, 0, out, &file, fault);
  if (result != BASE_OK) {
    ingest_tus_table_release(tus->table, entry->id);
    return result;
  }
  result = ingest_tus_check(tus, out, &file, fault);
  ingest_tus_table_unlock(tus->table, out);
  if (result != BASE_OK) ingest_tus_session_finish(out);
  return result;
}

// --- concatenation ---

static enum base_result measure_part(struct ingest_tus *tus, const char *tenant, const char *id, uint64_t *bytes,
                                     struct base_fault *fault) {
  struct ingest_tus_entry entry;
  struct ingest_tus_session part;
  enum base_result result =
      ingest_tus_table_find(tus->table, tenant, base_span_text(id), ingest_tus_now_s(tus), &entry, fault);
  if (result == BASE_OK) result = ingest_tus_peek(tus, &entry, &part, fault);
  if (result != BASE_OK) return result;
  if (part.kind != INGEST_TUS_PARTIAL) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Concat", "only partial uploads can be concatenated");
  } else if (!part.has_length || part.offset < part.length) {
    result = BASE_FAIL(fault, BASE_CONFLICT, "Upload-Concat", "the partial upload %s is not finished", id);
  }
  *bytes = part.length;
  ingest_tus_session_finish(&part);
  return result;
}

enum base_result ingest_tus_measure_parts(struct ingest_tus *tus, const char *tenant,
                                          const struct ingest_tus_concat *concat, uint64_t *bytes,
                                          struct base_fault *fault) {
  *bytes = 0;
  for (size_t i = 0; i < concat->count; i++) {
    uint64_t part_bytes;
    enum base_result result = measure_part(tus, tenant, concat->parts[i], &part_bytes, fault);
    if (result != BASE_OK) return result;
    *bytes += part_bytes;  // each is at most max_file_bytes, and there are few
  }
  if (*bytes > 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "Upload-Concat", "the file is empty");
}

// Again what was checked when the session began.
static struct ingest_tus_concat *parse_concat(const struct ingest_tus_session *session) {
  struct ingest_tus_concat *concat = malloc(sizeof *concat);
  if (!concat) return NULL;
  if (ingest_tus_concat_parse(base_span_text(session->concat), concat, NULL) != BASE_OK) concat->count = 0;
  return concat;
}

enum base_result ingest_tus_concatenate(struct ingest_tus *tus, const struct ingest_tus_session *session,
                                        struct store_upload *file, struct base_fault *fault) {
  (void)tus;
  struct ingest_tus_concat *concat = parse_concat(session);
  if (!concat) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a concatenation");
  const char *names[INGEST_TUS_MAX_PARTS];
  for (size_t i = 0; i < concat->count; i++) names[i] = concat->parts[i];
  enum base_result result = store_upload_append(file, names, concat->count, fault);
  // Between the look at the parts and now one may have been terminated.
  if (result == BASE_OK && store_upload_bytes(file) != session->length) {
    result = BASE_FAIL(fault, BASE_CONFLICT, "Upload-Concat", "a partial upload has changed meanwhile");
  }
  free(concat);
  return result;
}

void ingest_tus_release_parts(struct ingest_tus *tus, const struct ingest_tus_session *session) {
  struct ingest_tus_concat *concat = parse_concat(session);
  const int64_t expires_s = ingest_tus_now_s(tus) + PARTS_LINGER_S;
  for (size_t i = 0; concat && i < concat->count; i++) {
    ingest_tus_table_hasten(tus->table, concat->parts[i], expires_s);
  }
  free(concat);
}
