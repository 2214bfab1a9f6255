#include "gate_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate_parts.h"
#include "http/parser.h"
#include "routes.h"

enum { FORWARD_SPARE_BYTES = 256 };

static const char refused_head[] = "GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n";

// Of the client's connection, or written anew.
static const char *const not_forwarded[] = {"Connection", "Content-Length", "Expect",  "Keep-Alive",
                                            "TE",         "Trailer",        "Upgrade", "Transfer-Encoding"};

void console_request_make_id(char out[HTTP_REQUEST_ID_CHARS + 1]) {
  uint8_t random[HTTP_REQUEST_ID_CHARS / 2];
  base_random_bytes(random, sizeof random);
  base_hex_encode(base_span_of(random, sizeof random), out, HTTP_REQUEST_ID_CHARS + 1);
}

static bool is_forwarded(const struct http_header *header) {
  for (size_t i = 0; i < sizeof not_forwarded / sizeof *not_forwarded; i++) {
    if (base_span_is_nocase(header->name, not_forwarded[i])) return false;
  }
  return true;
}

static void take_body_facts(struct gate_request *request) {
  const struct http_request *head = &request->exchange.request;
  const struct http_header *expect = http_request_header(head, "Expect");
  request->is_chunked = head->is_chunked;
  request->left = head->has_content_length ? head->content_length : 0;
  request->is_whole = !request->is_chunked && request->left == 0;
  request->awaits_continue =
      !request->is_whole && expect && head->version_minor > 0 && base_span_is_nocase(expect->value, "100-continue");
}

// Routes the request, or refuses it.
static void judge(struct gate_connection *connection, struct gate_request *request) {
  struct console_exchange *exchange = &request->exchange;
  struct base_fault *refusal = &exchange->refusal;
  if (atomic_load(&connection->gate->is_stopping)) {
    (void)BASE_FAIL(refusal, BASE_BUSY, "", "the box is shutting down");
    return;
  }
  exchange->tenant = pop_tenant_name(exchange->console->config.pop, exchange->request.host);
  console_route(exchange);
  if (refusal->result != BASE_OK) return;
  request->kind = console_route_intake(exchange->route);
  if (!request->kind && request->left > GATE_MAX_SMALL_BODY) {
    (void)BASE_FAIL(refusal, BASE_TOO_LARGE, "content-length", "this request's body has at most %d bytes",
                    GATE_MAX_SMALL_BODY);
  }
}

struct gate_request *console_gate_request_create(struct gate_connection *connection, struct base_span head,
                                                 const struct base_fault *fault) {
  struct gate_request *request = calloc(1, sizeof *request + head.bytes);
  if (!request) return NULL;
  struct console_exchange *exchange = &request->exchange;
  exchange->console = connection->gate->console;
  exchange->is_tls = connection->tls != NULL;
  memcpy(exchange->client, connection->address, sizeof exchange->client);
  request->hatch_fd = -1;
  request->begin_ms = connection->now_ms;
  base_buffer_init(&request->small_body, GATE_MAX_SMALL_BODY);
  base_buffer_init(&request->forward, HTTP_MAX_HEAD_BYTES + FORWARD_SPARE_BYTES + GATE_MAX_SMALL_BODY);
  if (fault) {
    exchange->refusal = *fault;
  } else {
    size_t head_bytes;
    memcpy(request->head, head.data, head.bytes);
    const enum http_parse_state state = http_parse_request(base_span_of(request->head, head.bytes), &exchange->request,
                                                           &head_bytes, &exchange->refusal);
    BASE_ASSERT(state == HTTP_PARSE_DONE && head_bytes == head.bytes);
    take_body_facts(request);
    judge(connection, request);
  }
  console_request_make_id(exchange->request.id);
  return request;
}

void console_gate_request_destroy(struct gate_request **request) {
  struct gate_request *dead = *request;
  if (!dead) return;
  *request = NULL;
  BASE_ASSERT(!dead->exchange.intake && dead->hatch_fd < 0);
  console_gate_wipe(&dead->small_body);
  console_gate_wipe(&dead->forward);
  free(dead);
}

void console_gate_wipe(struct base_buffer *buffer) {
  if (buffer->data) explicit_bzero(buffer->data, buffer->capacity);
  base_buffer_finish(buffer);
}

void console_gate_refuse(struct gate_request *request, const struct base_fault *fault) {
  if (request->exchange.refusal.result == BASE_OK) request->exchange.refusal = *fault;
}

enum base_result console_gate_request_forward(struct gate_request *request) {
  const struct console_exchange *exchange = &request->exchange;
  const struct http_request *head = &exchange->request;
  struct base_buffer *out = &request->forward;
  if (exchange->refusal.result != BASE_OK) return base_buffer_append_text(out, refused_head);
  enum base_result result = base_buffer_printf(
      out, "%.*s %.*s%s%.*s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n", (int)head->method_text.bytes,
      (const char *)head->method_text.data, (int)head->path.bytes, (const char *)head->path.data,
      head->query.data ? "?" : "", (int)head->query.bytes, (const char *)head->query.data, request->small_body.bytes);
  if (result == BASE_OK && !http_request_header(head, "Host")) result = base_buffer_append_text(out, "Host: gate\r\n");
  for (size_t i = 0; i < head->header_count && result == BASE_OK; i++) {
    const struct http_header *header = &head->headers[i];
    if (!is_forwarded(header)) continue;
    result = base_buffer_printf(out, "%.*s: %.*s\r\n", (int)header->name.bytes, (const char *)header->name.data,
                                (int)header->value.bytes, (const char *)header->value.data);
  }
  if (result == BASE_OK) result = base_buffer_append_text(out, "\r\n");
  if (result == BASE_OK && request->small_body.bytes > 0) {
    result = base_buffer_append(out, request->small_body.data, request->small_body.bytes);
  }
  console_gate_wipe(&request->small_body);
  return result;
}
