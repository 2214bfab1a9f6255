#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/file.h"

enum { TLS_WRITE_BYTES = 16384 };  // one record: fits into what poll calls writable

static enum base_result io_timeout(const struct client_connection *connection, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_TIMEOUT, "connection", "the server was silent for %u ms", connection->io_timeout_ms);
}

// poll until `deadline_ms` of the system's monotonic clock; interruptions do not count.
static int poll_until(struct pollfd *poll_fd, uint64_t deadline_ms) {
  for (;;) {
    const uint64_t now_ms = base_clock_ms(base_clock_system());
    const uint64_t left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
    const int count = poll(poll_fd, 1, (int)base_min_u64(left_ms, INT32_MAX));
    if (count >= 0 || errno != EINTR) return count;
  }
}

static uint64_t deadline_after_ms(uint32_t timeout_ms) { return base_clock_ms(base_clock_system()) + timeout_ms; }

// Connects without blocking. The socket, or -1 with errno.
static int connect_one(const struct addrinfo *address, uint64_t deadline_ms) {
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
  if (fd < 0) return -1;
  if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) return fd;
  int error = errno;
  if (error == EINPROGRESS) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t bytes = sizeof(error);
    if (poll_until(&poll_fd, deadline_ms) <= 0)
      error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
      error = errno;
  }
  if (error == 0) return fd;
  base_fd_close(&fd);
  errno = error;
  return -1;
}

// Blocking from here on, with time-outs for the reads and writes that TLS makes by itself.
static bool prepare(int fd, uint32_t io_timeout_ms) {
  const int on = 1;
  const struct timeval timeout = {.tv_sec = io_timeout_ms / 1000, .tv_usec = io_timeout_ms % 1000 * 1000};
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
         setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

static enum base_result connect_any(const struct client_origin *origin, const struct client_config *config, int *out_fd,
                                    struct base_fault *fault) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  struct addrinfo *addresses = NULL;
  const int error = getaddrinfo(origin->host, origin->port, &hints, &addresses);
  if (error != 0)
    return BASE_FAIL(fault, BASE_IO, "connection", "cannot find the host '%s': %s", origin->host, gai_strerror(error));

  const uint64_t deadline_ms = deadline_after_ms(config->connect_timeout_ms);
  for (const struct addrinfo *address = addresses; address != NULL && *out_fd < 0; address = address->ai_next)
    *out_fd = connect_one(address, deadline_ms);
  const int connect_error = errno;
  freeaddrinfo(addresses);
  if (*out_fd >= 0) return BASE_OK;
  if (connect_error == ETIMEDOUT)
    return BASE_FAIL(fault, BASE_TIMEOUT, "connection", "%s did not answer within %u ms", origin->authority,
                     config->connect_timeout_ms);
  return BASE_FAIL(fault, BASE_IO, "connection", "cannot connect to %s: %s", origin->authority,
                   strerror(connect_error));
}

enum base_result client_connection_open(struct client_connection *connection, const struct client_origin *origin,
                                        const struct client_config *config, struct base_fault *fault) {
  *connection = CLIENT_CONNECTION_CLOSED;
  connection->io_timeout_ms = config->io_timeout_ms;
  enum base_result result = connect_any(origin, config, &connection->fd, fault);
  if (result != BASE_OK) return result;
  if (!prepare(connection->fd, config->io_timeout_ms)) {
    result = BASE_FAIL_ERRNO(fault, "connection", "cannot set up the socket");
  } else if (origin->is_tls) {
    const struct tls_client_config tls = {
        .server_name = origin->host, .ca_file = config->ca_file, .fingerprint = config->fingerprint};
    result = tls_client_create(connection->fd, &tls, &connection->tls, fault);
  }
  if (result != BASE_OK) client_connection_close(connection);
  return result;
}

void client_connection_close(struct client_connection *connection) {
  if (connection->tls != NULL) tls_client_destroy(&connection->tls);
  base_fd_close(&connection->fd);
}

bool client_connection_is_stale(const struct client_connection *connection) {
  struct pollfd poll_fd = {.fd = connection->fd, .events = POLLIN};
  return poll_until(&poll_fd, 0) != 0;
}

enum base_result client_connection_wait_to_write(const struct client_connection *connection, uint64_t left_ms,
                                                 unsigned *ready, struct base_fault *fault) {
  struct pollfd poll_fd = {.fd = connection->fd, .events = POLLIN | POLLOUT};
  const uint32_t wait_ms = (uint32_t)base_min_u64(left_ms, connection->io_timeout_ms);
  const int count = poll_until(&poll_fd, deadline_after_ms(wait_ms));
  *ready = 0;
  if (count < 0) return BASE_FAIL_ERRNO(fault, "connection", "cannot wait for the server");
  if (count == 0) return left_ms > connection->io_timeout_ms ? io_timeout(connection, fault) : BASE_OK;
  // POLLHUP and POLLERR: the read shows what there is.
  const bool is_readable = (poll_fd.revents & ~POLLOUT) != 0;
  const bool is_writable = (poll_fd.revents & POLLOUT) != 0;
  *ready = (is_readable ? CLIENT_READY_TO_READ : 0u) | (is_writable ? CLIENT_READY_TO_WRITE : 0u);
  return BASE_OK;
}

enum base_result client_connection_write(struct client_connection *connection, struct base_span bytes, size_t *written,
                                         struct base_fault *fault) {
  *written = 0;
  if (connection->tls != NULL) {
    const struct base_span piece = base_span_slice(bytes, 0, TLS_WRITE_BYTES);
    const enum base_result result = tls_client_write(connection->tls, piece, fault);
    if (result == BASE_OK) *written = piece.bytes;
    return result;
  }
  // Never waits here: a server that has answered and stopped reading must be noticed by the poll.
  const ssize_t sent = send(connection->fd, bytes.data, bytes.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    *written = (size_t)sent;
    return BASE_OK;
  }
  if (errno == EAGAIN || errno == EINTR) return BASE_OK;
  return BASE_FAIL(fault, BASE_IO, "connection", "the server closed the connection while it was written to: %s",
                   strerror(errno));
}

enum base_result client_connection_read(struct client_connection *connection, uint8_t *out, size_t capacity,
                                        size_t *got, struct base_fault *fault) {
  *got = 0;
  if (connection->tls != NULL) return tls_client_read(connection->tls, out, capacity, got, fault);
  for (;;) {
    const ssize_t received = recv(connection->fd, out, capacity, 0);
    if (received >= 0) {
      *got = (size_t)received;
      return BASE_OK;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return io_timeout(connection, fault);
    return BASE_FAIL(fault, BASE_IO, "connection", "the connection broke: %s", strerror(errno));
  }
}
