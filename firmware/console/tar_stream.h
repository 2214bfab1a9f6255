// A tar archive as the reply, written while it is made.
#ifndef CONSOLE_TAR_STREAM_H
#define CONSOLE_TAR_STREAM_H

#include "archive/tar.h"
#include "exchange.h"

struct console_tar {
  struct console_exchange *exchange;
  struct archive_writer writer;
};

// Begins the reply: a download named "pixpop-HOST-`kind`-DATE.tar". False for HEAD, or when the client is gone: then
// console_tar_end follows at once.
bool console_tar_begin(struct console_tar *tar, struct console_exchange *exchange, const char *kind,
                       struct http_reply *reply) BASE_CHECKED;
// A file of JSON or text that is in memory, dated now.
enum base_result console_tar_add(struct console_tar *tar, const char *name, struct base_span content,
                                 struct base_fault *fault) BASE_CHECKED;
// A file of JSON that says what wrote the archive and when: {"format" (unless 0), "version", "host_name", "created_s"}.
enum base_result console_tar_add_about(struct console_tar *tar, const char *name, unsigned format,
                                       struct base_fault *fault) BASE_CHECKED;
// Ends the reply; after a failure it is cut off, so that the client knows, and `fault` is logged. The handler returns
// what this returns: BASE_OK.
enum base_result console_tar_end(struct console_tar *tar, enum base_result result, struct http_reply *reply,
                                 struct base_fault *fault) BASE_CHECKED;

#endif
