// Answering requests until the socket closes.
#ifndef DECODER_SERVE_H
#define DECODER_SERVE_H

#include <stdbool.h>

#include "sandbox/isolation.h"

// Says that it is ready and how far it is cut off, then answers. True when the other side closed the socket between two
// requests, false when it broke the protocol.
bool serve(int socket, const struct sandbox_isolation *isolation);
// Says, in place of ready, what could not be given up, with the errno of it.
void serve_failure(int socket, const char *what, int error);

#endif
