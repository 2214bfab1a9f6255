// A reply as bytes of HTTP/1.1.
#ifndef CONSOLE_REPLY_WRITER_H
#define CONSOLE_REPLY_WRITER_H

#include "exchange.h"

// False when the client is gone or a file of the body can not be read; then the connection must be closed.
bool console_reply_write(const struct http_reply *reply, enum http_method method, bool keep_alive, int64_t now_s,
                         const struct console_wire *wire) BASE_CHECKED;

#endif
