#include "serve.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "answer.h"

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
  ssize_t got;
  do {
    got = recv(connection->fd, input->bytes + input->end, room, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) {
    connection->is_readable = false;
    return RECEIVE_NOTHING;
  }
  if (got <= 0) return RECEIVE_END;
  // A short read has emptied the socket; the next bytes are a new edge. Only the FIN has announced itself already.
  if ((size_t)got < room && !connection->is_peer_closed) connection->is_readable = false;
  input->end += (size_t)got;
  return RECEIVE_SOME;
}

// Ends a turn: keeps what is left for the next one. `is_waiting`: for more bytes from the client.
static void end_turn(struct connection *connection, const struct input *input, bool is_waiting, bool is_fresh) {
  struct base_span rest = input_span(input);
  if (!delivery_connection_hold(connection, rest, input->examined)) {
    delivery_connection_close(connection);
    return;
  }
  if (!is_waiting) return;
  if (rest.bytes == 0 && connection->loop->is_draining) {
    delivery_connection_close(connection);
    return;
  }
  // A head's time starts with its first byte and is not prolonged by later ones.
  enum delivery_state state = rest.bytes > 0 ? DELIVERY_HEAD : DELIVERY_IDLE;
  if (is_fresh || connection->state != state) delivery_connection_enter(connection, state);
}

// Hands a request to its handler. BLOCKED also means that the handler will complete later.
static enum answer dispatch(struct connection *connection, struct http_request *request) {
  const struct shared *shared = connection->loop->shared;
  struct exchange *exchange = delivery_exchange_create(connection->loop, connection);
  if (!exchange) {
    delivery_connection_close(connection);
    return ANSWER_CLOSED;
  }
  connection->exchange = exchange;
  delivery_exchange_note_request(exchange, request);
  if (request->is_chunked || request->content_length > 0) connection->has_unread = true;
  memcpy(request->id, exchange->id, sizeof request->id);

  const struct http_handler *handler =
      http_route_find(shared->config.routes, shared->config.route_count, request->path);
  if (!handler) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_NOT_FOUND, "", "There is nothing at this path");
    return delivery_answer_problem(connection, &fault);
  }
  exchange->is_in_handle = true;
  handler->handle(handler->self, request, &exchange->sink);
  exchange->is_in_handle = false;
  if (exchange->is_answered) return delivery_answer_start(connection);
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

// Parses one request from the input and answers it. SENT: there may be more; BLOCKED: not now; CLOSED: it is over.
// *is_incomplete: the input does not hold a whole request, nothing was done.
static enum answer serve_one(struct connection *connection, struct input *input, bool *is_incomplete) {
  struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes = 0;
  enum http_parse_state state = HTTP_PARSE_MORE;
  if (is_worth_parsing(input)) state = http_parse_request(input_span(input), &request, &head_bytes, &fault);
  *is_incomplete = state == HTTP_PARSE_MORE;
  if (state == HTTP_PARSE_MORE) {
    input->examined = input->end - input->begin;
    return ANSWER_SENT;
  }
  if (state == HTTP_PARSE_FAILED) {
    refuse_input(connection, &fault);
    return ANSWER_CLOSED;
  }
  input->begin += head_bytes;
  input->examined = 0;
  connection->has_unread = input->begin < input->end;
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

void delivery_serve_events(struct connection *connection, uint32_t events) {
  bool is_broken = events & (EPOLLERR | EPOLLHUP);
  if (events & EPOLLIN) connection->is_readable = true;
  if (is_broken || (events & EPOLLRDHUP)) {
    connection->is_readable = true;
    connection->is_peer_closed = true;
  }
  switch ((enum delivery_state)connection->state) {
    case DELIVERY_IDLE:
    case DELIVERY_HEAD:
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
      delivery_connection_drain(connection);
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

void delivery_serve_timeout(struct connection *connection) {
  connection->loop->counts.timeouts[connection->state]++;
  switch ((enum delivery_state)connection->state) {
    case DELIVERY_HEAD:
      refuse_slow_head(connection);
      break;
    case DELIVERY_REPLY:
      give_up_on_handler(connection);
      break;
    case DELIVERY_WRITE:
      delivery_connection_abort(connection);
      break;
    case DELIVERY_IDLE:
    case DELIVERY_LINGER:
    case DELIVERY_STATES:
      delivery_connection_close(connection);
      break;
  }
}

void delivery_serve_refusal(struct connection *connection) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_BUSY, "connections", "There are too many connections");
  refuse_input(connection, &fault);
}
