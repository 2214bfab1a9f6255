// Bytes from and to the client, with TLS or without.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/file.h"
#include "gate_parts.h"

// A read or write that would block says what to wait for.
static enum gate_io wait_for(struct gate_connection *connection, uint32_t events) {
  connection->wants |= events;
  return GATE_IO_AGAIN;
}

static enum gate_io of_status(struct gate_connection *connection, enum tls_status status) {
  switch (status) {
    case TLS_OK:
      return GATE_IO_OK;
    case TLS_WANT_READ:
      return wait_for(connection, EPOLLIN);
    case TLS_WANT_WRITE:
      return wait_for(connection, EPOLLOUT);
    case TLS_END:
      return GATE_IO_END;
    default:
      return GATE_IO_BROKEN;
  }
}

enum gate_io console_gate_handshake(struct gate_connection *connection) {
  struct base_fault fault = {0};
  const enum gate_io io = of_status(connection, tls_stream_handshake(connection->tls, &fault));
  if (io == GATE_IO_BROKEN) {
    base_log_write(connection->gate->console->config.log, BASE_LOG_DEBUG, "console", NULL, "%s: %s",
                   connection->address, fault.text);
  }
  return io;
}

static enum gate_io read_plain(struct gate_connection *connection, void *out, size_t capacity, size_t *got) {
  ssize_t bytes = recv(connection->fd, out, capacity, 0);
  if (bytes == 0) return GATE_IO_END;
  if (bytes < 0) return errno == EAGAIN || errno == EINTR ? wait_for(connection, EPOLLIN) : GATE_IO_BROKEN;
  *got = (size_t)bytes;
  return GATE_IO_OK;
}

enum gate_io console_gate_read(struct gate_connection *connection, void *out, size_t capacity, size_t *got) {
  *got = 0;
  const enum gate_io io = connection->tls
                              ? of_status(connection, tls_stream_read(connection->tls, out, capacity, got, NULL))
                              : read_plain(connection, out, capacity, got);
  base_metric_add(connection->gate->meters.received_bytes, (int64_t)*got);
  return io;
}

static enum gate_io write_plain(struct gate_connection *connection, struct base_span bytes, size_t *written) {
  ssize_t sent = send(connection->fd, bytes.data, bytes.bytes, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? wait_for(connection, EPOLLOUT) : GATE_IO_BROKEN;
  *written = (size_t)sent;
  return GATE_IO_OK;
}

// As much as goes now; *rest is what is left. Not OK exactly when something is left.
static enum gate_io write_some(struct gate_connection *connection, struct base_span bytes, struct base_span *rest) {
  enum gate_io io = GATE_IO_OK;
  while (bytes.bytes > 0 && io == GATE_IO_OK) {
    size_t written = 0;
    io = connection->tls ? of_status(connection, tls_stream_write(connection->tls, bytes, &written, NULL))
                         : write_plain(connection, bytes, &written);
    base_metric_add(connection->gate->meters.sent_bytes, (int64_t)written);
    bytes = base_span_slice(bytes, written, bytes.bytes - written);
  }
  *rest = bytes;
  return io;
}

static void drop_output(struct gate_connection *connection) {
  free(connection->out);
  connection->out = NULL;
  connection->out_bytes = connection->out_sent = 0;
}

static bool die(struct gate_connection *connection) {
  connection->is_dead = true;
  drop_output(connection);
  return false;
}

bool console_gate_send(struct gate_connection *connection, struct base_span bytes) {
  struct base_span rest;
  if (connection->is_dead) return false;
  BASE_ASSERT(!connection->out);
  switch (write_some(connection, bytes, &rest)) {
    case GATE_IO_OK:
      return true;
    case GATE_IO_AGAIN:
      break;
    default:
      return die(connection);
  }
  connection->out = malloc(rest.bytes);
  if (!connection->out) return die(connection);
  memcpy(connection->out, rest.data, rest.bytes);
  connection->out_bytes = (uint32_t)rest.bytes;
  connection->out_sent = 0;
  return true;
}

enum gate_io console_gate_flush(struct gate_connection *connection) {
  if (connection->is_dead) drop_output(connection);
  if (!connection->out) return GATE_IO_OK;
  struct base_span rest;
  const struct base_span kept =
      base_span_of(connection->out + connection->out_sent, connection->out_bytes - connection->out_sent);
  const enum gate_io io = write_some(connection, kept, &rest);
  connection->out_sent = connection->out_bytes - (uint32_t)rest.bytes;
  if (io == GATE_IO_AGAIN) return io;
  if (io == GATE_IO_OK) {
    drop_output(connection);
  } else {
    (void)die(connection);
  }
  return GATE_IO_OK;
}

void console_gate_end_output(struct gate_connection *connection) {
  if (connection->is_dead || connection->fd < 0) return;
  if (connection->tls) tls_stream_close(connection->tls);
  (void)shutdown(connection->fd, SHUT_WR);
}

void console_gate_open_input(struct gate_connection *connection) {
  if (!connection->held) return;
  BASE_ASSERT(connection->input.bytes <= GATE_SCRATCH_BYTES);
  memcpy(connection->scratch, connection->input.data, connection->input.bytes);
  connection->input.data = connection->scratch;
  free(connection->held);
  connection->held = NULL;
}

bool console_gate_keep_input(struct gate_connection *connection) {
  if (connection->held || connection->input.bytes == 0) return true;
  connection->held = malloc(connection->input.bytes);
  if (!connection->held) return false;
  memcpy(connection->held, connection->input.data, connection->input.bytes);
  connection->input.data = connection->held;
  return true;
}

void console_gate_close_wire(struct gate_connection *connection) {
  tls_stream_destroy(&connection->tls);
  base_fd_close(&connection->fd);
  free(connection->held);
  connection->held = NULL;
  connection->input = (struct base_span){0};
  drop_output(connection);
}
