// Reading a request's body: lengths, "100 Continue", and clients that leave in the middle.
#ifndef CONSOLE_BODY_H
#define CONSOLE_BODY_H

#include "exchange.h"

// For a request that was parsed; `wire` carries the rest of its connection.
void console_body_init(struct console_body *body, const struct http_request *request, const struct console_wire *wire);
// Up to `capacity` bytes; *got is 0 at the end. BASE_SLOW_CLIENT; BASE_CANCELLED when the client left before the end,
// or BASE_BAD_INPUT when the body is chunked: then that can not be told from broken chunks.
enum base_result console_body_read(struct console_body *body, void *out, size_t capacity, size_t *got,
                                   struct base_fault *fault) BASE_CHECKED;
// The whole body, at most `limit_bytes` (BASE_TOO_LARGE), within 10 seconds. `out` is initialised here; finish it in
// every case.
enum base_result console_body_read_all(struct console_body *body, size_t limit_bytes, struct base_buffer *out,
                                       struct base_fault *fault) BASE_CHECKED;
// Reads and forgets what is left, for a while: a client still sending would otherwise see its connection reset and not
// the reply. Nothing when it waits for "100 Continue". Returns whether the whole body was read.
bool console_body_drain(struct console_body *body, const struct base_clock *clock);

#endif
