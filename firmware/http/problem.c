#include "http/problem.h"

#include "base/json.h"

#include <stdio.h>

enum { MAX_PROBLEM_BYTES = 4096, BUSY_RETRY_AFTER_S = 1, RATE_RETRY_AFTER_S = 60 };

// The one place where a result becomes a status. `public_detail` replaces the fault's text and subject where those
// may hold paths and other facts of the machine.
static const struct {
  int status;
  const char *title;
  const char *public_detail;
} PROBLEMS[BASE_RESULT_COUNT] = {
    [BASE_OK] = {500, "Internal error", "The server failed in an unexpected way"},
    [BASE_BAD_INPUT] = {400, "Bad request", NULL},
    [BASE_UNAUTHORIZED] = {401, "Authentication required", NULL},
    [BASE_FORBIDDEN] = {403, "Forbidden", NULL},
    [BASE_NOT_FOUND] = {404, "Not found", NULL},
    [BASE_METHOD] = {405, "Method not allowed", NULL},
    [BASE_CONFLICT] = {409, "Conflict", NULL},
    [BASE_LOCKED] = {423, "Locked", NULL},
    [BASE_CHECKSUM] = {460, "Checksum mismatch", NULL},  // tus 1.0.0
    [BASE_GONE] = {410, "Gone", NULL},
    [BASE_LENGTH_REQUIRED] = {411, "Length required", NULL},
    [BASE_PRECONDITION] = {412, "Precondition failed", NULL},
    [BASE_TOO_LARGE] = {413, "Content too large", NULL},
    [BASE_UNSUPPORTED] = {415, "Unsupported media type", NULL},
    [BASE_RANGE] = {416, "Range not satisfiable", NULL},
    [BASE_UNPROCESSABLE] = {422, "Content cannot be processed", NULL},
    [BASE_HEADERS_TOO_LARGE] = {431, "Request head too large", NULL},
    [BASE_NOT_IMPLEMENTED] = {501, "Not implemented", NULL},
    [BASE_VERSION] = {505, "HTTP version not supported", NULL},
    [BASE_RATE] = {429, "Too many requests", NULL},
    [BASE_BUSY] = {503, "Busy", NULL},
    [BASE_TIMEOUT] = {504, "Timed out", NULL},
    [BASE_SLOW_CLIENT] = {408, "Request timed out", NULL},
    [BASE_CANCELLED] = {499, "Cancelled", NULL},
    [BASE_NO_SPACE] = {507, "No space left", "The disk is full: delete what is not needed to make room"},
    [BASE_NO_MEMORY] = {503, "Out of memory", "The server is short of memory; try again later"},
    [BASE_IO] = {500, "Input or output failed", "The server could not read or write its storage"},
    [BASE_CORRUPT] = {500, "Stored data is damaged", "The stored data failed its checks"},
    [BASE_DEVICE] = {503, "Graphics device unavailable", "The graphics device is not available; try again later"},
    [BASE_INTERNAL] = {500, "Internal error", "The server failed in an unexpected way"},
};

static enum base_result known(enum base_result result) {
  return (unsigned)result < BASE_RESULT_COUNT && result != BASE_OK ? result : BASE_INTERNAL;
}

int http_status_of(enum base_result result) { return result == BASE_OK ? 200 : PROBLEMS[known(result)].status; }

static enum base_result write_body(struct base_buffer *body, const struct base_fault *fault, int status,
                                   const char *request_id) {
  enum base_result result = known(fault->result);
  const char *public_detail = PROBLEMS[result].public_detail;
  struct base_json_writer json;
  base_json_begin(&json, body);
  base_json_object(&json, NULL);
  char type[64];
  (void)snprintf(type, sizeof type, "urn:pixpop:problem:%s", base_result_name(result));
  base_json_string(&json, "type", type);
  base_json_string(&json, "title", PROBLEMS[result].title);
  base_json_integer(&json, "status", status);
  base_json_string(&json, "detail", public_detail ? public_detail : fault->text);
  if (!public_detail && fault->subject[0]) base_json_string(&json, "subject", fault->subject);
  if (request_id && request_id[0]) base_json_string(&json, "request_id", request_id);
  base_json_object_end(&json);
  return json.result;
}

void http_problem_reply(struct http_reply *reply, const struct base_fault *fault, const char *request_id) {
  int status = PROBLEMS[known(fault->result)].status;
  bool is_request_line = base_span_is(base_span_text(fault->subject), "request-line");
  if (fault->result == BASE_HEADERS_TOO_LARGE && is_request_line) status = 414;

  http_reply_init(reply, status);
  http_reply_header(reply, "Content-Type", "application/problem+json");
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  if (status == 503 || status == 423) http_reply_header(reply, "Retry-After", "%d", BUSY_RETRY_AFTER_S);
  if (status == 429) http_reply_header(reply, "Retry-After", "%d", RATE_RETRY_AFTER_S);
  if (status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"pixpop\"");

  struct base_buffer body;
  base_buffer_init(&body, MAX_PROBLEM_BYTES);
  // Without memory for a body the status alone has to do.
  if (write_body(&body, fault, status, request_id) == BASE_OK) {
    struct base_blob *blob = base_blob_from_buffer(&body);
    if (blob) http_reply_add_blob(reply, blob, 0, blob->bytes);
  }
  base_buffer_finish(&body);
}

void http_problem_send(struct http_sink *sink, const struct base_fault *fault, const char *request_id) {
  struct http_reply reply;
  http_problem_reply(&reply, fault, request_id);
  http_sink_complete(sink, &reply);
}
