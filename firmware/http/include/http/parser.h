// The strict HTTP/1.1 request parser: RFC 9112, nothing lenient.
//
// Safe on any thread: it keeps nothing between calls. Used by `delivery`. It looks at a buffer that holds the bytes
// received so far and never changes it.
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include "http/message.h"

enum {
  HTTP_MAX_REQUEST_LINE = 8192,
  HTTP_MAX_HEAD_BYTES = 16384,  // request line + fields + the empty line
};

enum http_parse_state { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_FAILED };

// Parses one request head from the front of `bytes`.
// DONE: *request is filled (spans point into `bytes`), *head_bytes is where the body begins.
// MORE: the head is not complete and no rule is broken yet.
// FAILED: fault says why, and the connection must be closed:
//   BASE_BAD_INPUT (400), BASE_VERSION (505), BASE_NOT_IMPLEMENTED (501: CONNECT, or an unknown coding before
//   "chunked"), BASE_TOO_LARGE (413: a Content-Length over 2^63 - 1), BASE_HEADERS_TOO_LARGE (431; the request line
//   alone: subject "request-line", 414).
// More input never changes DONE or FAILED, so the caller retries from the start as bytes arrive.
//
// Refused: bare CR or LF, obs-fold, space before the colon, empty or non-token names, control bytes in values; zero or
// two Host fields in HTTP/1.1, invalid Host; two different or malformed Content-Length ("5, 5" is 5), Content-Length
// with Transfer-Encoding, Transfer-Encoding in HTTP/1.0 or other than one final "chunked"; fragments, non-ASCII or
// control bytes in the target, absolute-form with a Host that differs. Leading CRLFs: at most one (RFC 9112 2.2).
// A valid Host is a DNS name, an IPv4 address or a bracketed IPv6 address, with an optional port.
enum http_parse_state http_parse_request(struct base_span bytes, struct http_request *request, size_t *head_bytes,
                                         struct base_fault *fault) BASE_CHECKED;

#endif
