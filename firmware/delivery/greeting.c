#include "greeting.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "serve.h"

// Of public-key work between two looks at everything else; at least one step.
enum { DELIVERY_GREETING_BUDGET_US = 2000 };

_Static_assert((int)TLS_HELLO_BYTES <= (int)HTTP_MAX_HEAD_BYTES, "the loop's scratch holds what is looked at");

static struct connection *connection_of(struct handshake *handshake) {
  return (struct connection *)(void *)((char *)handshake - offsetof(struct connection, handshake));
}

static void refuse(struct connection *connection) {
  base_metric_add(connection->loop->shared->meters.refused[DELIVERY_REFUSED_HANDSHAKE], 1);
  delivery_connection_abort(connection);
}

// Where a connection without a stream waits from now on. False: nowhere yet, or it is gone.
static bool find_lane(struct connection *connection, enum handshake_lane *lane) {
  struct loop *loop = connection->loop;
  ssize_t got;
  do {
    got = recv(connection->transport.fd, loop->input, TLS_HELLO_BYTES, MSG_PEEK);
  } while (got < 0 && errno == EINTR);
  // Nobody ends its side before the handshake but to give up.
  if (got == 0 || (got < 0 && errno != EAGAIN) || connection->is_peer_closed) {
    delivery_connection_close(connection);
    return false;
  }
  if (got < 0) return false;
  switch (tls_server_look(loop->shared->tls, base_span_of(loop->input, (size_t)got))) {
    case TLS_HELLO_PARTIAL:
      return false;
    case TLS_HELLO_WHOLE:
      *lane = HANDSHAKE_NEW;
      return true;
    case TLS_HELLO_RESUMES:
      break;
  }
  connection->is_resuming = true;
  *lane = HANDSHAKE_RESUMED;
  return true;
}

void delivery_greeting_events(struct connection *connection, uint32_t events) {
  struct loop *loop = connection->loop;
  bool has_begun = connection->transport.tls != NULL;
  if ((events & (EPOLLERR | EPOLLHUP)) || (connection->is_peer_closed && !has_begun)) {
    delivery_connection_close(connection);
    return;
  }
  enum handshake_lane lane = connection->is_resuming ? HANDSHAKE_RESUMED : HANDSHAKE_KEYS;
  if (connection->state == DELIVERY_QUEUE || (!has_begun && !find_lane(connection, &lane))) return;
  if (!delivery_handshakes_offer(&loop->handshakes, &connection->handshake, lane, loop->now_us)) {
    refuse(connection);
    return;
  }
  // From the second message on the client's time runs on: single bytes must not prolong it.
  if (!has_begun) delivery_connection_enter(connection, DELIVERY_QUEUE);
}

static bool waits_for_us(const struct connection *connection) {
  return connection->handshake.lane != HANDSHAKE_NOWHERE && connection->handshake.lane != HANDSHAKE_AWAY;
}

void delivery_greeting_timeout(struct connection *connection) {
  if (connection->state == DELIVERY_HANDSHAKE && waits_for_us(connection)) {
    delivery_connection_enter(connection, DELIVERY_QUEUE);
    return;
  }
  connection->loop->counts.timeouts[connection->state]++;
  if (connection->state == DELIVERY_QUEUE) {
    refuse(connection);
  } else {
    delivery_connection_close(connection);
  }
}

// Our part is done for now.
static void await_client(struct connection *connection, bool is_first) {
  struct loop *loop = connection->loop;
  if (!tls_stream_has_greeted(connection->transport.tls)) {
    delivery_connection_close(connection);  // it looked whole: no honest client sends such a thing
  } else if (is_first) {
    delivery_connection_enter(connection, DELIVERY_HANDSHAKE);
    if (!connection->is_resuming) delivery_handshakes_await(&loop->handshakes, &connection->handshake, loop->now_us);
  } else if (connection->state == DELIVERY_QUEUE) {
    loop->counts.timeouts[DELIVERY_HANDSHAKE]++;  // its time was over before its turn came
    delivery_connection_close(connection);
  } else if (!connection->is_resuming) {
    delivery_handshakes_await_rest(&loop->handshakes, &connection->handshake, loop->now_us);
  }
}

static void go_on(struct connection *connection) {
  struct loop *loop = connection->loop;
  struct transport *transport = &connection->transport;
  struct base_fault fault = {0};
  bool is_first = !transport->tls;
  if (is_first) transport->tls = tls_stream_create(loop->shared->tls, transport->fd, loop->lane);
  if (!transport->tls) {
    delivery_connection_close(connection);
    return;
  }
  switch (delivery_transport_handshake(transport, &fault)) {
    case TRANSPORT_OK:
      delivery_serve_greeted(connection);
      return;
    case TRANSPORT_BLOCKED:
      await_client(connection, is_first);
      return;
    case TRANSPORT_END:
    case TRANSPORT_FAILED:
      break;
  }
  base_log_write(loop->shared->config.log, BASE_LOG_DEBUG, "delivery", NULL, "%s", fault.text);
  delivery_connection_close(connection);
}

void delivery_greeting_turn(struct loop *loop) {
  struct handshakes *handshakes = &loop->handshakes;
  if (delivery_handshakes_due_us(handshakes) == UINT64_MAX) return;
  const struct base_clock *clock = loop->shared->config.clock;
  const uint64_t begin_us = base_clock_us(clock);
  uint64_t now_us;
  struct handshake *next;
  for (now_us = begin_us; now_us - begin_us < DELIVERY_GREETING_BUDGET_US; now_us = base_clock_us(clock)) {
    next = delivery_handshakes_next(handshakes, now_us);
    if (!next) break;
    go_on(connection_of(next));
  }
  while ((next = delivery_handshakes_excess(handshakes, now_us))) refuse(connection_of(next));
}

uint64_t delivery_greeting_wait_ms(const struct loop *loop) {
  uint64_t due_us = delivery_handshakes_due_us(&loop->handshakes);
  if (due_us == UINT64_MAX) return UINT64_MAX;
  return due_us > loop->now_us ? (due_us - loop->now_us) / 1000 + 1 : 0;
}
