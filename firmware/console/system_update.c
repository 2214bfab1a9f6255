// POST /api/v1/system/update[?older=1]: an update bundle on its way to the system program, as fast as that writes it.
// Nothing is kept here; how far it is tells GET /api/v1/system.

#include <inttypes.h>
#include <stdlib.h>

#include "api.h"
#include "http/query.h"
#include "intake.h"
#include "system.h"

enum {
  ANSWER_MS = 5000,      // to say why no more is taken
  CHECKING_MS = 600000,  // of silence while the slot is read back, from whatever slow card
};
// Two images of at most 2 GiB each and a head (update/bundle.h); the system program knows how much a slot holds.
static const uint64_t max_bundle_bytes = (UINT64_C(1) << 32) + 64 * 1024;

struct update_intake {
  struct console_intake intake;
  const struct console_exchange *exchange;
  struct update_call *call;
  uint64_t received;
  struct base_fault failure;
};

static enum base_result read_older(struct base_span text, bool *out, struct base_fault *fault) {
  struct http_query query;
  const enum base_result result = http_query_parse(text, &query, fault);
  *out = false;
  if (result != BASE_OK || query.count == 0) return result;
  const struct base_span value = query.pairs[0].value;
  if (query.count > 1 || !base_span_is(query.pairs[0].name, "older") ||
      (!base_span_is(value, "1") && !base_span_is(value, "0"))) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "the only option of an update is older=1");
  }
  *out = base_span_is(value, "1");
  return BASE_OK;
}

static enum base_result fail_size(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_TOO_LARGE, "content-length", "no update bundle has more than %" PRIu64 " bytes",
                   max_bundle_bytes);
}

static void destroy(struct console_intake **intake) {
  struct update_intake *update = (struct update_intake *)*intake;
  if (!update) return;
  update_call_destroy(&update->call);
  free(update);
  *intake = NULL;
}

static enum base_result open_update(struct console_exchange *exchange, struct console_intake **out,
                                    struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  bool is_older;
  *out = NULL;
  if (!request->has_content_length && !request->is_chunked) {
    return BASE_FAIL(fault, BASE_LENGTH_REQUIRED, "content-length", "an update needs a Content-Length or is chunked");
  }
  if (request->has_content_length && request->content_length > max_bundle_bytes) return fail_size(fault);
  enum base_result result = read_older(request->query, &is_older, fault);
  if (result != BASE_OK) return result;
  struct update_intake *update = calloc(1, sizeof *update);
  if (!update) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an update");
  update->intake.kind = &console_system_update_intake;
  update->exchange = exchange;
  struct console_intake *intake = &update->intake;
  result = console_system_call(
      exchange, is_older ? "{\"do\":\"install\",\"older\":true}" : "{\"do\":\"install\",\"older\":false}",
      &update->call, fault);
  if (result == BASE_OK) {
    *out = intake;
  } else {
    destroy(&intake);
  }
  return result;
}

// Takes the progress lines that have come, so that they do not fill the socket. What ends the update is its failure.
static enum base_result hear(struct update_intake *update, unsigned timeout_ms) {
  for (;;) {
    struct base_fault failure = {0};
    struct base_json *line;
    bool is_last;
    const enum base_result result = update_call_read(update->call, timeout_ms, &line, &is_last, &failure);
    base_json_destroy(&line);
    if (is_last && result != BASE_OK) {
      return BASE_FAIL(&update->failure, result, failure.subject, "%s", failure.text);
    }
    if (is_last) {
      return BASE_FAIL(&update->failure, BASE_BUSY, "", "the system program answered before it had the whole bundle");
    }
    if (result == BASE_TIMEOUT) return BASE_OK;
    if (result != BASE_OK) return console_system_blame(result, &failure, &update->failure);
  }
}

static enum base_result pass_on(struct update_intake *update, struct base_span bytes) {
  struct base_fault failure = {0};
  update->received += bytes.bytes;
  if (update->received > max_bundle_bytes) return fail_size(&update->failure);
  enum base_result result = hear(update, 0);
  if (result != BASE_OK) return result;
  result = update_call_write(update->call, bytes, &failure);
  if (result == BASE_OK) return BASE_OK;
  if (result == BASE_CANCELLED) {
    const enum base_result reason = hear(update, ANSWER_MS);
    if (reason != BASE_OK) return reason;
  }
  return console_system_blame(result, &failure, &update->failure);
}

static enum base_result write_bytes(struct console_intake *intake, struct base_span bytes, struct base_fault *fault) {
  struct update_intake *update = (struct update_intake *)intake;
  const enum base_result result = pass_on(update, bytes);
  if (result != BASE_OK && fault && fault->result == BASE_OK) *fault = update->failure;
  return result;
}

// The system program sees the end of a bundle that is not whole, and leaves the slot as one that can not be booted.
static void give_up(struct console_intake *intake) { (void)intake; }

const struct console_intake_kind console_system_update_intake = {open_update, write_bytes, give_up, destroy};

static enum base_result await_end(struct update_intake *update, struct base_buffer *out, struct base_fault *fault) {
  struct base_fault failure = {0};
  if (update->failure.result != BASE_OK) {
    *fault = update->failure;
    return fault->result;
  }
  const enum base_result result = update_call_end_body(update->call, &failure);
  if (result != BASE_OK) return console_system_blame(result, &failure, fault);
  return console_system_hear(update->exchange, update->call, CHECKING_MS, true, out, fault);
}

enum base_result console_system_update(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  struct update_intake *update = (struct update_intake *)exchange->intake;
  struct base_buffer text;
  base_buffer_init(&text, UPDATE_AGENT_MAX_LINE * 2);
  enum base_result result = await_end(update, &text, fault);
  if (result == BASE_OK) {
    base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                   "an update of %" PRIu64 " bytes was installed, by %s", update->received, exchange->client);
    result = console_reply_json(reply, 200, &text, BASE_OK, fault);
  } else {
    // Those that are no business of other clients are of whoever updates: they stand in the system program's status.
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, fault);
  }
  base_buffer_finish(&text);
  return result;
}
