// What every request to a tus resource has in common; the rest is in tus_api.c.
#ifndef CONSOLE_TUS_H
#define CONSOLE_TUS_H

#include "exchange.h"

// Before the route is looked for: X-HTTP-Method-Override makes a POST to a tus resource a PATCH or a DELETE.
// BASE_NOT_IMPLEMENTED for another method, BASE_BAD_INPUT when it does not come with a POST.
enum base_result console_tus_override(struct http_request *request, struct base_fault *fault) BASE_CHECKED;
// Adds what every reply of a tus resource says, problems too; nothing to others.
void console_tus_mark(const struct http_request *request, struct http_reply *reply);

#endif
