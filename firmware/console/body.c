#include "body.h"

#include <inttypes.h>

enum { SMALL_BODY_MS = 10000, DRAIN_MS = 5000, DRAIN_STEP_BYTES = 16 * 1024 };

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

static enum base_result fail_read(struct console_body *body, int outcome, struct base_fault *fault) {
  bool is_silent = outcome != CONSOLE_WIRE_BROKEN;
  body->is_broken = true;
  if (body->is_chunked) {
    return is_silent ? BASE_FAIL(fault, BASE_SLOW_CLIENT, "", "the client fell silent after %" PRIu64 " bytes",
                                 body->received)
                     : BASE_FAIL(fault, BASE_BAD_INPUT, "transfer-encoding",
                                 "after %" PRIu64 " bytes the chunks break the rules or end too soon", body->received);
  }
  return BASE_FAIL(fault, is_silent ? BASE_SLOW_CLIENT : BASE_CANCELLED, "content-length",
                   "the client %s after %" PRIu64 " of %" PRIu64 " bytes", is_silent ? "fell silent" : "left",
                   body->received, body->length);
}

// Silence is bounded by the wire, but a byte now and then is no silence: without this it would hold a thread for hours.
static void limit_reads(const struct console_body *body, uint32_t ms) {
  if (body->wire.limit_reads) body->wire.limit_reads(body->wire.self, ms);
}

enum base_result console_body_read(struct console_body *body, void *out, size_t capacity, size_t *got,
                                   struct base_fault *fault) {
  *got = 0;
  if (body->is_finished) return BASE_OK;
  if (body->awaits_continue) {
    body->awaits_continue = false;
    if (!body->wire.write(body->wire.self, base_span_text("HTTP/1.1 100 Continue\r\n\r\n"))) {
      return fail_read(body, CONSOLE_WIRE_BROKEN, fault);
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

static enum base_result append_all(struct console_body *body, size_t limit_bytes, struct base_buffer *out,
                                   struct base_fault *fault) {
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

enum base_result console_body_read_all(struct console_body *body, size_t limit_bytes, struct base_buffer *out,
                                       struct base_fault *fault) {
  base_buffer_init(out, limit_bytes);
  if (!body->is_chunked && body->length > limit_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "content-length", "this request's body has at most %zu bytes", limit_bytes);
  }
  limit_reads(body, SMALL_BODY_MS);
  enum base_result result = append_all(body, limit_bytes, out, fault);
  limit_reads(body, 0);
  return result;
}

bool console_body_drain(struct console_body *body, const struct base_clock *clock) {
  if (body->awaits_continue) return false;
  uint64_t deadline_ms = base_clock_ms(clock) + DRAIN_MS;
  limit_reads(body, DRAIN_MS);
  while (!body->is_finished && !body->is_broken && base_clock_ms(clock) < deadline_ms) {
    char bytes[DRAIN_STEP_BYTES];
    size_t got;
    if (console_body_read(body, bytes, sizeof bytes, &got, NULL) != BASE_OK) break;
  }
  limit_reads(body, 0);
  return body->is_finished;
}
