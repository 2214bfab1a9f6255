#include "body.h"

#include <inttypes.h>

enum { DRAIN_MS = 5000, DRAIN_STEP_BYTES = 16 * 1024 };

void console_body_init(struct console_body *body, const struct http_request *request, const struct console_wire *wire) {
  const struct http_header *expect = http_request_header(request, "Expect");
  bool has_body = request->is_chunked || (request->has_content_length && request->content_length > 0);
  *body = (struct console_body){
      .wire = *wire,
      .is_chunked = request->is_chunked,
      .length = request->has_content_length ? request->content_length : 0,
      .awaits_continue = has_body && expect && base_span_is_nocase(expect->value, "100-continue"),
      .is_finished = !has_body,
  };
}

static enum base_result fail_read(const struct console_body *body, int outcome, struct base_fault *fault) {
  enum base_result result = outcome == 0 ? BASE_TIMEOUT : BASE_CANCELLED;
  const char *what = outcome == 0 ? "the client fell silent" : "the client left";
  if (body->is_chunked) {
    return BASE_FAIL(fault, result, "", "%s after %" PRIu64 " bytes of an unfinished body", what, body->received);
  }
  return BASE_FAIL(fault, result, "content-length", "%s after %" PRIu64 " of %" PRIu64 " bytes", what, body->received,
                   body->length);
}

enum base_result console_body_read(struct console_body *body, void *out, size_t capacity, size_t *got,
                                   struct base_fault *fault) {
  *got = 0;
  if (body->is_finished) return BASE_OK;
  if (body->awaits_continue) {
    body->awaits_continue = false;
    if (!body->wire.write(body->wire.self, base_span_text("HTTP/1.1 100 Continue\r\n\r\n"))) {
      return fail_read(body, -1, fault);
    }
  }
  int outcome = body->wire.read(body->wire.self, out, capacity);
  if (outcome <= 0) {
    if (outcome < 0 || !body->is_chunked) return fail_read(body, outcome, fault);
    body->is_finished = true;
    return BASE_OK;
  }
  *got = (size_t)outcome;
  body->received += *got;
  if (!body->is_chunked) body->is_finished = body->received >= body->length;
  return BASE_OK;
}

enum base_result console_body_read_all(struct console_body *body, size_t limit_bytes, struct base_buffer *out,
                                       struct base_fault *fault) {
  base_buffer_init(out, limit_bytes);
  if (!body->is_chunked && body->length > limit_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "content-length", "this request's body has at most %zu bytes", limit_bytes);
  }
  for (;;) {
    char bytes[1024];
    size_t got;
    enum base_result result = console_body_read(body, bytes, sizeof bytes, &got, fault);
    if (result != BASE_OK || got == 0) return result;
    result = base_buffer_append(out, bytes, got);
    if (result != BASE_OK) {
      return BASE_FAIL(fault, result, "", "this request's body has at most %zu bytes", limit_bytes);
    }
  }
}

bool console_body_drain(struct console_body *body, const struct base_clock *clock) {
  if (body->awaits_continue) return false;
  uint64_t deadline_ms = base_clock_ms(clock) + DRAIN_MS;
  while (!body->is_finished && base_clock_ms(clock) < deadline_ms) {
    char bytes[DRAIN_STEP_BYTES];
    size_t got;
    if (console_body_read(body, bytes, sizeof bytes, &got, NULL) != BASE_OK) return false;
  }
  return body->is_finished;
}
