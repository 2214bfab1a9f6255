// Requests that come as pseudo-header fields (HTTP/2, RFC 9113 8.3) instead of a request line: the rules of HTTP/1.1
// for what a target, a host and a length may be, applied to them.
//
// Safe on any thread: it keeps nothing between calls. Used by `delivery`.
#ifndef HTTP_PSEUDO_H
#define HTTP_PSEUDO_H

#include "http/message.h"

// data == NULL for those that did not come.
struct http_pseudo {
  struct base_span method;
  struct base_span scheme;
  struct base_span authority;
  struct base_span path;
};

// The caller has filled request->headers and header_count with the other fields, in order; this checks them and fills
// the rest as http_parse_request does, version_minor 1 and is_secure untouched. Everything borrows from the spans
// given. Faults:
//   BASE_BAD_INPUT: a missing pseudo-header field, a scheme other than http and https, no host or two that differ, a
//     target that is not a path (or "*" for OPTIONS), names with upper case, fields that only make sense on one
//     connection (RFC 9113 8.2.2), bad values, bad or differing Content-Length;
//   BASE_NOT_IMPLEMENTED (CONNECT); BASE_TOO_LARGE (Content-Length over 2^63 - 1);
//   BASE_HEADERS_TOO_LARGE: the path is longer than a request line may be (subject "request-line", 414).
// After a fault method, target and the like may be filled in part.
enum base_result http_pseudo_finish_request(const struct http_pseudo *pseudo, struct http_request *request,
                                            struct base_fault *fault) BASE_CHECKED;

#endif
