#include "transport.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/file.h"

static enum transport_status of_tls(enum tls_status status) {
  switch (status) {
    case TLS_OK:
      return TRANSPORT_OK;
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
      return TRANSPORT_BLOCKED;
    case TLS_END:
      return TRANSPORT_END;
    case TLS_FAILED:
      break;
  }
  return TRANSPORT_FAILED;
}

enum transport_status delivery_transport_handshake(struct transport *transport, struct base_fault *fault) {
  return of_tls(tls_stream_handshake(transport->tls, fault));
}

enum transport_status delivery_transport_read(struct transport *transport, void *out, size_t capacity, size_t *got,
                                              bool *is_drained) {
  if (transport->tls) {
    enum transport_status status = of_tls(tls_stream_read(transport->tls, out, capacity, got, NULL));
    *is_drained = tls_stream_is_drained(transport->tls);
    return status;
  }
  *got = 0;
  ssize_t bytes;
  do {
    bytes = recv(transport->fd, out, capacity, 0);
  } while (bytes < 0 && errno == EINTR);
  // A short read has emptied the socket.
  *is_drained = bytes < 0 || (size_t)bytes < capacity;
  if (bytes < 0) return errno == EAGAIN ? TRANSPORT_BLOCKED : TRANSPORT_FAILED;
  if (bytes == 0) return TRANSPORT_END;
  *got = (size_t)bytes;
  return TRANSPORT_OK;
}

enum transport_status delivery_transport_write(struct transport *transport, const struct iovec *pieces, size_t count,
                                               bool more, size_t *sent) {
  if (transport->tls) return of_tls(tls_stream_write_pieces(transport->tls, pieces, count, sent, NULL));
  *sent = 0;
  // sendmsg does not write through its pieces; the cast over an integer keeps -Wcast-qual for real mistakes.
  struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
  ssize_t bytes;
  do {
    bytes = sendmsg(transport->fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  } while (bytes < 0 && errno == EINTR);
  if (bytes < 0) return errno == EAGAIN ? TRANSPORT_BLOCKED : TRANSPORT_FAILED;
  *sent = (size_t)bytes;
  return TRANSPORT_OK;
}

bool delivery_transport_has_input(const struct transport *transport) {
  uint8_t byte;
  if (transport->tls && tls_stream_has_pending(transport->tls)) return true;
  return recv(transport->fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) > 0;
}

int delivery_transport_raw_fd(const struct transport *transport) { return transport->tls ? -1 : transport->fd; }

uint64_t delivery_transport_queued_bytes(const struct transport *transport) {
  int bytes = 0;
  return ioctl(transport->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

enum transport_status delivery_transport_end(struct transport *transport) {
  if (transport->tls && tls_stream_close(transport->tls) == TLS_WANT_WRITE) return TRANSPORT_BLOCKED;
  return shutdown(transport->fd, SHUT_WR) == 0 ? TRANSPORT_OK : TRANSPORT_FAILED;
}

void delivery_transport_close(struct transport *transport, bool says_goodbye) {
  if (transport->tls && says_goodbye) tls_stream_close(transport->tls);
  tls_stream_destroy(&transport->tls);
  base_fd_close(&transport->fd);
}
