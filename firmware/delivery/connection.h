// One client's connection: its socket, what it waits for, and bytes that were received but not used yet.
//
// Belongs to its loop's thread. A connection is on the timer list of its state all its life. An idle one holds no
// buffer.
#ifndef DELIVERY_CONNECTION_H
#define DELIVERY_CONNECTION_H

#include "loop.h"
#include "transport.h"

struct h2_session;

struct connection {
  struct timer timer;  // first, so that a timer's address is its connection's
  struct loop *loop;
  struct client *client;      // NULL: not counted by address
  struct exchange *exchange;  // the request being answered, in REPLY and WRITE; NULL on HTTP/2
  struct h2_session *h2;      // NULL on HTTP/1
  uint8_t *held;              // received but not parsed; NULL when empty
  uint32_t held_bytes;
  uint32_t examined_bytes;     // so many of them are known to be an incomplete head
  struct transport transport;  // over TLS without a stream until the handshake's turn comes
  struct handshake handshake;
  uint8_t address[HTTP_CLIENT_BYTES];  // the client's, as in http_request
  uint8_t state;                       // enum delivery_state
  bool is_readable;                    // the socket may have more; cleared when a read comes back short
  bool is_peer_closed;                 // the client sent its FIN, or the connection broke
  bool must_close;                     // after the current reply
  bool has_unread;                     // the client may be sending what we will not read: linger before closing
  bool is_resuming;                    // the handshake, with a session ticket of ours
  bool is_refused;                     // over a limit: not counted
  bool is_fresh;                       // nothing was asked for yet
  bool owes_end;                       // in LINGER: the socket did not take our goodbye yet
  bool is_drain_told;                  // HTTP/2 knows of the drain
};

// What was accepted.
struct arrival {
  int fd;
  bool is_tls;
  bool is_refused;
  struct client *client;
  uint8_t address[HTTP_CLIENT_BYTES];
};

// Takes the descriptor and its counts (in shared->connections unless refused, and of the client), also on failure.
// NULL when memory or epoll is short.
struct connection *delivery_connection_open(struct loop *loop, const struct arrival *arrival);
// Closes and frees it. An exchange that a handler still owes is detached and cancelled.
void delivery_connection_close(struct connection *connection);
// The same, but throws away what the kernel still wants to send: for clients that do not read.
void delivery_connection_abort(struct connection *connection);
// Starts waiting in `state`, with its time-out.
void delivery_connection_enter(struct connection *connection, enum delivery_state state);
// Makes epoll report the connection again although nothing new happened.
void delivery_connection_rearm(struct connection *connection);
// Keeps a copy of unused bytes for later; false when memory is short.
bool delivery_connection_hold(struct connection *connection, struct base_span bytes,
                              size_t examined_bytes) BASE_CHECKED;
// Moves the held bytes to `out`, which has room for HTTP_MAX_HEAD_BYTES, and returns how many.
size_t delivery_connection_unhold(struct connection *connection, uint8_t *out);
// Our side is done: closes when the client has nothing in flight, or sends a FIN and waits for the client's, so that a
// reset does not destroy the reply before the client reads it (RFC 9112 9.6). Over TLS the client's goodbye is to come.
void delivery_connection_end(struct connection *connection);
// In LINGER: says what could not be said yet, and throws away what the client still sends.
void delivery_connection_linger(struct connection *connection);

#endif
