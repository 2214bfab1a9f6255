// What of a request outlives handle(): method, path, authority, client, id and the fields that replies depend on
// (conditions, ranges, wishes for digests).
#ifndef POP_REQUEST_H
#define POP_REQUEST_H

#include "http/message.h"

// Bytes of `storage` that pop_request_copy wants.
size_t pop_request_bytes(const struct http_request *request);
// The copy borrows from `storage`.
void pop_request_copy(const struct http_request *request, struct http_request *out, uint8_t *storage);

#endif
