// Content negotiation on Accept (RFC 9110 12.5.1), and small field parsers.
#ifndef HTTP_NEGOTIATE_H
#define HTTP_NEGOTIATE_H

#include "http/message.h"

// The quality (0..1000) that `accept` (joined field value; data == NULL means absent: everything 1000) gives to a
// media type like "image/webp". The most specific matching range decides. *is_exact says that the type itself was
// named, not only a wildcard. A malformed element is ignored.
int http_accept_quality(struct base_span accept, const char *media_type, bool *is_exact);

#endif
