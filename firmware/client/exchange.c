#include "exchange.h"

#include <string.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/file.h"
#include "body.h"
#include "head.h"
#include "request_head.h"

enum { UPLOAD_CHUNK_BYTES = 65536 };

struct exchange {
  struct client_connection *connection;
  const struct client_request *request;
  struct client_response *response;
  struct base_buffer input;  // received and not consumed
  size_t searched;           // of the input, for the end of the head
  unsigned interim_heads;
  bool has_head;  // of the final response
  bool is_sent;   // the whole request
  bool is_ended;  // the server has ended the stream
  bool has_received;
  struct client_head head;
  uint64_t deadline_ms;  // for the request to be sent; UINT64_MAX: none
  struct base_fault *fault;
};

static uint64_t now_ms(void) { return base_clock_ms(base_clock_system()); }

static enum base_result read_more(struct exchange *exchange) {
  uint8_t chunk[CLIENT_READ_BYTES];
  size_t got;
  enum base_result result = client_connection_read(exchange->connection, chunk, sizeof(chunk), &got, exchange->fault);
  if (result != BASE_OK) return result;
  if (got == 0) {
    exchange->is_ended = true;
    return BASE_OK;
  }
  exchange->has_received = true;
  result = base_buffer_append(&exchange->input, chunk, got);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(exchange->fault, result, "", "no memory for the response");
}

// Takes heads off the input until the final one is there or more bytes are needed.
static enum base_result take_heads(struct exchange *exchange) {
  struct client_response *response = exchange->response;
  while (!exchange->has_head) {
    size_t head_bytes;
    enum base_result result =
        client_head_find(base_buffer_span(&exchange->input), &exchange->searched, &head_bytes, exchange->fault);
    if (result != BASE_OK || head_bytes == 0) return result;
    response->head.bytes = 0;
    result = base_buffer_append(&response->head, exchange->input.data, head_bytes);
    if (result != BASE_OK) return BASE_FAIL(exchange->fault, result, "", "no memory for the response");
    base_buffer_consume(&exchange->input, head_bytes);
    result = client_head_parse(response, &exchange->head, exchange->fault);
    if (result != BASE_OK) return result;
    if (response->status == 101)
      return BASE_FAIL(exchange->fault, BASE_BAD_INPUT, "status", "the server wants another protocol");
    exchange->has_head = response->status >= 200;
    if (!exchange->has_head && ++exchange->interim_heads > CLIENT_MAX_INTERIM_HEADS)
      return BASE_FAIL(exchange->fault, BASE_BAD_INPUT, "status", "more than %d interim responses",
                       CLIENT_MAX_INTERIM_HEADS);
  }
  return BASE_OK;
}

// Reads until the final head is there.
static enum base_result receive_head(struct exchange *exchange) {
  while (!exchange->has_head) {
    if (exchange->is_ended)
      return BASE_FAIL(exchange->fault, BASE_IO, "connection", "the server closed the connection %s",
                       exchange->has_received ? "within the head of its response" : "without a response");
    enum base_result result = read_more(exchange);
    if (result == BASE_OK) result = take_heads(exchange);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

// A server may answer before it has read everything, and then not read on.
static bool should_stop_sending(const struct exchange *exchange) { return exchange->has_head || exchange->is_ended; }

static enum base_result wait_to_write(struct exchange *exchange, unsigned *ready) {
  const uint64_t now = now_ms();
  if (now >= exchange->deadline_ms)
    return BASE_FAIL(exchange->fault, BASE_TIMEOUT, "connection", "the request could not be sent within %u s",
                     exchange->request->send_timeout_ms / 1000);
  const uint64_t left_ms = exchange->deadline_ms - now;
  return client_connection_wait_to_write(exchange->connection, left_ms, ready, exchange->fault);
}

// Sends until everything is written or the server has answered.
static enum base_result send_bytes(struct exchange *exchange, struct base_span bytes) {
  while (bytes.bytes > 0 && !should_stop_sending(exchange)) {
    unsigned ready = 0;
    enum base_result result = wait_to_write(exchange, &ready);
    if (result == BASE_OK && (ready & CLIENT_READY_TO_READ) != 0) {
      result = read_more(exchange);
      if (result == BASE_OK) result = take_heads(exchange);
    } else if (result == BASE_OK && (ready & CLIENT_READY_TO_WRITE) != 0) {
      size_t written;
      result = client_connection_write(exchange->connection, bytes, &written, exchange->fault);
      if (result == BASE_OK) bytes = base_span_slice(bytes, written, bytes.bytes);
    }
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

static void report(const struct exchange *exchange, uint64_t done, uint64_t total) {
  if (exchange->request->progress != NULL) exchange->request->progress(exchange->request->self, done, total);
}

// One of the body's pieces in memory; *done counts over all of them.
static enum base_result send_piece(struct exchange *exchange, struct base_span piece, uint64_t *done) {
  if (piece.bytes == 0 || should_stop_sending(exchange)) return BASE_OK;
  const enum base_result result = send_bytes(exchange, piece);
  if (result != BASE_OK || should_stop_sending(exchange)) return result;
  *done += piece.bytes;
  report(exchange, *done, client_request_body_bytes(exchange->request));
  return BASE_OK;
}

static enum base_result send_file(struct exchange *exchange, uint64_t *done) {
  const struct client_request *request = exchange->request;
  uint8_t chunk[UPLOAD_CHUNK_BYTES];
  uint64_t at = 0;
  while (request->body_fd >= 0 && at < request->body_fd_bytes && !should_stop_sending(exchange)) {
    const size_t bytes = (size_t)base_min_u64(request->body_fd_bytes - at, sizeof(chunk));
    const off_t offset = (off_t)(request->body_fd_offset + at);
    enum base_result result = base_fd_pread_all(request->body_fd, chunk, bytes, offset, exchange->fault);
    if (result == BASE_OK) result = send_piece(exchange, base_span_of(chunk, bytes), done);
    if (result != BASE_OK) return result;
    at += bytes;
  }
  return BASE_OK;
}

static enum base_result send_body(struct exchange *exchange) {
  const struct client_request *request = exchange->request;
  uint64_t done = 0;
  enum base_result result = BASE_OK;
  for (size_t at = 0; at < request->body.bytes && result == BASE_OK; at += UPLOAD_CHUNK_BYTES)
    result = send_piece(exchange, base_span_slice(request->body, at, UPLOAD_CHUNK_BYTES), &done);
  if (result == BASE_OK) result = send_file(exchange, &done);
  if (result == BASE_OK) result = send_piece(exchange, request->body_end, &done);
  exchange->is_sent = done == client_request_body_bytes(request);
  return result;
}

// Sends the request and receives the head of the response, which may come first.
static enum base_result send_and_receive_head(struct exchange *exchange, struct base_span head) {
  enum base_result result = send_bytes(exchange, head);
  if (result == BASE_OK) result = send_body(exchange);
  if (result == BASE_OK) return receive_head(exchange);
  if (result != BASE_IO) return result;
  // The write failed because the server closed; what it said before is still there to be read. If there is nothing,
  // the failed write is the better explanation.
  struct base_fault *fault = exchange->fault;
  struct base_fault unread = {0};
  exchange->fault = &unread;
  const bool has_answer = receive_head(exchange) == BASE_OK;
  exchange->fault = fault;
  if (has_answer) base_fault_clear(fault);
  return has_answer ? BASE_OK : result;
}

static void choose_framing(const struct exchange *exchange, struct client_body *body) {
  const int status = exchange->response->status;
  if (strcmp(exchange->request->method, "HEAD") == 0 || status == 204 || status == 304)
    client_body_none(body);
  else if (exchange->head.is_chunked)
    client_body_chunked(body);
  else if (exchange->head.has_length)
    client_body_sized(body, exchange->head.length);
  else
    client_body_to_end(body);
}

static enum base_result deliver(struct exchange *exchange, struct base_span piece) {
  const struct client_request *request = exchange->request;
  const bool is_success = exchange->response->status / 100 == 2;
  if (request->receive != NULL && is_success) return request->receive(request->self, piece, exchange->fault);
  const enum base_result result = base_buffer_append(&exchange->response->body, piece.data, piece.bytes);
  if (result == BASE_OK) return BASE_OK;
  return BASE_FAIL(exchange->fault, result, "body", "the response's body is over %d MiB or memory is short",
                   CLIENT_MAX_BODY_BYTES >> 20);
}

// Feeds what has been received to the body's decoder.
static enum base_result take_body(struct exchange *exchange, struct client_body *body, uint64_t *done) {
  struct base_span input = base_buffer_span(&exchange->input);
  while (input.bytes > 0 && !client_body_is_done(body)) {
    struct base_span piece;
    enum base_result result = client_body_take(body, &input, &piece, exchange->fault);
    if (result == BASE_OK && piece.bytes > 0) result = deliver(exchange, piece);
    if (result != BASE_OK) return result;
    *done += piece.bytes;
  }
  base_buffer_consume(&exchange->input, exchange->input.bytes - input.bytes);
  return BASE_OK;
}

static enum base_result receive_body(struct exchange *exchange) {
  struct client_body body;
  choose_framing(exchange, &body);
  const bool has_progress = client_request_body_bytes(exchange->request) == 0;
  uint64_t done = 0;
  for (;;) {
    const uint64_t before = done;
    enum base_result result = take_body(exchange, &body, &done);
    if (result != BASE_OK) return result;
    if (has_progress && done > before) report(exchange, done, exchange->head.has_length ? exchange->head.length : 0);
    if (client_body_is_done(&body)) return BASE_OK;
    if (exchange->is_ended && body.state == CLIENT_BODY_TO_END) return BASE_OK;
    if (exchange->is_ended)
      return BASE_FAIL(exchange->fault, BASE_IO, "connection", "the server closed the connection within the body");
    result = read_more(exchange);
    if (result != BASE_OK) return result;
  }
}

enum base_result client_exchange_run(struct client_connection *connection, const struct client_request *request,
                                     struct base_span head, struct client_response *response,
                                     struct client_exchange_outcome *outcome, struct base_fault *fault) {
  struct exchange exchange = {.connection = connection, .request = request, .response = response, .fault = fault};
  exchange.deadline_ms = request->send_timeout_ms > 0 ? now_ms() + request->send_timeout_ms : UINT64_MAX;
  base_buffer_init(&exchange.input, CLIENT_MAX_HEAD_BYTES + CLIENT_READ_BYTES);
  enum base_result result = send_and_receive_head(&exchange, head);
  if (result == BASE_OK) result = receive_body(&exchange);
  outcome->has_received = exchange.has_received;
  // Bytes behind the response belong to nothing that was asked for.
  outcome->can_reuse = result == BASE_OK && exchange.is_sent && !exchange.is_ended && !exchange.head.wants_close &&
                       exchange.input.bytes == 0;
  base_buffer_finish(&exchange.input);
  return result;
}
