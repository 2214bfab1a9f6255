#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "h2.h"

enum {
  DELIVERY_DISCARD_BYTES = 16384,  // by one system call
  DELIVERY_DISCARDS_A_TURN = 16,   // before other connections get theirs
};

// Edge-triggered, with both directions from the start: no epoll_ctl is needed after the first.
static const uint32_t interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

static void uncount(struct loop *loop, struct client **client, bool is_refused) {
  if (*client) delivery_clients_leave(loop->shared->clients, client);
  if (!is_refused) atomic_fetch_sub_explicit(&loop->shared->connections, 1, memory_order_relaxed);
}

struct connection *delivery_connection_open(struct loop *loop, const struct arrival *arrival) {
  struct client *client = arrival->client;
  struct transport transport = {.fd = arrival->fd};
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) goto fail;
  struct epoll_event event = {.events = interest, .data.ptr = connection};
  if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, arrival->fd, &event) != 0) goto fail;
  connection->loop = loop;
  connection->client = client;
  if (client) connection->handshake.share = delivery_clients_share(client, loop->index);
  connection->transport = transport;
  memcpy(connection->address, arrival->address, sizeof connection->address);
  connection->is_refused = arrival->is_refused;
  connection->is_fresh = true;
  loop->open++;
  if (arrival->is_refused) loop->refused++;
  base_metric_add(loop->shared->meters.connections_open, 1);
  const enum delivery_state waiting = arrival->is_refused ? DELIVERY_LAST_CALL : DELIVERY_IDLE;
  delivery_connection_enter(connection, arrival->is_tls ? DELIVERY_HANDSHAKE : waiting);
  return connection;

fail:
  free(connection);
  delivery_transport_close(&transport, false);
  uncount(loop, &client, arrival->is_refused);
  return NULL;
}

// A reply that was cut short must not look complete, and there is nobody to say goodbye to before the handshake.
static bool may_say_goodbye(const struct connection *connection) {
  return connection->state != DELIVERY_HANDSHAKE && connection->state != DELIVERY_QUEUE &&
         connection->state != DELIVERY_WRITE;
}

static void close_connection(struct connection *connection, bool says_goodbye) {
  struct loop *loop = connection->loop;
  if (connection->h2) delivery_h2_finish(connection);
  if (connection->exchange) delivery_exchange_detach(connection->exchange);
  delivery_handshakes_leave(&loop->handshakes, &connection->handshake);  // its share is the client's
  uncount(loop, &connection->client, connection->is_refused);
  delivery_timer_stop(&connection->timer);
  // Closing alone would do, were there not children that have a copy of the descriptor until they exec: meanwhile epoll
  // would go on reporting events for this memory.
  epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, connection->transport.fd, NULL);
  delivery_transport_close(&connection->transport, says_goodbye);
  loop->open--;
  if (connection->is_refused) loop->refused--;
  base_metric_add(loop->shared->meters.connections_open, -1);
  free(connection->held);
  free(connection);
}

void delivery_connection_close(struct connection *connection) {
  close_connection(connection, may_say_goodbye(connection));
}

void delivery_connection_abort(struct connection *connection) {
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  // When it fails the kernel sends what it has: slower, not wrong.
  (void)setsockopt(connection->transport.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close_connection(connection, false);
}

void delivery_connection_enter(struct connection *connection, enum delivery_state state) {
  connection->state = (uint8_t)state;
  delivery_timer_start(&connection->loop->timers, &connection->timer, state, connection->loop->now_ms);
}

void delivery_connection_rearm(struct connection *connection) {
  struct epoll_event event = {.events = interest, .data.ptr = connection};
  int result = epoll_ctl(connection->loop->epoll_fd, EPOLL_CTL_MOD, connection->transport.fd, &event);
  BASE_ASSERT(result == 0);
}

bool delivery_connection_hold(struct connection *connection, struct base_span bytes, size_t examined_bytes) {
  BASE_ASSERT(!connection->held && bytes.bytes <= HTTP_MAX_HEAD_BYTES);
  connection->examined_bytes = (uint32_t)examined_bytes;
  if (bytes.bytes == 0) return true;
  connection->held = malloc(bytes.bytes);
  if (!connection->held) return false;
  memcpy(connection->held, bytes.data, bytes.bytes);
  connection->held_bytes = (uint32_t)bytes.bytes;
  return true;
}

size_t delivery_connection_unhold(struct connection *connection, uint8_t *out) {
  size_t bytes = connection->held_bytes;
  if (bytes == 0) return 0;
  memcpy(out, connection->held, bytes);
  free(connection->held);
  connection->held = NULL;
  connection->held_bytes = 0;
  return bytes;
}

static void discard(struct connection *connection) {
  uint8_t discarded[DELIVERY_DISCARD_BYTES];
  for (int i = 0; i < DELIVERY_DISCARDS_A_TURN; i++) {
    ssize_t got = recv(connection->transport.fd, discarded, sizeof(discarded), 0);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0 || errno != EAGAIN) delivery_connection_close(connection);
    return;
  }
  delivery_connection_rearm(connection);
}

void delivery_connection_end(struct connection *connection) {
  bool must_linger = connection->has_unread || connection->is_readable || connection->transport.tls;
  enum transport_status ended = must_linger ? delivery_transport_end(&connection->transport) : TRANSPORT_FAILED;
  if (ended != TRANSPORT_OK && ended != TRANSPORT_BLOCKED) {
    delivery_connection_close(connection);
    return;
  }
  connection->owes_end = ended == TRANSPORT_BLOCKED;
  connection->held_bytes = 0;
  free(connection->held);
  connection->held = NULL;
  delivery_connection_enter(connection, DELIVERY_LINGER);
  discard(connection);
}

void delivery_connection_linger(struct connection *connection) {
  if (connection->owes_end) {
    enum transport_status ended = delivery_transport_end(&connection->transport);
    if (ended == TRANSPORT_FAILED) {
      delivery_connection_close(connection);
      return;
    }
    connection->owes_end = ended == TRANSPORT_BLOCKED;
  }
  discard(connection);
}
