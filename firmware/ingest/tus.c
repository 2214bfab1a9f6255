#include "ingest/tus.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tus_inside.h"

enum { DEFAULT_EXPIRE_S = 24 * 60 * 60, DEFAULT_YIELD_MS = 5000, DEFAULT_SESSIONS = 20000 };

static void apply_defaults(struct ingest_tus_config *config) {
  if (config->expire_s == 0) config->expire_s = DEFAULT_EXPIRE_S;
  if (config->yield_ms == 0) config->yield_ms = DEFAULT_YIELD_MS;
  if (config->max_sessions == 0) config->max_sessions = DEFAULT_SESSIONS;
  if (!config->clock) config->clock = base_clock_system();
}

static void register_metrics(struct ingest_tus *tus) {
  struct base_metrics *metrics = tus->config.metrics;
  static const char ended[] = "pixpop_ingest_sessions_total";
  static const char ended_help[] = "Resumable uploads by how they ended";
  tus->stored = base_metrics_counter(metrics, ended, "result=\"stored\"", ended_help);
  tus->refused = base_metrics_counter(metrics, ended, "result=\"refused\"", ended_help);
  tus->expired = base_metrics_counter(metrics, ended, "result=\"expired\"", ended_help);
  tus->terminated = base_metrics_counter(metrics, ended, "result=\"terminated\"", ended_help);
  tus->received = base_metrics_counter(metrics, "pixpop_ingest_received_bytes_total", "", "Bytes of uploads received");
}

// --- sessions of an earlier run ---

struct names {
  struct base_buffer text;  // names, each STORE_UPLOAD_NAME_CHARS long
  enum base_result result;
};

static bool note_name(void *argument, const char *name) {
  struct names *names = argument;
  if (strlen(name) == STORE_UPLOAD_NAME_CHARS) {
    names->result = base_buffer_append(&names->text, name, STORE_UPLOAD_NAME_CHARS);
  }
  return names->result == BASE_OK;
}

// Nobody was told its id.
static bool is_abandoned(const struct ingest_tus_session *session) {
  return session->is_unannounced || (session->kind == INGEST_TUS_FINAL && session->state == INGEST_TUS_OPEN);
}

// After a kill the page cache has bytes that were never synced, and a power cut would take back what is told of them.
static enum base_result sync_session(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                     struct ingest_tus_session *session, struct base_fault *fault) {
  struct store_upload *file;
  if (session->state > INGEST_TUS_CHECKING) return BASE_OK;
  ingest_tus_session_finish(session);
  const enum base_result result = ingest_tus_open(tus, entry, 0, session, &file, fault);
  if (result != BASE_OK) return result;
  const enum base_result rested = store_upload_rest(&file, fault);
  if (rested != BASE_OK) ingest_tus_session_finish(session);
  return rested;
}

static enum base_result load(struct ingest_tus *tus, struct base_span name, struct base_fault *fault) {
  struct ingest_tus_entry entry = {.is_locked = false};
  if (!base_span_copy(name, entry.id, sizeof entry.id)) return BASE_OK;
  struct ingest_tus_session session;
  struct base_fault why = {0};
  enum base_result result = ingest_tus_peek(tus, &entry, &session, &why);
  const bool is_damaged = result == BASE_CORRUPT;
  const bool is_useless = is_damaged || (result == BASE_OK && is_abandoned(&session));
  if (result != BASE_OK) base_log_fault(tus->config.log, BASE_LOG_WARN, "ingest", NULL, &why);
  if (is_useless) {
    if (!is_damaged) ingest_tus_session_finish(&session);
    return store_upload_remove(tus->config.store, entry.id, fault);
  }
  if (result != BASE_OK) return BASE_OK;  // another firmware's, perhaps: not ours to remove
  result = sync_session(tus, &entry, &session, fault);
  if (result != BASE_OK) return result;  // nothing that is true can be told of it
  memcpy(entry.tenant, session.tenant, sizeof entry.tenant);
  entry.state = ingest_tus_is_ripe(&session) ? INGEST_TUS_CHECKING : session.state;
  entry.expires_s = session.expires_s;
  entry.offset = session.offset;
  ingest_tus_session_finish(&session);
  return ingest_tus_table_add(tus->table, &entry, fault);
}

static enum base_result load_all(struct ingest_tus *tus, struct base_fault *fault) {
  struct names names = {.result = BASE_OK};
  base_buffer_init(&names.text, SIZE_MAX);
  enum base_result result = store_upload_visit(tus->config.store, note_name, &names, fault);
  if (result == BASE_OK && names.result != BASE_OK) {
    result = BASE_FAIL(fault, names.result, "", "no memory for unfinished uploads");
  }
  for (size_t at = 0; at < names.text.bytes && result == BASE_OK; at += STORE_UPLOAD_NAME_CHARS) {
    struct base_fault why = {0};
    result = load(tus, base_span_slice(base_buffer_span(&names.text), at, STORE_UPLOAD_NAME_CHARS), &why);
    // A box that has been given a lower limit, or whose disk fails in one place, starts nevertheless.
    if (result != BASE_OK) base_log_fault(tus->config.log, BASE_LOG_WARN, "ingest", NULL, &why);
    if (result != BASE_NO_MEMORY) result = BASE_OK;
  }
  base_buffer_finish(&names.text);
  return result;
}

enum base_result ingest_tus_create(const struct ingest_tus_config *config, struct ingest_tus **out,
                                   struct base_fault *fault) {
  *out = NULL;
  struct ingest_tus *tus = calloc(1, sizeof *tus);
  if (!tus) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for uploads");
  tus->config = *config;
  apply_defaults(&tus->config);
  register_metrics(tus);
  pthread_mutex_init(&tus->lock, NULL);
  tus->table = ingest_tus_table_create(
      tus->config.max_sessions, tus->config.max_sessions_per_tenant,
      base_metrics_gauge(config->metrics, "pixpop_ingest_sessions", "", "Resumable uploads that can be asked for"));
  enum base_result result = tus->table ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for uploads");
  if (result == BASE_OK) result = load_all(tus, fault);
  if (result == BASE_OK && tus->config.sweep_s > 0) result = ingest_tus_start_sweeper(tus, fault);
  if (result != BASE_OK) {
    ingest_tus_destroy(&tus);
    return result;
  }
  *out = tus;
  return BASE_OK;
}

void ingest_tus_destroy(struct ingest_tus **tus) {
  if (!*tus) return;
  if ((*tus)->has_sweeper) ingest_tus_stop_sweeper(*tus);
  ingest_tus_table_destroy(&(*tus)->table);
  pthread_mutex_destroy(&(*tus)->lock);
  free(*tus);
  *tus = NULL;
}

uint64_t ingest_tus_max_bytes(const struct ingest_tus *tus) { return tus->config.max_file_bytes; }

// --- reading and writing sessions ---

static enum base_result read_note(const struct ingest_tus_entry *entry, const struct base_buffer *note, uint64_t bytes,
                                  struct ingest_tus_session *out, struct base_fault *fault) {
  enum base_result result = ingest_tus_note_read(base_buffer_span(note), out, fault);
  if (result != BASE_OK) return result;
  memcpy(out->id, entry->id, sizeof out->id);
  out->is_locked = entry->is_locked;
  out->offset = base_min_u64(bytes, out->unverified_from);
  return BASE_OK;
}

// What the table knows of how it has ended is right even if the note could not be written.
static void apply_outcome(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                          struct ingest_tus_session *out) {
  if (entry->is_untold) {
    out->state = entry->state;
    out->is_unannounced = false;
    out->original = entry->original;
    if (entry->state == INGEST_TUS_REFUSED) ingest_tus_table_problem(tus->table, entry->id, &out->problem);
  }
  if (out->state == INGEST_TUS_STORED) out->offset = out->length;
  if (out->state == INGEST_TUS_REFUSED) out->offset = 0;
}

enum base_result ingest_tus_peek(struct ingest_tus *tus, const struct ingest_tus_entry *entry,
                                 struct ingest_tus_session *out, struct base_fault *fault) {
  struct base_buffer note;
  uint64_t bytes;
  base_buffer_init(&note, STORE_MAX_NOTE);
  enum base_result result = store_upload_peek(tus->config.store, entry->id, &note, &bytes, fault);
  if (result == BASE_OK) result = read_note(entry, &note, bytes, out, fault);
  base_buffer_finish(&note);
  if (result != BASE_OK) return result;
  apply_outcome(tus, entry, out);
  // What is being written is not synced yet.
  const bool has_ended = out->state == INGEST_TUS_STORED || out->state == INGEST_TUS_REFUSED;
  if (entry->is_locked && !has_ended) out->offset = base_min_u64(out->offset, entry->offset);
  return BASE_OK;
}

enum base_result ingest_tus_open(struct ingest_tus *tus, const struct ingest_tus_entry *entry, uint64_t body_bytes,
                                 struct ingest_tus_session *out, struct store_upload **file, struct base_fault *fault) {
  struct base_buffer note;
  base_buffer_init(&note, STORE_MAX_NOTE);
  enum base_result result = store_upload_resume(tus->config.store, entry->id, body_bytes, &note, file, fault);
  if (result != BASE_OK) goto out;
  result = read_note(entry, &note, store_upload_bytes(*file), out, fault);
  if (result == BASE_OK && store_upload_bytes(*file) > out->offset) {
    result = store_upload_rewind(*file, out->offset, fault);
    if (result != BASE_OK) ingest_tus_session_finish(out);
  }
  if (result != BASE_OK && store_upload_rest(file, NULL) != BASE_OK) *file = NULL;

out:
  base_buffer_finish(&note);
  return result;
}

enum base_result ingest_tus_write_note(const struct ingest_tus_session *session, struct store_upload *file,
                                       struct base_fault *fault) {
  struct base_buffer note;
  enum base_result result = ingest_tus_note_write(session, &note, fault);
  if (result == BASE_OK) result = store_upload_set_note(file, base_buffer_span(&note), fault);
  base_buffer_finish(&note);
  return result;
}

bool ingest_tus_prolong(const struct ingest_tus *tus, struct ingest_tus_session *session) {
  const int64_t now_s = ingest_tus_now_s(tus), whole_s = tus->config.expire_s;
  if (session->expires_s > now_s + whole_s / 2) return false;
  session->expires_s = now_s + whole_s;
  return true;
}

enum base_result ingest_tus_remove(struct ingest_tus *tus, const char *id, struct base_fault *fault) {
  enum base_result result = store_upload_remove(tus->config.store, id, fault);
  if (result == BASE_OK) {
    ingest_tus_table_remove(tus->table, id);
  } else {
    ingest_tus_table_release(tus->table, id);
  }
  return result;
}

// --- questions ---

static enum base_result look_and_check(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                       struct ingest_tus_session *out, struct base_fault *fault) {
  struct ingest_tus_entry entry;
  const int64_t now_s = ingest_tus_now_s(tus);
  enum base_result result = ingest_tus_table_lock(tus->table, tenant, id, now_s, &entry, fault);
  if (result != BASE_OK) return result;
  // It may have ended between the look and the lock.
  if (entry.state == INGEST_TUS_CHECKING) result = ingest_tus_may_check(tus, &entry, fault);
  if (result == BASE_OK && entry.state == INGEST_TUS_CHECKING) return ingest_tus_check_again(tus, &entry, out, fault);
  entry.is_locked = false;  // but by us
  if (result == BASE_OK) result = ingest_tus_peek(tus, &entry, out, fault);
  ingest_tus_table_release(tus->table, entry.id);
  return result;
}

enum base_result ingest_tus_look(struct ingest_tus *tus, const char *tenant, struct base_span id,
                                 struct ingest_tus_session *out, struct base_fault *fault) {
  struct ingest_tus_entry entry, after;
  for (;;) {
    enum base_result result = ingest_tus_table_find(tus->table, tenant, id, ingest_tus_now_s(tus), &entry, fault);
    if (result != BASE_OK) return result;
    if (entry.state == INGEST_TUS_CHECKING) return look_and_check(tus, tenant, id, out, fault);
    result = ingest_tus_peek(tus, &entry, out, fault);
    if (result != BASE_OK) return result;
    result = ingest_tus_table_find(tus->table, tenant, id, ingest_tus_now_s(tus), &after, fault);
    // Nobody began to write while the note and the size were read.
    if (result == BASE_OK && after.locks == entry.locks && after.state == entry.state) return BASE_OK;
    ingest_tus_session_finish(out);
    if (result != BASE_OK) return result;
  }
}

enum base_result ingest_tus_list(struct ingest_tus *tus, const char *tenant, const enum ingest_tus_state *only,
                                 bool (*visit)(void *argument, const struct ingest_tus_session *session),
                                 void *argument, struct base_fault *fault) {
  char(*ids)[INGEST_TUS_ID_CHARS + 1];
  size_t count;
  enum base_result result = ingest_tus_table_ids(tus->table, tenant, &ids, &count, fault);
  if (result != BASE_OK) return result;
  bool goes_on = true;
  for (size_t i = 0; i < count && goes_on; i++) {
    struct ingest_tus_entry entry;
    struct ingest_tus_session session;
    const struct base_span id = base_span_text(ids[i]);
    // One that has ended since, or has expired, is left out.
    if (ingest_tus_table_find(tus->table, tenant, id, ingest_tus_now_s(tus), &entry, NULL) != BASE_OK) continue;
    if (only && entry.state != *only) continue;
    if (ingest_tus_peek(tus, &entry, &session, NULL) != BASE_OK) continue;
    goes_on = visit(argument, &session);
    ingest_tus_session_finish(&session);
  }
  free(ids);
  return BASE_OK;
}
