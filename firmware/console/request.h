// From what CivetWeb has parsed to a request that the strict parser has accepted.
#ifndef CONSOLE_REQUEST_H
#define CONSOLE_REQUEST_H

#include "http/message.h"
#include "http/parser.h"

// A request as a lenient server saw it.
struct console_raw_request {
  const char *method, *path, *query, *version;  // query may be NULL; version without "HTTP/"
  size_t header_count;
  struct {
    const char *name, *value;
  } headers[HTTP_MAX_HEADERS];
};

// Writes it down again in `storage` (HTTP_MAX_HEAD_BYTES) and has it parsed, so that both servers of the box obey one
// set of rules. The request borrows from `storage`; its id is made here. Fails as http_parse_request does.
enum base_result console_request_build(const struct console_raw_request *raw, char *storage, struct http_request *out,
                                       struct base_fault *fault) BASE_CHECKED;
// A random id for the log.
void console_request_make_id(char out[HTTP_REQUEST_ID_CHARS + 1]);

#endif
