// The other end of a TLS connection in tests: a server of one connection that echoes.
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <pthread.h>
#include <stddef.h>

#include "tls/server.h"

struct tls_peer {
  int fd;  // the server's end; non-blocking, closed by the peer
  struct tls_server *server;
  pthread_t thread;
  enum tls_status handshake;  // after tls_peer_join
  size_t echoed_bytes;
};

// A connected pair: returns the client's (blocking) end and keeps the other.
int tls_peer_pair(struct tls_peer *peer);
// Starts a thread that shakes hands and echoes until the client closes.
void tls_peer_start(struct tls_peer *peer, const char *pem_path);
void tls_peer_join(struct tls_peer *peer);

#endif
