#include "answer.h"

#include <string.h>

#include "http/problem.h"

// Everything in a head besides the handler's fields: status line, Date, Content-Length, Connection, X-Request-Id.
enum { DELIVERY_OWN_FIELDS_BYTES = 256 };

static char *put(char *at, const void *bytes, size_t count) {
  memcpy(at, bytes, count);
  return at + count;
}

static char *put_text(char *at, const char *text) { return put(at, text, strlen(text)); }

static char *put_number(char *at, uint64_t number) {
  char digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return put(at, digits + first, sizeof digits - first);
}

static char *put_own_fields(char *at, const struct connection *connection) {
  const struct exchange *exchange = connection->exchange;
  const struct http_reply *reply = &exchange->reply;
  at = put_text(at, "HTTP/1.1 ");
  at = put_number(at, (uint64_t)reply->status);
  *at++ = ' ';
  at = put_text(at, http_status_text(reply->status));
  at = put_text(at, "\r\nDate: ");
  at = put(at, connection->loop->date, HTTP_DATE_CHARS);
  at = put_text(at, "\r\nX-Request-Id: ");
  at = put(at, exchange->id, HTTP_REQUEST_ID_CHARS);
  if (reply->status != 204 && reply->status != 304) {
    at = put_text(at, "\r\nContent-Length: ");
    at = put_number(at, reply->body_bytes);
  }
  if (connection->must_close) {
    at = put_text(at, "\r\nConnection: close");
  } else if (exchange->is_http10) {
    at = put_text(at, "\r\nConnection: keep-alive");
  }
  return at;
}

// Writes the head into the loop's scratch.
static enum base_result build_head(const struct connection *connection, struct base_span *out) {
  const struct http_reply *reply = &connection->exchange->reply;
  struct base_buffer *scratch = &connection->loop->output;
  size_t bound = DELIVERY_OWN_FIELDS_BYTES;  // the rest is at most 64 KiB of text and 32 short names
  for (size_t i = 0; i < reply->header_count; i++)
    bound += strlen(reply->headers[i].name) + reply->headers[i].bytes + 4;
  scratch->bytes = 0;
  enum base_result result = base_buffer_reserve(scratch, bound);
  if (result != BASE_OK) return result;

  char *start = (char *)scratch->data;
  char *at = put_own_fields(start, connection);
  for (size_t i = 0; i < reply->header_count; i++) {
    at = put(at, "\r\n", 2);
    at = put_text(at, reply->headers[i].name);
    at = put(at, ": ", 2);
    at = put(at, reply->text.data + reply->headers[i].offset, reply->headers[i].bytes);
  }
  at = put(at, "\r\n\r\n", 4);
  BASE_ASSERT((size_t)(at - start) <= bound);
  *out = base_span_of(start, (size_t)(at - start));
  return BASE_OK;
}

void delivery_answer_record(const struct exchange *exchange) {
  struct loop *loop = exchange->loop;
  loop->counts.replies[exchange->reply.status / 100]++;
  base_log_write(loop->shared->config.log, BASE_LOG_DEBUG, "delivery", exchange->id, "%.*s: %d, %llu bytes, %llu us",
                 (int)exchange->target_bytes, exchange->target, exchange->reply.status,
                 (unsigned long long)exchange->reply.body_bytes,
                 (unsigned long long)(loop->now_us - exchange->start_us));
}

static enum answer finish(struct connection *connection) {
  delivery_answer_record(connection->exchange);
  delivery_exchange_release(connection->exchange);
  connection->exchange = NULL;
  if (!connection->must_close) return ANSWER_SENT;
  delivery_connection_end(connection);
  return ANSWER_CLOSED;
}

static void start_pace(struct connection *connection) {
  delivery_pace_start(&connection->exchange->pace, connection->loop->now_ms,
                      delivery_transport_queued_bytes(&connection->transport));
  delivery_connection_enter(connection, DELIVERY_WRITE);
}

static enum answer flush(struct connection *connection) {
  struct exchange *exchange = connection->exchange;
  uint64_t sent_bytes = 0;
  enum writer_state state = delivery_writer_flush(&exchange->writer, &connection->transport, &sent_bytes);
  connection->loop->counts.sent_bytes += sent_bytes;
  if (state == WRITER_DONE) return finish(connection);
  if (state == WRITER_FAILED || !delivery_writer_keep(&exchange->writer)) {
    // A reply that was cut short must not look complete.
    delivery_connection_abort(connection);
    return ANSWER_CLOSED;
  }
  if (connection->state != DELIVERY_WRITE || delivery_pace_move(&exchange->pace, sent_bytes)) start_pace(connection);
  return ANSWER_BLOCKED;
}

enum answer delivery_answer_start(struct connection *connection) {
  struct exchange *exchange = connection->exchange;
  struct http_reply *reply = &exchange->reply;
  BASE_ASSERT(exchange->is_answered && reply->status >= 200 && reply->status <= 599);
  if (reply->close || !exchange->keep_alive || connection->loop->is_draining) connection->must_close = true;
  // It could not know when it sent what may be behind this request.
  if (connection->loop->is_draining) connection->has_unread = true;
  // Before a client that does not read makes them wait.
  if (exchange->is_head) http_reply_keep_length(reply);
  struct base_span head;
  if (build_head(connection, &head) != BASE_OK) {
    delivery_connection_close(connection);
    return ANSWER_CLOSED;
  }
  bool has_body = !exchange->is_head && reply->status != 204 && reply->status != 304;
  delivery_writer_init(&exchange->writer, head, reply, has_body);
  return flush(connection);
}

enum answer delivery_answer_continue(struct connection *connection) { return flush(connection); }

void delivery_answer_timeout(struct connection *connection) {
  uint64_t queued_bytes = delivery_transport_queued_bytes(&connection->transport);
  if (delivery_pace_is_kept(&connection->exchange->pace, queued_bytes)) {
    start_pace(connection);
    return;
  }
  connection->loop->counts.timeouts[DELIVERY_WRITE]++;
  delivery_connection_abort(connection);
}

enum answer delivery_answer_problem(struct connection *connection, const struct base_fault *fault) {
  if (!connection->exchange) connection->exchange = delivery_exchange_create(connection->loop, connection);
  if (!connection->exchange) {
    delivery_connection_close(connection);
    return ANSWER_CLOSED;
  }
  http_problem_reply(&connection->exchange->reply, fault, connection->exchange->id);
  connection->exchange->is_answered = true;
  return delivery_answer_start(connection);
}
