// The head of a response: status line and fields, and what they say about the body's framing (RFC 9112).
#ifndef CLIENT_HEAD_H
#define CLIENT_HEAD_H

#include "client/client.h"

struct client_head {
  unsigned version_minor;
  bool has_length;
  uint64_t length;
  bool is_chunked;
  bool wants_close;
};

// Looks for the end of the head at the front of `bytes`. *head_bytes becomes its length with the empty line, or 0 while
// more bytes are needed. *searched remembers how far earlier calls came; start with 0. BASE_BAD_INPUT as soon as the
// bytes can not be an HTTP/1 response, BASE_HEADERS_TOO_LARGE over CLIENT_MAX_HEAD_BYTES.
enum base_result client_head_find(struct base_span bytes, size_t *searched, size_t *head_bytes,
                                  struct base_fault *fault) BASE_CHECKED;
// Parses the whole head in response->head; fills status and headers. Strict: CRLF only, no folding, no conflict between
// Content-Length and Transfer-Encoding.
enum base_result client_head_parse(struct client_response *response, struct client_head *out,
                                   struct base_fault *fault) BASE_CHECKED;

#endif
