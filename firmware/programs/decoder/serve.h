// Answering requests until the socket closes.
#ifndef DECODER_SERVE_H
#define DECODER_SERVE_H

#include <stdbool.h>

// True when the other side closed the socket between two requests, false when it broke the protocol.
bool serve(int socket);

#endif
