#include "tus_note.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { FORMAT = 1 };

static const char *const kind_names[] = {"whole", "partial", "final"};
static const char *const state_names[] = {"open", "checking", "stored", "refused"};

const char *ingest_tus_kind_name(enum ingest_tus_kind kind) { return kind_names[kind]; }

const char *ingest_tus_state_name(enum ingest_tus_state state) { return state_names[state]; }

void ingest_tus_session_finish(struct ingest_tus_session *session) {
  free(session->metadata);
  free(session->concat);
  session->metadata = session->concat = NULL;
}

static void write_outcome(const struct ingest_tus_session *session, struct base_json_writer *json) {
  if (session->state == INGEST_TUS_STORED) {
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&session->original, id);
    base_json_string(json, "original", id);
  } else if (session->state == INGEST_TUS_REFUSED) {
    base_json_string(json, "problem", base_result_name(session->problem.result));
    base_json_string(json, "subject", session->problem.subject);
    base_json_string(json, "text", session->problem.text);
  }
}

enum base_result ingest_tus_note_write(const struct ingest_tus_session *session, struct base_buffer *out,
                                       struct base_fault *fault) {
  struct base_json_writer json;
  base_buffer_init(out, STORE_MAX_NOTE);
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_integer(&json, "format", FORMAT);
  base_json_string(&json, "tenant", session->tenant);
  base_json_string(&json, "kind", kind_names[session->kind]);
  base_json_string(&json, "state", state_names[session->state]);
  base_json_integer(&json, "created_s", session->created_s);
  base_json_integer(&json, "expires_s", session->expires_s);
  if (session->has_length) base_json_integer(&json, "length", (int64_t)session->length);
  if (session->is_unannounced) base_json_bool(&json, "unannounced", true);
  if (session->unverified_from != UINT64_MAX) {
    base_json_integer(&json, "unverified_from", (int64_t)session->unverified_from);
  }
  write_outcome(session, &json);
  // Nobody is shown these of a refused one, and its problem takes their room.
  if (session->metadata && session->state != INGEST_TUS_REFUSED) {
    base_json_string(&json, "metadata", session->metadata);
  }
  if (session->concat && session->state != INGEST_TUS_REFUSED) base_json_string(&json, "concat", session->concat);
  base_json_object_end(&json);
  if (json.result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, json.result, "", "the note of an upload can not be written");
}

// The place of the member's value in `names`, or -1.
static int read_word(const struct base_json_value *root, const char *key, const char *const *names, int count) {
  const char *word = base_json_as_string(base_json_get(root, key));
  for (int i = 0; word && i < count; i++) {
    if (strcmp(word, names[i]) == 0) return i;
  }
  return -1;
}

static bool read_u64(const struct base_json_value *root, const char *key, uint64_t *out) {
  int64_t number;
  if (!base_json_as_integer(base_json_get(root, key), &number) || number < 0) return false;
  *out = (uint64_t)number;
  return true;
}

// An absent member is fine; false when memory is short.
static bool read_text(const struct base_json_value *root, const char *key, char **out) {
  const char *text = base_json_as_string(base_json_get(root, key));
  *out = text ? strdup(text) : NULL;
  return !text || *out;
}

static bool read_outcome(const struct base_json_value *root, struct ingest_tus_session *out) {
  const char *original = base_json_as_string(base_json_get(root, "original"));
  const char *problem = base_json_as_string(base_json_get(root, "problem"));
  const char *subject = base_json_as_string(base_json_get(root, "subject"));
  const char *text = base_json_as_string(base_json_get(root, "text"));
  if (out->state == INGEST_TUS_STORED) return integrity_digest_parse(base_span_text(original), &out->original);
  if (out->state != INGEST_TUS_REFUSED) return true;
  enum base_result result = BASE_RESULT_COUNT;
  for (int i = BASE_OK + 1; problem && i < BASE_RESULT_COUNT; i++) {
    if (strcmp(problem, base_result_name(i)) == 0) result = i;
  }
  if (result == BASE_RESULT_COUNT || !subject || !text) return false;
  (void)BASE_FAIL(&out->problem, result, subject, "%s", text);
  return true;
}

static bool read_members(const struct base_json_value *root, struct ingest_tus_session *out) {
  const char *tenant = base_json_as_string(base_json_get(root, "tenant"));
  const int kind = read_word(root, "kind", kind_names, 3), state = read_word(root, "state", state_names, 4);
  if (!tenant || kind < 0 || state < 0) return false;
  if (!base_span_copy(base_span_text(tenant), out->tenant, sizeof out->tenant)) return false;
  out->kind = (enum ingest_tus_kind)kind;
  out->state = (enum ingest_tus_state)state;
  out->is_unannounced = base_json_get(root, "unannounced") != NULL;
  out->has_length = read_u64(root, "length", &out->length);
  if (!read_u64(root, "unverified_from", &out->unverified_from)) out->unverified_from = UINT64_MAX;
  return base_json_as_integer(base_json_get(root, "created_s"), &out->created_s) &&
         base_json_as_integer(base_json_get(root, "expires_s"), &out->expires_s) && read_outcome(root, out);
}

enum base_result ingest_tus_note_read(struct base_span note, struct ingest_tus_session *out, struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  struct base_json *json = NULL;
  enum base_result result = base_json_parse(note, &json, NULL);
  const struct base_json_value *root = result == BASE_OK ? base_json_root(json) : NULL;
  uint64_t format;
  if (result == BASE_NO_MEMORY) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a note");
  } else if (!base_json_is_object(root) || !read_u64(root, "format", &format)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, "", "the note of an upload is damaged");
  } else if (format != FORMAT) {
    result =
        BASE_FAIL(fault, BASE_UNSUPPORTED, "", "the note of an upload has the unknown format %u", (unsigned)format);
  } else if (!read_members(root, out)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, "", "the note of an upload is damaged");
  } else if (!read_text(root, "metadata", &out->metadata) || !read_text(root, "concat", &out->concat)) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a note");
  }
  if (result != BASE_OK) ingest_tus_session_finish(out);
  base_json_destroy(&json);
  return result;
}
