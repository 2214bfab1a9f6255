#include "serve.h"

#include <string.h>
#include <sys/epoll.h>

#include "answer.h"
#include "greeting.h"
#include "h2.h"

enum {
  DELIVERY_REQUESTS_A_TURN = 32,  // of one connection, before others get theirs
  DELIVERY_EXAMINE_STEP_BYTES = 4096,
};

// The received bytes in the loop's scratch that are not used yet.
struct input {
  uint8_t *bytes;
  size_t begin;
  size_t end;
  size_t examined;  // of them known to be an incomplete head
};

static struct base_span input_span(const struct input *input) {
  return base_span_of(input->bytes + input->begin, input->end - input->begin);
}

// Parsing starts over with every call, so a client that sends single bytes must not buy a parse with each: only the
// first bytes, a line's end, or a few KiB more can change the outcome.
static bool is_worth_parsing(const struct input *input) {
  size_t bytes = input->end - input->begin;
  if (bytes <= input->examined) return false;
  if (input->examined == 0) return true;
  if (bytes / DELIVERY_EXAMINE_STEP_BYTES > input->examined / DELIVERY_EXAMINE_STEP_BYTES) return true;
  return memchr(input->bytes + input->begin + input->examined, '\n', bytes - input->examined) != NULL;
}

enum receive { RECEIVE_SOME, RECEIVE_NOTHING, RECEIVE_END };

static enum receive receive(struct connection *connection, struct input *input) {
  if (!connection->is_readable) return RECEIVE_NOTHING;
  if (input->begin > 0) {
    memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
    input->end -= input->begin;
    input->begin = 0;
  }
  // Never 0: the parser refuses an incomplete head of the greatest size.
  size_t room = HTTP_MAX_HEAD_BYTES - input->end;
  size_t got;
  bool is_drained;
  switch (delivery_transport_read(&connection->transport, input->bytes + input->end, room, &got, &is_drained)) {
    case TRANSPORT_OK:
      break;
    case TRANSPORT_BLOCKED:
      connection->is_readable = false;
      return RECEIVE_NOTHING;
    case TRANSPORT_END:
    case TRANSPORT_FAILED:
      return RECEIVE_END;
  }
  // The next bytes are a new edge. Only the FIN has announced itself already.
  if (is_drained && !connection->is_peer_closed) connection->is_readable = false;
  input->end += got;
  return RECEIVE_SOME;
}

// `received` is what was read already. The connection may be gone afterwards.
static void begin_h2(struct connection *connection, struct base_span received) {
  connection->is_fresh = false;
  if (!delivery_h2_begin(connection, received)) delivery_connection_close(connection);
}

// Ends a turn: keeps what is left for the next one. `is_waiting`: for more bytes from the client.
static void end_turn(struct connection *connection, const struct input *input, bool is_waiting, bool is_fresh) {
  struct base_span rest = input_span(input);
  if (!delivery_connection_hold(connection, rest, input->examined)) {
    delivery_connection_close(connection);
    return;
  }
  if (!is_waiting) return;
  // Its time is short anyway, and not prolonged by bytes.
  const bool is_last = connection->state == DELIVERY_LAST_CALL || connection->state == DELIVERY_DRAIN;
  if (is_last && (rest.bytes == 0 || connection->is_refused)) return;
  // Its reply began before the drain and promised that it may ask again.
  enum delivery_state state = connection->loop->is_draining ? DELIVERY_DRAIN : DELIVERY_IDLE;
  // A head's time starts with its first byte and is not prolonged by later ones.
  if (rest.bytes > 0) state = DELIVERY_HEAD;
  if (is_fresh || connection->state != state) delivery_connection_enter(connection, state);
}

// Hands a request to its handler. BLOCKED also means that the handler will complete later.
static enum answer dispatch(struct connection *connection, struct http_request *request) {
  struct exchange *exchange = delivery_exchange_create(connection->loop, connection);
  if (!exchange) {
    delivery_connection_close(connection);
    return ANSWER_CLOSED;
  }
  connection->exchange = exchange;
  connection->is_fresh = false;
  delivery_exchange_note_request(exchange, request);
  if (request->is_chunked || request->content_length > 0) connection->has_unread = true;
  if (delivery_exchange_dispatch(exchange, request)) return delivery_answer_start(connection);
  if (connection->is_peer_closed) {
    delivery_connection_close(connection);
    return ANSWER_CLOSED;
  }
  delivery_connection_enter(connection, DELIVERY_REPLY);
  return ANSWER_BLOCKED;
}

// A request that breaks a rule: what follows it cannot be told apart, so the connection ends.
static void refuse_input(struct connection *connection, const struct base_fault *fault) {
  connection->has_unread = true;
  (void)delivery_answer_problem(connection, fault);
}

// Turns to HTTP/2 when the client begins so (RFC 9113 3.3). SENT: it does not; BLOCKED: that is not known yet.
static enum answer look_for_preface(struct connection *connection, struct input *input) {
  bool is_whole = false;
  if (!connection->is_fresh || connection->is_refused || connection->transport.tls) return ANSWER_SENT;
  if (connection->loop->shared->config.http2_off) return ANSWER_SENT;
  if (!delivery_h2_is_preface(input_span(input), &is_whole)) return ANSWER_SENT;
  if (!is_whole) return ANSWER_BLOCKED;
  begin_h2(connection, input_span(input));
  return ANSWER_CLOSED;
}

static bool is_vital(const struct connection *connection, const struct http_request *request) {
  const char *path = connection->loop->shared->config.vital_path;
  return path && base_span_is(request->path, path);
}

// Parses one request from the input and answers it. SENT: there may be more; BLOCKED: not now; CLOSED: it is over.
// *is_incomplete: the input does not hold a whole request, nothing was done.
static enum answer serve_one(struct connection *connection, struct input *input, bool *is_incomplete) {
  struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes = 0;
  enum http_parse_state state = HTTP_PARSE_MORE;
  if (connection->is_fresh) {
    enum answer answer = look_for_preface(connection, input);
    if (answer == ANSWER_CLOSED) return answer;
    *is_incomplete = answer == ANSWER_BLOCKED;
    if (*is_incomplete) return ANSWER_SENT;
  }
  if (is_worth_parsing(input)) state = http_parse_request(input_span(input), &request, &head_bytes, &fault);
  *is_incomplete = state == HTTP_PARSE_MORE;
  if (state == HTTP_PARSE_MORE) {
    input->examined = input->end - input->begin;
    return ANSWER_SENT;
  }
  if (connection->is_refused && (state == HTTP_PARSE_FAILED || !is_vital(connection, &request))) {
    connection->has_unread = state == HTTP_PARSE_FAILED || head_bytes < input->end - input->begin;
    delivery_serve_refusal(connection);
    return ANSWER_CLOSED;
  }
  if (state == HTTP_PARSE_FAILED) {
    refuse_input(connection, &fault);
    return ANSWER_CLOSED;
  }
  input->begin += head_bytes;
  input->examined = 0;
  connection->has_unread = input->begin < input->end;
  if (connection->is_refused) connection->must_close = true;
  return dispatch(connection, &request);
}

// Serves requests until the client has sent no more, one is not answered yet, or others should have their turn.
static void take_turn(struct connection *connection) {
  struct input input = {.bytes = connection->loop->input, .examined = connection->examined_bytes};
  input.end = delivery_connection_unhold(connection, input.bytes);
  for (unsigned served = 0; served < DELIVERY_REQUESTS_A_TURN;) {
    bool is_incomplete;
    enum answer answer = serve_one(connection, &input, &is_incomplete);
    if (answer == ANSWER_CLOSED) return;
    if (answer == ANSWER_BLOCKED) {
      end_turn(connection, &input, false, false);
      return;
    }
    if (!is_incomplete) {
      served++;
      continue;
    }
    enum receive received = receive(connection, &input);
    if (received == RECEIVE_SOME) continue;
    if (received == RECEIVE_END) {
      delivery_connection_close(connection);
    } else {
      end_turn(connection, &input, true, served > 0);
    }
    return;
  }
  delivery_connection_rearm(connection);
  end_turn(connection, &input, true, true);
}

void delivery_serve_greeted(struct connection *connection) {
  // What the client sent behind its part of the handshake has been read with it.
  connection->is_readable = true;
  const char *protocol = tls_stream_protocol(connection->transport.tls);
  if (protocol && strcmp(protocol, "h2") == 0) {
    begin_h2(connection, (struct base_span){0});
    return;
  }
  delivery_connection_enter(connection, connection->loop->is_draining ? DELIVERY_LAST_CALL : DELIVERY_IDLE);
  take_turn(connection);
}

void delivery_serve_events(struct connection *connection, uint32_t events) {
  bool is_broken = events & (EPOLLERR | EPOLLHUP);
  // TLS may have waited to write before it could read.
  if ((events & EPOLLIN) || (connection->transport.tls && (events & EPOLLOUT))) connection->is_readable = true;
  if (is_broken || (events & EPOLLRDHUP)) {
    connection->is_readable = true;
    connection->is_peer_closed = true;
  }
  if (connection->h2) {
    delivery_h2_events(connection, events);
    return;
  }
  switch ((enum delivery_state)connection->state) {
    case DELIVERY_HANDSHAKE:
    case DELIVERY_QUEUE:
      delivery_greeting_events(connection, events);
      break;
    case DELIVERY_IDLE:
    case DELIVERY_HEAD:
    case DELIVERY_LAST_CALL:
    case DELIVERY_DRAIN:
      if (connection->is_readable || connection->examined_bytes < connection->held_bytes) take_turn(connection);
      break;
    case DELIVERY_REPLY:
      // A FIN is all that is seen of most clients that went away: nothing is rendered for somebody who has hung up.
      if (connection->is_peer_closed) delivery_connection_close(connection);
      break;
    case DELIVERY_WRITE:
      if ((is_broken || (events & EPOLLOUT)) && delivery_answer_continue(connection) == ANSWER_SENT) {
        take_turn(connection);
      }
      break;
    case DELIVERY_LINGER:
      delivery_connection_linger(connection);
      break;
    case DELIVERY_STATES:
      break;
  }
}

void delivery_serve_reply(struct exchange *exchange) {
  struct connection *connection = exchange->connection;
  exchange->is_answered = true;
  if (!connection) {
    delivery_exchange_release(exchange);
    return;
  }
  if (connection->h2) {
    delivery_h2_reply(exchange);
    return;
  }
  if (delivery_answer_start(connection) == ANSWER_SENT) take_turn(connection);
}

// The handler keeps the late exchange and completes it into the void; the client's answer needs one of its own.
static void give_up_on_handler(struct connection *connection) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_TIMEOUT, "", "The reply was not ready in time");
  struct exchange *late = connection->exchange;
  connection->exchange = delivery_exchange_succeed(late);
  delivery_exchange_detach(late);
  (void)delivery_answer_problem(connection, &fault);
}

static void refuse_slow_head(struct connection *connection) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_SLOW_CLIENT, "", "The request head did not arrive in time");
  connection->has_unread = true;
  (void)delivery_answer_problem(connection, &fault);
}

// The server ends, and the client was given time to ask for something. A request that lies in the socket, or arrives
// from now on, must not get a reset.
static void end_drained(struct connection *connection) {
  if (delivery_transport_has_input(&connection->transport)) {
    connection->is_readable = true;
    delivery_connection_enter(connection, DELIVERY_DRAIN);
    take_turn(connection);
    return;
  }
  connection->has_unread = true;
  delivery_connection_end(connection);
}

void delivery_serve_timeout(struct connection *connection) {
  if (connection->h2) {
    delivery_h2_timeout(connection);
    return;
  }
  switch ((enum delivery_state)connection->state) {
    case DELIVERY_WRITE:
      delivery_answer_timeout(connection);
      return;
    case DELIVERY_HANDSHAKE:
    case DELIVERY_QUEUE:
      delivery_greeting_timeout(connection);
      return;
    default:
      break;
  }
  connection->loop->counts.timeouts[connection->state]++;
  switch ((enum delivery_state)connection->state) {
    case DELIVERY_HEAD:
      refuse_slow_head(connection);
      break;
    case DELIVERY_REPLY:
      give_up_on_handler(connection);
      break;
    case DELIVERY_LAST_CALL:
      if (connection->is_refused) {
        delivery_serve_refusal(connection);
      } else {
        end_drained(connection);
      }
      break;
    case DELIVERY_DRAIN:
      end_drained(connection);
      break;
    case DELIVERY_HANDSHAKE:
    case DELIVERY_QUEUE:
    case DELIVERY_IDLE:
    case DELIVERY_WRITE:
    case DELIVERY_LINGER:
    case DELIVERY_STATES:
      delivery_connection_close(connection);
      break;
  }
}

void delivery_serve_drain(struct connection *connection) {
  if (connection->h2) {
    delivery_h2_drain(connection);
  } else if (connection->state == DELIVERY_IDLE && connection->is_fresh) {
    delivery_connection_enter(connection, DELIVERY_LAST_CALL);
  } else if (connection->state == DELIVERY_IDLE) {
    // Its next request may be on the way, and its last reply did not say that there would be no other.
    delivery_connection_enter(connection, DELIVERY_DRAIN);
  }
}

void delivery_serve_refusal(struct connection *connection) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_BUSY, "connections", "There are too many connections");
  // Not for the sake of what may still come: places to linger are few.
  connection->must_close = true;
  (void)delivery_answer_problem(connection, &fault);
}
