#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"

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

struct connection *delivery_connection_open(struct loop *loop, int fd, struct client *client, bool is_refused) {
  struct connection *connection = calloc(1, sizeof *connection);
  struct epoll_event event = {.events = interest, .data.ptr = connection};
  if (!connection || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) goto fail;
  connection->loop = loop;
  connection->client = client;
  connection->fd = fd;
  connection->is_refused = is_refused;
  loop->open++;
  if (is_refused) loop->refused++;
  base_metric_add(loop->shared->meters.connections_open, 1);
  delivery_connection_enter(connection, DELIVERY_IDLE);
  return connection;

fail:
  free(connection);
  base_fd_close(&fd);
  uncount(loop, &client, is_refused);
  return NULL;
}

void delivery_connection_close(struct connection *connection) {
  struct loop *loop = connection->loop;
  if (connection->exchange) delivery_exchange_detach(connection->exchange);
  uncount(loop, &connection->client, connection->is_refused);
  delivery_timer_stop(&connection->timer);
  base_fd_close(&connection->fd);
  loop->open--;
  if (connection->is_refused) loop->refused--;
  base_metric_add(loop->shared->meters.connections_open, -1);
  free(connection->held);
  free(connection);
}

void delivery_connection_abort(struct connection *connection) {
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  // When it fails the kernel sends what it has: slower, not wrong.
  (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  delivery_connection_close(connection);
}

void delivery_connection_enter(struct connection *connection, enum delivery_state state) {
  connection->state = (uint8_t)state;
  delivery_timer_start(&connection->loop->timers, &connection->timer, state, connection->loop->now_ms);
}

void delivery_connection_rearm(struct connection *connection) {
  struct epoll_event event = {.events = interest, .data.ptr = connection};
  int result = epoll_ctl(connection->loop->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
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

void delivery_connection_end(struct connection *connection) {
  bool may_have_unread = connection->has_unread || connection->is_readable;
  if (!may_have_unread || shutdown(connection->fd, SHUT_WR) != 0) {
    delivery_connection_close(connection);
    return;
  }
  connection->held_bytes = 0;
  free(connection->held);
  connection->held = NULL;
  delivery_connection_enter(connection, DELIVERY_LINGER);
  delivery_connection_drain(connection);
}

void delivery_connection_drain(struct connection *connection) {
  uint8_t discarded[DELIVERY_DISCARD_BYTES];
  for (int i = 0; i < DELIVERY_DISCARDS_A_TURN; i++) {
    ssize_t got = recv(connection->fd, discarded, sizeof(discarded), 0);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0 || errno != EAGAIN) delivery_connection_close(connection);
    return;
  }
  delivery_connection_rearm(connection);
}
