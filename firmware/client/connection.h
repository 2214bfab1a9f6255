// One connection to an origin, plain or TLS, with a time-out for every wait.
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "origin.h"
#include "tls/tls.h"

struct client_connection {
  int fd;                  // -1: not open
  struct tls_client *tls;  // NULL: plain
  uint32_t io_timeout_ms;
};

enum client_readiness {
  CLIENT_READY_TO_READ = 1,  // bytes or the end of the stream are there
  CLIENT_READY_TO_WRITE = 2,
};

#define CLIENT_CONNECTION_CLOSED ((struct client_connection){.fd = -1})

static inline bool client_connection_is_open(const struct client_connection *connection) { return connection->fd >= 0; }

// Tries every address of the host until one answers; all of them together have config->connect_timeout_ms.
enum base_result client_connection_open(struct client_connection *connection, const struct client_origin *origin,
                                        const struct client_config *config, struct base_fault *fault) BASE_CHECKED;
void client_connection_close(struct client_connection *connection);
// True when a connection without a request in flight has something to read: the peer closed it (or broke the rules).
bool client_connection_is_stale(const struct client_connection *connection);
// Waits until bytes can be written or are there to be read, at most `left_ms`; *ready is a set of enum
// client_readiness, empty when the time is up. BASE_TIMEOUT after the connection's own time-out.
enum base_result client_connection_wait_to_write(const struct client_connection *connection, uint64_t left_ms,
                                                 unsigned *ready, struct base_fault *fault) BASE_CHECKED;
// Writes some of `bytes` (at least one when the socket has room).
enum base_result client_connection_write(struct client_connection *connection, struct base_span bytes, size_t *written,
                                         struct base_fault *fault) BASE_CHECKED;
// *got is 0 at the end of the stream. `capacity` is at least one TLS record, so that nothing readable stays hidden in
// TLS.
enum { CLIENT_READ_BYTES = 16384 };
enum base_result client_connection_read(struct client_connection *connection, uint8_t *out, size_t capacity,
                                        size_t *got, struct base_fault *fault) BASE_CHECKED;

#endif
