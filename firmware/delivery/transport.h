// The bytes of one connection: a plain socket, or TLS over it. Everything above reads and writes through this.
//
// Belongs to its loop's thread. Never waits.
#ifndef DELIVERY_TRANSPORT_H
#define DELIVERY_TRANSPORT_H

#include <sys/uio.h>

#include "tls/server.h"

struct transport {
  int fd;
  struct tls_stream *tls;  // on the loop's lane; NULL: plain
};

enum transport_status {
  TRANSPORT_OK,
  TRANSPORT_BLOCKED,  // again after the next event; TLS may want to write for a read and the other way round
  TRANSPORT_END,      // the client has ended its side
  TRANSPORT_FAILED
};

// Goes on with the handshake of TLS; OK when it is over, and the client's first bytes may be there already.
enum transport_status delivery_transport_handshake(struct transport *transport, struct base_fault *fault) BASE_CHECKED;
// Some bytes (*got > 0 exactly with OK). *is_drained: the socket is known to be empty, so the next bytes are a new
// edge.
enum transport_status delivery_transport_read(struct transport *transport, void *out, size_t capacity, size_t *got,
                                              bool *is_drained) BASE_CHECKED;
// Some of the pieces, as many as go at once; *sent > 0 exactly with OK. After BLOCKED the same bytes come again.
// `more`: further bytes follow at once (MSG_MORE).
enum transport_status delivery_transport_write(struct transport *transport, const struct iovec *pieces, size_t count,
                                               bool more, size_t *sent) BASE_CHECKED;
// True when a read would not find the connection empty.
bool delivery_transport_has_input(const struct transport *transport);
// The socket, for sendfile; -1 where bytes must be encrypted.
int delivery_transport_raw_fd(const struct transport *transport);
// Sent but not yet taken by the client: what the kernel still holds; 0 when that is unknown.
uint64_t delivery_transport_queued_bytes(const struct transport *transport);
// Says that nothing more comes: a goodbye of TLS, and a FIN. BLOCKED: again when the socket takes bytes.
enum transport_status delivery_transport_end(struct transport *transport) BASE_CHECKED;
// Closes the socket; `says_goodbye`: in order, where TLS makes that a difference.
void delivery_transport_close(struct transport *transport, bool says_goodbye);

#endif
