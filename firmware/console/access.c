#include "access.h"

#include <stdio.h>

#include "auth.h"

const char *console_cookie_name(const struct console_exchange *exchange) {
  return exchange->is_tls ? "__Host-pixpop_session" : "pixpop_session";
}

// The value of the first cookie of that name (RFC 6265 4.2.1); empty when there is none.
static struct base_span find_cookie(const struct http_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++) {
    if (!base_span_is_nocase(request->headers[i].name, "Cookie")) continue;
    struct base_span rest = request->headers[i].value;
    while (rest.bytes > 0) {
      struct base_span value = base_span_trim(base_span_cut(&rest, ';'));
      if (base_span_is(base_span_cut(&value, '='), name)) return value;
    }
  }
  return (struct base_span){0};
}

bool console_access_session(const struct console_exchange *exchange, struct console_session *out) {
  struct base_span id = find_cookie(&exchange->request, console_cookie_name(exchange));
  return id.bytes > 0 && console_sessions_find(exchange->console->sessions, id, out);
}

static bool changes_something(enum http_method method) {
  return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

static enum base_result check_bearer(struct console_auth *auth, const char *client, struct base_span credentials,
                                     struct base_fault *fault) {
  struct base_span scheme = base_span_cut(&credentials, ' ');
  if (!base_span_is_nocase(scheme, "Bearer")) {
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "Authorization", "the only scheme here is Bearer");
  }
  return console_auth_check(auth, client, base_span_trim(credentials), fault);
}

enum base_result console_access_check(const struct console_exchange *exchange, struct base_fault *fault) {
  const struct http_request *request = &exchange->request;
  const struct http_header *authorization = http_request_header(request, "Authorization");
  // Another site can make a browser send the cookie but not this field, so a bearer needs no second secret.
  if (authorization) return check_bearer(exchange->console->auth, exchange->client, authorization->value, fault);
  struct console_session session;
  if (!console_access_session(exchange, &session)) {
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "", "this needs the token or a session");
  }
  if (!changes_something(request->method)) return BASE_OK;
  const struct http_header *csrf = http_request_header(request, "X-CSRF-Token");
  if (csrf && base_span_equal_constant_time(csrf->value, base_span_text(session.csrf_token))) return BASE_OK;
  return BASE_FAIL(fault, BASE_FORBIDDEN, "X-CSRF-Token", "a change within a session needs its X-CSRF-Token");
}

enum base_result console_check_token(void *console, const struct http_request *request, struct base_fault *fault) {
  const struct http_header *authorization = http_request_header(request, "Authorization");
  char address[INET6_ADDRSTRLEN] = "?";
  char client[sizeof "delivery " + sizeof address];
  if (!authorization) return BASE_FAIL(fault, BASE_UNAUTHORIZED, "token", "this needs the token");
  (void)inet_ntop(AF_INET6, request->client, address, sizeof address);
  // Guesses are counted apart: visitors behind one address with somebody who administrates do not lock them out.
  (void)snprintf(client, sizeof client, "delivery %s", address);
  return check_bearer(((struct console *)console)->auth, client, authorization->value, fault);
}
