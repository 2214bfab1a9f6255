// Who may do what: bearer tokens, session cookies, and the second secret that a page must show for changes.
#ifndef CONSOLE_ACCESS_H
#define CONSOLE_ACCESS_H

#include "exchange.h"
#include "session.h"

// The cookie's name: under TLS it has the __Host- prefix, which browsers accept only from the host itself over TLS.
const char *console_cookie_name(const struct console_exchange *exchange);
// The session that the request's cookie names.
bool console_access_session(const struct console_exchange *exchange, struct console_session *out) BASE_CHECKED;
// BASE_OK for a right bearer token, or a session (which must show X-CSRF-Token in requests that change something).
// BASE_UNAUTHORIZED, BASE_FORBIDDEN ("X-CSRF-Token"), BASE_RATE for a client that guesses too often.
enum base_result console_access_check(const struct console_exchange *exchange, struct base_fault *fault) BASE_CHECKED;

#endif
