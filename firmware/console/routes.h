// From a request at the console to its reply: route, access, the handler, problems.
#ifndef CONSOLE_ROUTES_H
#define CONSOLE_ROUTES_H

#include "exchange.h"

struct console_intake_kind;

// Finds the request's route and judges method and access. exchange->request, console, client and is_tls are set; sets
// exchange->route, or exchange->refusal (and exchange->allow when only the method is wrong).
void console_route(struct console_exchange *exchange);
// True for a route whose requests wait for renderers, disks or the client; the others are answered at once.
bool console_route_is_slow(const struct console_route *route);
// What takes the body as it comes; NULL when the route wants small bodies, whole.
const struct console_intake_kind *console_route_intake(const struct console_route *route);

// Answers the request, with exchange->refusal when there is one; `reply` is initialised here and complete afterwards.
void console_answer(struct console_exchange *exchange, struct http_reply *reply);
// What every reply of this room says to browsers. For replies that do not go through console_answer's end.
void console_add_security_headers(struct http_reply *reply);

#endif
