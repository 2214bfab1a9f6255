// One chunk of a session: the request that makes it, and those that go on with it.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tus_inside.h"

struct ingest_tus_upload {
  struct ingest_tus_holder holder;  // of a session that others know
  struct ingest_tus *tus;
  struct ingest_tus_session session;
  struct store_upload *file;  // NULL of a finished session
  uint64_t begin;             // where the chunk begins
  bool is_new;
  bool is_note_stale;
  struct ingest_tus_checksum checksum;
  struct base_fault failure;  // of a write
};

static struct ingest_tus_upload *create_upload(struct ingest_tus *tus, struct base_fault *fault) {
  struct ingest_tus_upload *upload = calloc(1, sizeof *upload);
  if (upload) {
    upload->tus = tus;
  } else {
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  }
  return upload;
}

static void free_upload(struct ingest_tus_upload *upload) {
  ingest_tus_session_finish(&upload->session);
  free(upload);
}

static enum base_result fail_length(const struct ingest_tus *tus, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_TOO_LARGE, "Upload-Length", "a file may have at most %" PRIu64 " bytes",
                   tus->config.max_file_bytes);
}

static enum base_result read_length(const struct ingest_tus *tus, struct base_span value, uint64_t *out,
                                    struct base_fault *fault) {
  if (!base_span_to_u64(value, out)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Length", "Upload-Length is a number of bytes");
  }
  return *out <= tus->config.max_file_bytes ? BASE_OK : fail_length(tus, fault);
}

// Whether a body of `bytes` (UINT64_MAX: unknown) fits behind `offset`.
static enum base_result check_room(const struct ingest_tus *tus, const struct ingest_tus_session *session,
                                   uint64_t bytes, struct base_fault *fault) {
  if (bytes == UINT64_MAX) return BASE_OK;
  // A session may be older than the limit, and larger.
  const uint64_t end = session->has_length ? session->length : tus->config.max_file_bytes;
  const uint64_t room = end > session->offset ? end - session->offset : 0;
  if (bytes <= room) return BASE_OK;
  if (!session->has_length) return fail_length(tus, fault);
  return BASE_FAIL(fault, BASE_TOO_LARGE, "Upload-Length",
                   "the upload has %" PRIu64 " bytes, and only %" PRIu64 " of them are missing", session->length, room);
}

// --- new sessions ---

static enum base_result read_sizes(const struct ingest_tus *tus, const struct ingest_tus_wishes *wishes,
                                   struct ingest_tus_session *session, struct base_fault *fault) {
  const bool has_length = wishes->length.data, is_deferred = wishes->defer_length.data;
  if (session->kind == INGEST_TUS_FINAL) {
    if (!has_length && !is_deferred && wishes->body_bytes == 0) return BASE_OK;
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Concat", "a final upload comes without a length and without bytes");
  }
  if (has_length == is_deferred || (is_deferred && !base_span_is(wishes->defer_length, "1"))) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Length",
                     "an upload needs Upload-Length, or Upload-Defer-Length: 1");
  }
  session->has_length = has_length;
  enum base_result result = has_length ? read_length(tus, wishes->length, &session->length, fault) : BASE_OK;
  if (result == BASE_OK && has_length && session->length == 0 && session->kind == INGEST_TUS_WHOLE) {
    result = BASE_FAIL(fault, BASE_UNSUPPORTED, "Upload-Length", "the file is empty");
  }
  return result == BASE_OK ? check_room(tus, session, wishes->body_bytes, fault) : result;
}

static char *copy_text(struct base_span text) { return strndup((const char *)text.data, text.bytes); }

static enum base_result keep_texts(const struct ingest_tus_wishes *wishes, struct ingest_tus_session *session,
                                   struct base_fault *fault) {
  if (wishes->metadata.bytes > 0) session->metadata = copy_text(wishes->metadata);
  if (wishes->concat.bytes > 0) session->concat = copy_text(wishes->concat);
  const bool is_kept =
      (wishes->metadata.bytes == 0 || session->metadata) && (wishes->concat.bytes == 0 || session->concat);
  return is_kept ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
}

static enum base_result read_wishes(struct ingest_tus *tus, const struct ingest_tus_wishes *wishes,
                                    struct ingest_tus_upload *upload, struct base_fault *fault) {
  struct ingest_tus_session *session = &upload->session;
  struct ingest_metadata metadata;
  struct ingest_tus_concat concat;
  enum base_result result = ingest_tus_concat_parse(wishes->concat, &concat, fault);
  if (result != BASE_OK) return result;
  session->kind = concat.kind;
  result = read_sizes(tus, wishes, session, fault);
  if (result == BASE_OK) result = ingest_tus_metadata_parse(wishes->metadata, &metadata, fault);
  if (result == BASE_OK) result = ingest_tus_checksum_begin(wishes->checksum, &upload->checksum, fault);
  if (result == BASE_OK && session->kind == INGEST_TUS_FINAL) {
    session->has_length = true;
    result = ingest_tus_measure_parts(tus, session->tenant, &concat, &session->length, fault);
    if (result == BASE_OK && session->length > tus->config.max_file_bytes) result = fail_length(tus, fault);
  }
  return result == BASE_OK ? keep_texts(wishes, session, fault) : result;
}

// Sessions that have ended make room for one that begins.
static void make_room(struct ingest_tus *tus, const char *tenant) {
  struct ingest_tus_entry finished;
  bool is_tenant;
  while (ingest_tus_table_is_full(tus->table, tenant, &is_tenant)) {
    if (!ingest_tus_table_take_finished(tus->table, is_tenant ? tenant : NULL, &finished)) break;
    if (ingest_tus_remove(tus, finished.id, NULL) != BASE_OK) break;
  }
}

static enum base_result begin_file(struct ingest_tus *tus, const struct ingest_tus_wishes *wishes,
                                   struct ingest_tus_upload *upload, struct base_fault *fault) {
  struct ingest_tus_session *session = &upload->session;
  struct ingest_tus_entry entry = {.is_locked = true, .expires_s = session->expires_s};
  struct base_buffer note;
  uint8_t id[BASE_DIGEST_BYTES];
  base_random_bytes(id, sizeof id);
  base_base64url_encode(base_span_of(id, sizeof id), session->id, sizeof session->id);
  memcpy(entry.id, session->id, sizeof entry.id);
  memcpy(entry.tenant, session->tenant, sizeof entry.tenant);
  make_room(tus, session->tenant);
  enum base_result result = ingest_tus_note_write(session, &note, fault);
  if (result == BASE_OK) result = ingest_tus_table_add(tus->table, &entry, fault);
  if (result == BASE_OK) {
    const uint64_t expected_bytes = session->has_length ? session->length : wishes->body_bytes;
    result = store_upload_begin_kept(tus->config.store, session->id, base_buffer_span(&note), expected_bytes,
                                     &upload->file, fault);
    if (result != BASE_OK) ingest_tus_table_remove(tus->table, session->id);
  }
  base_buffer_finish(&note);
  return result;
}

enum base_result ingest_tus_begin(struct ingest_tus *tus, const char *tenant, const struct ingest_tus_wishes *wishes,
                                  struct ingest_tus_upload **out, struct base_fault *fault) {
  *out = NULL;
  struct ingest_tus_upload *upload = create_upload(tus, fault);
  if (!upload) return BASE_NO_MEMORY;
  struct ingest_tus_session *session = &upload->session;
  upload->is_new = true;
  session->unverified_from = UINT64_MAX;
  session->is_unannounced = wishes->body_bytes > 0;  // else the reply follows at once
  session->created_s = ingest_tus_now_s(tus);
  session->expires_s = session->created_s + tus->config.expire_s;
  enum base_result result = BASE_OK;
  if (!base_span_copy(base_span_text(tenant), session->tenant, sizeof session->tenant)) {
    result = BASE_FAIL(fault, BASE_INTERNAL, "tenant", "a tenant's name is too long");
  }
  if (result == BASE_OK) result = read_wishes(tus, wishes, upload, fault);
  if (result == BASE_OK) result = begin_file(tus, wishes, upload, fault);
  if (result != BASE_OK) {
    free_upload(upload);
    return result;
  }
  *out = upload;
  return BASE_OK;
}

// --- chunks ---

static enum base_result read_chunk_length(const struct ingest_tus *tus, struct base_span value,
                                          struct ingest_tus_upload *upload, struct base_fault *fault) {
  struct ingest_tus_session *session = &upload->session;
  uint64_t length;
  if (!value.data) return BASE_OK;
  enum base_result result = read_length(tus, value, &length, fault);
  if (result != BASE_OK) return result;
  if (session->has_length ? length != session->length : length < session->offset) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Length", "the upload %s %" PRIu64 " bytes already",
                     session->has_length ? "was to have" : "has",
                     session->has_length ? session->length : session->offset);
  }
  upload->is_note_stale |= !session->has_length;
  session->has_length = true;
  session->length = length;
  return BASE_OK;
}

static enum base_result check_chunk(const struct ingest_tus *tus, const struct ingest_tus_chunk *chunk,
                                    struct ingest_tus_upload *upload, struct base_fault *fault) {
  const struct ingest_tus_session *session = &upload->session;
  uint64_t offset;
  if (session->state == INGEST_TUS_REFUSED) {
    return BASE_FAIL(fault, BASE_GONE, session->problem.subject, "the file was refused: %s", session->problem.text);
  }
  if (session->kind == INGEST_TUS_FINAL) {
    return BASE_FAIL(fault, BASE_FORBIDDEN, "Upload-Concat", "a final upload takes no more bytes");
  }
  if (!base_span_to_u64(chunk->offset, &offset)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Offset", "Upload-Offset is a number of bytes");
  }
  if (offset != session->offset) {
    return BASE_FAIL(fault, BASE_CONFLICT, "Upload-Offset", "the upload goes on at byte %" PRIu64, session->offset);
  }
  enum base_result result = read_chunk_length(tus, chunk->length, upload, fault);
  if (result == BASE_OK) result = check_room(tus, session, chunk->body_bytes, fault);
  if (result == BASE_OK) result = ingest_tus_checksum_begin(chunk->checksum, &upload->checksum, fault);
  return result;
}

// What must be true after a crash in the middle of the chunk: the length that came with it, and that nothing counts
// whose checksum has not been met.
static enum base_result write_chunk_note(struct ingest_tus_upload *upload, struct base_fault *fault) {
  const bool has_checksum = upload->checksum.bytes > 0;
  if (!upload->file || (!has_checksum && !upload->is_note_stale)) return BASE_OK;
  upload->session.unverified_from = has_checksum ? upload->begin : UINT64_MAX;
  upload->is_note_stale = has_checksum;
  return ingest_tus_write_note(&upload->session, upload->file, fault);
}

// --- bytes ---

// Between two calls an upload waits for its client, and may be made to give way; nobody else knows of a new one.
static void wait_for_client(struct ingest_tus_upload *upload) {
  if (upload->is_new) return;
  const uint64_t now_us = base_clock_us(upload->tus->config.clock);
  ingest_tus_table_wait(upload->tus->table, upload->session.id, &upload->holder, now_us);
}

static bool go_on(struct ingest_tus_upload *upload) {
  return upload->is_new || ingest_tus_table_go_on(upload->tus->table, upload->session.id, &upload->holder);
}

static enum base_result fail_as_before(const struct ingest_tus_upload *upload, struct base_fault *fault) {
  if (fault && fault->result == BASE_OK) *fault = upload->failure;
  return upload->failure.result;
}

static enum base_result write_bytes(struct ingest_tus_upload *upload, struct base_span bytes,
                                    struct base_fault *fault) {
  enum base_result result = check_room(upload->tus, &upload->session, bytes.bytes, fault);
  if (result != BASE_OK || bytes.bytes == 0) return result;
  if (!upload->file) return BASE_FAIL(fault, BASE_CONFLICT, "id", "the upload takes no more bytes");
  ingest_tus_checksum_update(&upload->checksum, bytes);
  result = store_upload_write(upload->file, bytes, fault);
  upload->session.offset = store_upload_bytes(upload->file);
  if (result == BASE_OK) base_metric_add(upload->tus->received, (int64_t)bytes.bytes);
  return result;
}

enum base_result ingest_tus_write(struct ingest_tus_upload *upload, struct base_span bytes, struct base_fault *fault) {
  if (!go_on(upload)) return fail_as_before(upload, fault);
  const enum base_result result = write_bytes(upload, bytes, &upload->failure);
  wait_for_client(upload);
  return result == BASE_OK ? BASE_OK : fail_as_before(upload, fault);
}

// Of an upload that had its say before: writes down how far it is, closes it, unlocks it. `keeps` is whether the chunk
// counts.
static enum base_result settle(struct ingest_tus_upload *upload, bool keeps, struct base_fault *fault) {
  struct ingest_tus_session *session = &upload->session;
  enum base_result result = BASE_OK;
  if (upload->file) {
    if (!keeps) result = store_upload_rewind(upload->file, upload->begin, fault);
    session->offset = store_upload_bytes(upload->file);
    session->unverified_from = UINT64_MAX;
    upload->is_note_stale |= session->is_unannounced;
    session->is_unannounced = false;
    if (ingest_tus_is_ripe(session)) session->state = INGEST_TUS_CHECKING;  // nobody has answered its last byte
    upload->is_note_stale |= ingest_tus_prolong(upload->tus, session);
    if (result == BASE_OK && upload->is_note_stale) result = ingest_tus_write_note(session, upload->file, fault);
    const enum base_result rested = store_upload_rest(&upload->file, fault);
    if (result == BASE_OK) result = rested;
  }
  if (result == BASE_OK) {
    ingest_tus_table_unlock(upload->tus->table, session);
  } else {
    ingest_tus_table_release(upload->tus->table, session->id);
  }
  return result;
}

static void forget_new(struct ingest_tus_upload *upload) {
  struct base_fault fault = {0};
  store_upload_abort(&upload->file);
  if (ingest_tus_remove(upload->tus, upload->session.id, &fault) == BASE_OK) return;
  base_log_fault(upload->tus->config.log, BASE_LOG_WARN, "ingest", NULL, &fault);  // it will expire
}

static enum base_result fill(struct ingest_tus_upload *upload, struct base_fault *fault) {
  struct ingest_tus_session *session = &upload->session;
  if (upload->failure.result != BASE_OK) return fail_as_before(upload, fault);
  if (!ingest_tus_checksum_is_met(&upload->checksum)) {
    return BASE_FAIL(fault, BASE_CHECKSUM, "Upload-Checksum", "the bytes that came do not have this checksum");
  }
  if (session->kind != INGEST_TUS_FINAL) return BASE_OK;
  enum base_result result = ingest_tus_concatenate(upload->tus, session, upload->file, fault);
  session->offset = store_upload_bytes(upload->file);
  return result;
}

// Makes the original of it. The session is written down by that.
static enum base_result finish(struct ingest_tus_upload *upload, struct base_fault *fault) {
  struct ingest_tus *tus = upload->tus;
  struct ingest_tus_session *session = &upload->session;
  // Asking for another check is no sign of life.
  if (session->offset > upload->begin) (void)ingest_tus_prolong(tus, session);
  const enum base_result result = ingest_tus_check(tus, session, &upload->file, fault);
  if (result != BASE_OK && upload->is_new) {
    forget_new(upload);
    return result;
  }
  ingest_tus_table_unlock(tus->table, session);
  if (result == BASE_OK && session->kind == INGEST_TUS_FINAL) ingest_tus_release_parts(tus, session);
  return result;
}

// With the lock, which it lets go of.
static enum base_result end_chunk(struct ingest_tus_upload *upload, struct base_fault *fault) {
  enum base_result result = fill(upload, fault);
  if (result == BASE_OK && upload->file && ingest_tus_is_ripe(&upload->session)) return finish(upload, fault);
  if (result != BASE_OK && upload->is_new) {
    forget_new(upload);
    return result;
  }
  // Bytes over the length, or under the wrong checksum, are nothing to go on from; what filled the disk is.
  const bool keeps = result == BASE_OK || (result != BASE_TOO_LARGE && upload->checksum.bytes == 0);
  const enum base_result settled = settle(upload, keeps, fault);
  return result == BASE_OK ? settled : result;
}

enum base_result ingest_tus_end(struct ingest_tus_upload **upload, struct ingest_tus_session *out,
                                struct base_fault *fault) {
  struct ingest_tus_upload *ending = *upload;
  *upload = NULL;
  const enum base_result result = go_on(ending) ? end_chunk(ending, fault) : fail_as_before(ending, fault);
  if (result == BASE_OK) {
    *out = ending->session;
    ending->session.metadata = ending->session.concat = NULL;
  }
  free_upload(ending);
  return result;
}

// With the lock, which it lets go of: keeps what counts of a chunk that has not come whole.
static void break_off(struct ingest_tus_upload *upload) {
  struct base_fault fault = {0};
  const bool keeps = upload->checksum.bytes == 0 && upload->failure.result != BASE_TOO_LARGE;
  if (settle(upload, keeps, &fault) == BASE_OK) return;
  base_log_fault(upload->tus->config.log, BASE_LOG_WARN, "ingest", NULL, &fault);
}

void ingest_tus_rest(struct ingest_tus_upload **upload) {
  struct ingest_tus_upload *resting = *upload;
  if (!resting) return;
  *upload = NULL;
  if (resting->is_new) {
    forget_new(resting);
  } else if (go_on(resting)) {
    break_off(resting);
  }
  free_upload(resting);
}

// --- requests that go on with a session ---

// A client that comes back may be faster than the end of the connection that it has lost.
static void make_way(struct ingest_tus *tus, const char *tenant, struct base_span id) {
  const uint64_t now_us = base_clock_us(tus->config.clock), patience_us = tus->config.yield_ms * 1000ull;
  if (now_us < patience_us) return;
  struct ingest_tus_holder *holder = ingest_tus_table_yield(tus->table, tenant, id, now_us - patience_us);
  if (!holder) return;
  struct ingest_tus_upload *yielding = (struct ingest_tus_upload *)holder;
  break_off(yielding);
  base_fault_clear(&yielding->failure);
  (void)BASE_FAIL(&yielding->failure, BASE_LOCKED, "id", "another request goes on with this upload");
  ingest_tus_table_yielded(tus->table, holder);
}

static enum base_result lock(struct ingest_tus *tus, const char *tenant, struct base_span id,
                             struct ingest_tus_entry *out, struct base_fault *fault) {
  make_way(tus, tenant, id);
  return ingest_tus_table_lock(tus->table, tenant, id, ingest_tus_now_s(tus), out, fault);
}

static enum base_result begin_chunk(struct ingest_tus_upload *upload, const struct ingest_tus_entry *entry,
                                    const struct ingest_tus_chunk *chunk, struct base_fault *fault) {
  struct ingest_tus *tus = upload->tus;
  const bool is_finished = entry->state == INGEST_TUS_STORED || entry->state == INGEST_TUS_REFUSED;
  enum base_result result = ingest_tus_may_check(tus, entry, fault);
  if (result != BASE_OK) return result;
  result = is_finished ? ingest_tus_peek(tus, entry, &upload->session, fault)
                       : ingest_tus_open(tus, entry, chunk->body_bytes, &upload->session, &upload->file, fault);
  upload->begin = upload->session.offset;
  // A chunk that a crash or a failure has cut off left a note by which its successors would not count.
  upload->is_note_stale = result == BASE_OK && upload->session.unverified_from != UINT64_MAX;
  if (result == BASE_OK) result = check_chunk(tus, chunk, upload, fault);
  if (result == BASE_OK) result = write_chunk_note(upload, fault);
  if (result != BASE_OK && upload->file && store_upload_rest(&upload->file, NULL) != BASE_OK) upload->file = NULL;
  return result;
}

enum base_result ingest_tus_resume(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                   const struct ingest_tus_chunk *chunk, struct ingest_tus_upload **out,
                                   struct base_fault *fault) {
  *out = NULL;
  struct ingest_tus_entry entry;
  struct ingest_tus_upload *upload = create_upload(tus, fault);
  if (!upload) return BASE_NO_MEMORY;
  enum base_result result = lock(tus, tenant, id, &entry, fault);
  if (result == BASE_OK) {
    result = begin_chunk(upload, &entry, chunk, fault);
    if (result != BASE_OK) ingest_tus_table_release(tus->table, entry.id);
  }
  if (result != BASE_OK) {
    free_upload(upload);
    return result;
  }
  wait_for_client(upload);
  *out = upload;
  return BASE_OK;
}

enum base_result ingest_tus_terminate(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                      struct base_fault *fault) {
  struct ingest_tus_entry entry;
  enum base_result result = lock(tus, tenant, id, &entry, fault);
  if (result != BASE_OK) return result;
  result = ingest_tus_remove(tus, entry.id, fault);
  if (result == BASE_OK) base_metric_add(tus->terminated, 1);
  return result;
}
