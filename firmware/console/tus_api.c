// /api/v1/uploads: tus 1.0.0 (https://tus.io/protocols/resumable-upload) over ingest's sessions.
//
// Beyond the protocol: the reply to the last byte, and later ones to HEAD, name the original in Pixpop-Original; GET
// tells of sessions as JSON. While the picture is being checked HEAD and PATCH get 423 with Retry-After: an offset that
// equals the length means success to clients, and it is none yet. A check that fails for the box's own reasons gets 503
// with Retry-After; HEAD or an empty PATCH asks for another.

#include "tus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http/date.h"
#include "http/query.h"
#include "ingest/tus.h"
#include "intake.h"

#define VERSION "1.0.0"
#define EXTENSIONS "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"
#define ENDPOINT "/api/v1/uploads"
#define BODY_TYPE "application/offset+octet-stream"

enum { MAX_LISTED = 1000, MAX_LIST_JSON = 8 * 1024 * 1024 };

struct tus_intake {
  struct console_intake intake;
  struct ingest_tus_upload *upload;
};

// --- what requests have in common ---

// The id behind the endpoint; empty for the endpoint itself.
static struct base_span id_of(const struct http_request *request) {
  struct base_span rest = base_span_slice(request->path, sizeof ENDPOINT - 1, request->path.bytes);
  return base_span_slice(rest, 1, rest.bytes);
}

static bool is_ours(const struct http_request *request) {
  const size_t bytes = sizeof ENDPOINT - 1;
  return base_span_starts_with(request->path, ENDPOINT) &&
         (request->path.bytes == bytes || request->path.data[bytes] == '/');
}

static struct base_span field(const struct http_request *request, const char *name) {
  const struct http_header *header = http_request_header(request, name);
  // An empty field is not an absent one.
  return header ? base_span_of(header->value.data ? (const char *)header->value.data : "", header->value.bytes)
                : (struct base_span){0};
}

static uint64_t body_bytes(const struct http_request *request) {
  if (request->is_chunked) return UINT64_MAX;
  return request->has_content_length ? request->content_length : 0;
}

enum base_result console_tus_override(struct http_request *request, struct base_fault *fault) {
  const struct base_span method = field(request, "X-HTTP-Method-Override");
  if (!method.data || !is_ours(request)) return BASE_OK;
  if (request->method != HTTP_POST) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "X-HTTP-Method-Override", "X-HTTP-Method-Override comes with a POST");
  }
  if (base_span_is(method, "PATCH")) {
    request->method = HTTP_PATCH;
  } else if (base_span_is(method, "DELETE")) {
    request->method = HTTP_DELETE;
  } else {
    return BASE_FAIL(fault, BASE_NOT_IMPLEMENTED, "X-HTTP-Method-Override", "a POST can stand for PATCH or DELETE");
  }
  request->method_text = method;
  return BASE_OK;
}

void console_tus_mark(const struct http_request *request, struct http_reply *reply) {
  if (!is_ours(request)) return;
  http_reply_header(reply, "Tus-Resumable", VERSION);
  if (reply->status == 412) http_reply_header(reply, "Tus-Version", VERSION);
}

static enum base_result check_version(const struct http_request *request, struct base_fault *fault) {
  if (base_span_is(field(request, "Tus-Resumable"), VERSION)) return BASE_OK;
  return BASE_FAIL(fault, BASE_PRECONDITION, "Tus-Resumable", "the version of tus here is " VERSION);
}

static enum base_result check_type(const struct http_request *request, struct base_fault *fault) {
  if (base_span_is_nocase(field(request, "Content-Type"), BODY_TYPE)) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "the bytes of an upload come as " BODY_TYPE);
}

static struct ingest_tus *tus_of(const struct console_exchange *exchange) { return exchange->console->config.tus; }

// --- replies ---

static void add_expiry(const struct ingest_tus_session *session, struct http_reply *reply) {
  char date[HTTP_DATE_CHARS + 1];
  http_date_format(session->expires_s, date, sizeof date);
  http_reply_header(reply, "Upload-Expires", "%s", date);
}

static void add_progress(const struct ingest_tus_session *session, struct http_reply *reply) {
  http_reply_header(reply, "Upload-Offset", "%" PRIu64, session->offset);
  add_expiry(session, reply);
  if (session->state != INGEST_TUS_STORED) return;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&session->original, id);
  http_reply_header(reply, "Pixpop-Original", "%s", id);
}

static void log_stored(const struct console_exchange *exchange, const struct ingest_tus_session *session) {
  if (session->state != INGEST_TUS_STORED) return;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&session->original, id);
  base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                 "upload %s is original %s", session->id, id);
}

enum base_result console_tus_options(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  (void)fault;
  http_reply_init(reply, 204);
  http_reply_header(reply, "Tus-Version", VERSION);
  http_reply_header(reply, "Tus-Extension", EXTENSIONS);
  http_reply_header(reply, "Tus-Checksum-Algorithm", INGEST_TUS_CHECKSUMS);
  http_reply_header(reply, "Tus-Max-Size", "%" PRIu64, ingest_tus_max_bytes(tus_of(exchange)));
  return BASE_OK;
}

// --- bytes as they come ---

static enum base_result write_bytes(struct console_intake *intake, struct base_span bytes, struct base_fault *fault) {
  return ingest_tus_write(((struct tus_intake *)intake)->upload, bytes, fault);
}

static void give_up(struct console_intake *intake) { ingest_tus_rest(&((struct tus_intake *)intake)->upload); }

static void destroy(struct console_intake **intake) {
  struct tus_intake *tus = (struct tus_intake *)*intake;
  *intake = NULL;
  if (!tus) return;
  ingest_tus_rest(&tus->upload);
  free(tus);
}

static enum base_result begin_session(struct console_exchange *exchange, struct ingest_tus_upload **out,
                                      struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  const struct ingest_tus_wishes wishes = {.length = field(request, "Upload-Length"),
                                           .defer_length = field(request, "Upload-Defer-Length"),
                                           .metadata = field(request, "Upload-Metadata"),
                                           .concat = field(request, "Upload-Concat"),
                                           .checksum = field(request, "Upload-Checksum"),
                                           .body_bytes = body_bytes(request)};
  if (id_of(request).bytes > 0) return BASE_FAIL(fault, BASE_NOT_FOUND, "path", "uploads are made at " ENDPOINT);
  enum base_result result = check_version(request, fault);
  if (result == BASE_OK && wishes.body_bytes > 0) result = check_type(request, fault);
  return result == BASE_OK ? ingest_tus_begin(tus_of(exchange), exchange->tenant, &wishes, out, fault) : result;
}

static enum base_result resume_session(struct console_exchange *exchange, struct ingest_tus_upload **out,
                                       struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  const struct ingest_tus_chunk chunk = {.offset = field(request, "Upload-Offset"),
                                         .length = field(request, "Upload-Length"),
                                         .checksum = field(request, "Upload-Checksum"),
                                         .body_bytes = body_bytes(request)};
  enum base_result result = check_version(request, fault);
  if (result == BASE_OK) result = check_type(request, fault);
  return result == BASE_OK ? ingest_tus_resume(tus_of(exchange), exchange->tenant, id_of(request), &chunk, out, fault)
                           : result;
}

static enum base_result open_intake(const struct console_intake_kind *kind,
                                    enum base_result (*begin)(struct console_exchange *exchange,
                                                              struct ingest_tus_upload **out, struct base_fault *fault),
                                    struct console_exchange *exchange, struct console_intake **out,
                                    struct base_fault *fault) {
  *out = NULL;
  struct tus_intake *tus = calloc(1, sizeof *tus);
  if (!tus) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  tus->intake.kind = kind;
  enum base_result result = begin(exchange, &tus->upload, fault);
  if (result == BASE_OK) {
    *out = &tus->intake;
  } else {
    free(tus);
  }
  return result;
}

static enum base_result open_create(struct console_exchange *exchange, struct console_intake **out,
                                    struct base_fault *fault) {
  return open_intake(&console_tus_create_intake, begin_session, exchange, out, fault);
}

static enum base_result open_patch(struct console_exchange *exchange, struct console_intake **out,
                                   struct base_fault *fault) {
  return open_intake(&console_tus_patch_intake, resume_session, exchange, out, fault);
}

const struct console_intake_kind console_tus_create_intake = {open_create, write_bytes, give_up, destroy};
const struct console_intake_kind console_tus_patch_intake = {open_patch, write_bytes, give_up, destroy};

static enum base_result end_chunk(struct console_exchange *exchange, int status, struct http_reply *reply,
                                  struct base_fault *fault) {
  struct tus_intake *tus = (struct tus_intake *)exchange->intake;
  struct ingest_tus_session session;
  enum base_result result = ingest_tus_end(&tus->upload, &session, fault);
  if (result != BASE_OK) return result;
  log_stored(exchange, &session);
  http_reply_init(reply, status);
  if (status == 201) http_reply_header(reply, "Location", ENDPOINT "/%s", session.id);
  add_progress(&session, reply);
  ingest_tus_session_finish(&session);
  return BASE_OK;
}

enum base_result console_tus_create(struct console_exchange *exchange, struct http_reply *reply,
                                    struct base_fault *fault) {
  return end_chunk(exchange, 201, reply, fault);
}

enum base_result console_tus_patch(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) {
  return end_chunk(exchange, 204, reply, fault);
}

// --- questions ---

static void write_name(struct base_json_writer *json, const struct ingest_tus_session *session) {
  struct ingest_metadata metadata;
  const enum base_result result = ingest_tus_metadata_parse(base_span_text(session->metadata), &metadata, NULL);
  base_json_string(json, "name", result == BASE_OK && metadata.name[0] != '\0' ? metadata.name : NULL);
}

static void write_session(struct base_json_writer *json, const struct ingest_tus_session *session) {
  base_json_object(json, NULL);
  base_json_string(json, "id", session->id);
  base_json_string(json, "state", ingest_tus_state_name(session->state));
  base_json_string(json, "kind", ingest_tus_kind_name(session->kind));
  base_json_integer(json, "offset", (int64_t)session->offset);
  if (session->has_length) base_json_integer(json, "length", (int64_t)session->length);
  write_name(json, session);
  base_json_bool(json, "is_locked", session->is_locked);
  base_json_integer(json, "created_s", session->created_s);
  base_json_integer(json, "expires_s", session->expires_s);
  if (session->state == INGEST_TUS_STORED) {
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&session->original, id);
    base_json_string(json, "original", id);
  } else if (session->state == INGEST_TUS_REFUSED) {
    base_json_object(json, "problem");
    base_json_string(json, "type", base_result_name(session->problem.result));
    base_json_string(json, "detail", session->problem.text);
    base_json_string(json, "subject", session->problem.subject);
    base_json_object_end(json);
  }
  base_json_object_end(json);
}

static enum base_result reply_session(const struct ingest_tus_session *session, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_LIST_JSON);
  base_json_begin(&json, &text);
  write_session(&json, session);
  enum base_result result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result reply_head(const struct ingest_tus_session *session, struct http_reply *reply,
                                   struct base_fault *fault) {
  if (session->state == INGEST_TUS_REFUSED) {
    return BASE_FAIL(fault, BASE_GONE, session->problem.subject, "the file was refused: %s", session->problem.text);
  }
  http_reply_init(reply, 200);
  http_reply_header(reply, "Cache-Control", "no-store");
  add_progress(session, reply);
  if (session->has_length) {
    http_reply_header(reply, "Upload-Length", "%" PRIu64, session->length);
  } else {
    http_reply_header(reply, "Upload-Defer-Length", "1");
  }
  if (session->metadata) http_reply_header(reply, "Upload-Metadata", "%s", session->metadata);
  if (session->concat) http_reply_header(reply, "Upload-Concat", "%s", session->concat);
  return BASE_OK;
}

enum base_result console_tus_show(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  const bool is_head = request->method == HTTP_HEAD;
  struct ingest_tus_session session;
  enum base_result result = is_head ? check_version(request, fault) : BASE_OK;
  if (result == BASE_OK) {
    result = ingest_tus_look(tus_of(exchange), exchange->tenant, id_of(request), &session, fault);
  }
  if (result != BASE_OK) return result;
  result = is_head ? reply_head(&session, reply, fault) : reply_session(&session, reply, fault);
  ingest_tus_session_finish(&session);
  return result;
}

struct listing {
  struct base_json_writer json;
  size_t count;
  bool is_truncated;
};

static bool list_one(void *argument, const struct ingest_tus_session *session) {
  struct listing *listing = argument;
  listing->is_truncated = listing->count == MAX_LISTED;
  if (listing->is_truncated) return false;
  listing->count++;
  write_session(&listing->json, session);
  return listing->json.result == BASE_OK;
}

// ?state=open and the like; *has is false without.
static enum base_result read_filter(const struct http_request *request, enum ingest_tus_state *only, bool *has,
                                    struct base_fault *fault) {
  struct http_query query;
  *has = false;
  const enum base_result result = http_query_parse(request->query, &query, fault);
  if (result != BASE_OK || query.count == 0) return result;
  if (query.count > 1 || !base_span_is(query.pairs[0].name, "state")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "the only option of this list is state");
  }
  for (int state = INGEST_TUS_OPEN; state <= INGEST_TUS_REFUSED && !*has; state++) {
    *only = (enum ingest_tus_state)state;
    *has = base_span_is(query.pairs[0].value, ingest_tus_state_name(*only));
  }
  if (*has) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "state", "a state is open, checking, stored or refused");
}

enum base_result console_tus_list(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) {
  struct base_buffer text;
  struct listing listing = {.count = 0};
  enum ingest_tus_state only;
  bool is_filtered;
  enum base_result result = read_filter(&exchange->request, &only, &is_filtered, fault);
  if (result != BASE_OK) return result;
  base_buffer_init(&text, MAX_LIST_JSON);
  base_json_begin(&listing.json, &text);
  base_json_object(&listing.json, NULL);
  base_json_array(&listing.json, "items");
  result = ingest_tus_list(tus_of(exchange), exchange->tenant, is_filtered ? &only : NULL, list_one, &listing, fault);
  base_json_array_end(&listing.json);
  base_json_bool(&listing.json, "truncated", listing.is_truncated);
  base_json_object_end(&listing.json);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, listing.json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_tus_end(struct console_exchange *exchange, struct http_reply *reply,
                                 struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  enum base_result result = check_version(request, fault);
  if (result == BASE_OK) {
    result = ingest_tus_terminate(tus_of(exchange), exchange->tenant, id_of(request), fault);
  }
  if (result == BASE_OK) http_reply_init(reply, 204);
  return result;
}
