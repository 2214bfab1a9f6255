// A connection's TLS handshake: what its events mean, and its steps when its turn comes.
//
// Until the client's first message lies in the socket whole, and while it waits for its turn, a connection costs its
// descriptor and a small struct; its TLS memory comes with its turn. Belongs to the loop's thread.
#ifndef DELIVERY_GREETING_H
#define DELIVERY_GREETING_H

#include "connection.h"

// epoll reported `events` in HANDSHAKE or QUEUE. May close the connection.
void delivery_greeting_events(struct connection *connection, uint32_t events);
// The time-out of HANDSHAKE or QUEUE has passed.
void delivery_greeting_timeout(struct connection *connection);
// Goes on with handshakes for a bounded time, so that connected clients come first; refuses those that can not be
// served in time. May close connections.
void delivery_greeting_turn(struct loop *loop);
// How long the loop may sleep before the next turn; UINT64_MAX when none is due.
uint64_t delivery_greeting_wait_ms(const struct loop *loop);

#endif
