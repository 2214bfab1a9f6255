// Request targets (RFC 9112 section 3.2) and authorities (RFC 3986 section 3.2).
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "http/message.h"

// Splits request->target into path and query by its form. `*authority` becomes the absolute-form's authority, or empty
// with data == NULL for the other forms; request->host follows it.
enum base_result http_target_split(struct http_request *request, struct base_span *authority,
                                   struct base_fault *fault) BASE_CHECKED;

// Checks host [":" port] and gives the host alone (an IPv6 literal keeps its brackets). Stricter than RFC 3986:
// no user information, no percent-encoding and no sub-delims, so that "a,b" can not pass for one name.
bool http_authority_split(struct base_span authority, struct base_span *host) BASE_CHECKED;

#endif
