// The head of a request, from parts that are checked so that none can smuggle in a line.
#ifndef CLIENT_REQUEST_HEAD_H
#define CLIENT_REQUEST_HEAD_H

#include "origin.h"

// Bytes of the request's body.
uint64_t client_request_body_bytes(const struct client_request *request);
// Appends request line and fields. BASE_BAD_INPUT for a path, token, type or field with characters that can not stand
// there.
enum base_result client_request_head_write(const struct client_request *request, const struct client_origin *origin,
                                           struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;

#endif
