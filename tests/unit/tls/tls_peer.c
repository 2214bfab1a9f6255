#include "tls_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(int is_fine) {
  if (!is_fine) abort();
}

int tls_peer_pair(struct tls_peer *peer) {
  int fds[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  must(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
  *peer = (struct tls_peer){.fd = fds[1]};
  return fds[0];
}

// True when the stream wants to be asked again, after waiting for its socket.
static bool waits(const struct tls_peer *peer, enum tls_status status) {
  if (status != TLS_WANT_READ && status != TLS_WANT_WRITE) return false;
  struct pollfd ready = {.fd = peer->fd, .events = status == TLS_WANT_READ ? POLLIN : POLLOUT};
  (void)poll(&ready, 1, 1000);
  return true;
}

static bool send_all(struct tls_peer *peer, struct tls_stream *stream, struct base_span bytes) {
  while (bytes.bytes > 0) {
    size_t written;
    const enum tls_status status = tls_stream_write(stream, bytes, &written, NULL);
    if (status != TLS_OK && !waits(peer, status)) return false;
    bytes = base_span_slice(bytes, written, bytes.bytes - written);
  }
  return true;
}

static void echo(struct tls_peer *peer, struct tls_stream *stream) {
  for (;;) {
    unsigned char bytes[4096];
    size_t got;
    const enum tls_status status = tls_stream_read(stream, bytes, sizeof bytes, &got, NULL);
    if (status != TLS_OK && !waits(peer, status)) return;
    if (status == TLS_OK && !send_all(peer, stream, base_span_of(bytes, got))) return;
    peer->echoed_bytes += got;
  }
}

static void *serve(void *argument) {
  struct tls_peer *peer = argument;
  struct tls_stream *stream = tls_stream_create(peer->server, peer->fd, NULL);
  must(stream != NULL);
  do {
    peer->handshake = tls_stream_handshake(stream, NULL);
  } while (waits(peer, peer->handshake));
  if (peer->handshake == TLS_OK) echo(peer, stream);
  tls_stream_destroy(&stream);
  close(peer->fd);
  return NULL;
}

void tls_peer_start(struct tls_peer *peer, const char *pem_path) {
  must(tls_server_create(pem_path, &peer->server, NULL) == BASE_OK);
  must(pthread_create(&peer->thread, NULL, serve, peer) == 0);
}

void tls_peer_join(struct tls_peer *peer) {
  must(pthread_join(peer->thread, NULL) == 0);
  tls_server_destroy(&peer->server);
}
