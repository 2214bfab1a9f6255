// From a request at the console to its reply: route, access, the handler, problems.
#ifndef CONSOLE_ROUTES_H
#define CONSOLE_ROUTES_H

#include "exchange.h"

// Answers the request; `reply` is initialised here and complete afterwards.
void console_answer(struct console_exchange *exchange, struct http_reply *reply);
// What every reply of this room says to browsers. For replies that do not go through console_answer's end.
void console_add_security_headers(struct http_reply *reply);

#endif
