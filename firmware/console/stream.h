// A reply that goes out while it is made: with the length it was said to have, else chunked (RFC 9112 7.1), or until
// the connection closes for HTTP/1.0.
//
// A handler that has begun a stream leaves a reply that only tells the status, for the log. The request's body must
// have been read.
#ifndef CONSOLE_STREAM_H
#define CONSOLE_STREAM_H

#include "exchange.h"

// Writes the head of `reply`, which has no body, with the fields that every reply has. Each of these returns false when
// the client is gone; the connection is closed then.
bool console_stream_begin(struct console_exchange *exchange, struct http_reply *reply) BASE_CHECKED;
// The same with a Content-Length: exactly `bytes` are written until the end.
bool console_stream_begin_sized(struct console_exchange *exchange, struct http_reply *reply,
                                uint64_t bytes) BASE_CHECKED;
bool console_stream_write(struct console_exchange *exchange, struct base_span bytes) BASE_CHECKED;
// Without it the client knows that it has not got everything.
bool console_stream_end(struct console_exchange *exchange) BASE_CHECKED;
// Whether the connection may live on after this reply.
bool console_stream_keeps_alive(const struct console_exchange *exchange, const struct http_reply *reply);

#endif
