// A request's body that handlers read as a whole: the gate has received it before the handler began.
#ifndef CONSOLE_BODY_H
#define CONSOLE_BODY_H

#include "exchange.h"

// The whole body, at most `limit_bytes` (BASE_TOO_LARGE). `out` is initialised here; finish it in every case.
// BASE_IO when the connection to the gate breaks.
enum base_result console_body_read_all(const struct console_exchange *exchange, size_t limit_bytes,
                                       struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;

#endif
