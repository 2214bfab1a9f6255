// What a client says about digests: Want-Content-Digest and Want-Repr-Digest (RFC 9530 section 4).
#ifndef HTTP_DIGEST_PREFERENCE_H
#define HTTP_DIGEST_PREFERENCE_H

#include "http/message.h"

// False when the field `name` says that SHA-256 is not acceptable (sha-256=0), the only algorithm there is here.
// Absent, malformed, overlong fields and wishes for other algorithms change nothing: a digest costs nothing to ignore.
bool http_digest_is_welcome(const struct http_request *request, const char *name);

#endif
