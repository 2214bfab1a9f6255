// HTTP/2 (RFC 9113) by nghttp2: one session on a connection, many exchanges at a time. The only user of nghttp2.
//
// Belongs to its loop's thread. Bodies are handed to the transport from where they lie, never gathered.
#ifndef DELIVERY_H2_H
#define DELIVERY_H2_H

#include "connection.h"
#include "exchange.h"

struct h2_session;  // connection->h2; NULL on HTTP/1

// True when `received` can be the beginning of the client's preface (RFC 9113 3.4); *is_whole when all 24 bytes are
// there.
bool delivery_h2_is_preface(struct base_span received, bool *is_whole);
// Turns the connection to HTTP/2, after ALPN or after the preface was seen; `received` is what has been read already,
// preface included. False when memory is short: the caller closes. After true the connection is this file's: it may
// have been closed already.
bool delivery_h2_begin(struct connection *connection, struct base_span received) BASE_CHECKED;
// epoll reported `events`. These may close the connection.
void delivery_h2_events(struct connection *connection, uint32_t events);
// A handler completed on another thread.
void delivery_h2_reply(struct exchange *exchange);
// The connection's timer ran out.
void delivery_h2_timeout(struct connection *connection);
// Graceful end: GOAWAY, open streams are answered.
void delivery_h2_drain(struct connection *connection);
// The connection goes: detaches every exchange and frees the session. Called by delivery_connection_close.
void delivery_h2_finish(struct connection *connection);

#endif
