// A sink that a server thread waits at, so that handlers made for an event loop serve a thread-per-connection server.
#ifndef CONSOLE_SINK_H
#define CONSOLE_SINK_H

#include "http/message.h"

// Calls the handler and waits until the reply is complete, from whatever thread. `reply` is initialised here.
void console_sink_wait(const struct http_handler *handler, const struct http_request *request,
                       struct http_reply *reply);

#endif
