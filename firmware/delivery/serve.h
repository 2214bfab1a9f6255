// What a connection does when something happens to it: bytes, a reply, a time-out.
//
// Requests are answered one after the other, so pipelined ones get their replies in order by construction.
#ifndef DELIVERY_SERVE_H
#define DELIVERY_SERVE_H

#include "connection.h"

// epoll reported `events`.
void delivery_serve_events(struct connection *connection, uint32_t events);
// Its TLS handshake is over.
void delivery_serve_greeted(struct connection *connection);
// Another thread completed the exchange of a connection, or of one that is gone.
void delivery_serve_reply(struct exchange *exchange);
// The time-out of the connection's state has passed.
void delivery_serve_timeout(struct connection *connection);
// A connection over a limit is told so with a 503.
void delivery_serve_refusal(struct connection *connection);
// The server ends: idle and new connections may for a short time still ask for something, and all end with a reply
// that says so.
void delivery_serve_drain(struct connection *connection);

#endif
