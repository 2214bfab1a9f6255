// A reply as bytes of HTTP/1.1.
#ifndef CONSOLE_REPLY_WRITER_H
#define CONSOLE_REPLY_WRITER_H

#include "exchange.h"

enum { CONSOLE_MAX_HEAD_BYTES = 64 * 1024 };

// How the client knows where the body ends.
enum console_framing { CONSOLE_LENGTH, CONSOLE_CHUNKED, CONSOLE_UNTIL_CLOSE };

// Appends the head with its empty line.
enum base_result console_reply_write_head(const struct http_reply *reply, enum console_framing framing, bool keep_alive,
                                          int64_t now_s, struct base_buffer *out) BASE_CHECKED;
// False when the client is gone or a file of the body can not be read; then the connection must be closed.
bool console_reply_write(const struct http_reply *reply, enum http_method method, bool keep_alive, int64_t now_s,
                         const struct console_wire *wire) BASE_CHECKED;

#endif
