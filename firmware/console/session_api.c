#include <string.h>

#include "access.h"
#include "api.h"
#include "auth.h"
#include "body.h"

enum { MAX_LOGIN_BYTES = 1024, MAX_SESSION_JSON = 512 };

static enum base_result reply_session(const struct console *console, struct http_reply *reply, int status,
                                      const struct console_session *session, struct base_fault *fault) {
  const char *delivery_url = atomic_load(&console->delivery_url);
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_SESSION_JSON + 6 * strlen(delivery_url));
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_bool(&json, "authenticated", session != NULL);
  if (session) base_json_string(&json, "csrf_token", session->csrf_token);
  if (session) base_json_string(&json, "delivery_url", delivery_url);
  if (!console_auth_is_claimed(console->auth)) base_json_bool(&json, "needs_claim", true);
  base_json_object_end(&json);
  enum base_result result = console_reply_json(reply, status, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

static void set_cookie(struct console_exchange *exchange, struct http_reply *reply, const char *value, int life_s) {
  http_reply_header(reply, "Set-Cookie", "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                    console_cookie_name(exchange), value, life_s, exchange->is_tls ? "; Secure" : "");
}

enum base_result console_session_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct console_session session;
  bool is_found = console_access_session(exchange, &session);
  return reply_session(exchange->console, reply, 200, is_found ? &session : NULL, fault);
}

// {"token":"..."}, and only as application/json: a form of another site can not send that.
static enum base_result read_token(struct console_exchange *exchange, char token[MAX_LOGIN_BYTES],
                                   struct base_fault *fault) {
  const struct http_header *type = http_request_header(&exchange->request, "Content-Type");
  struct base_span media_type = type ? type->value : (struct base_span){0};
  if (!base_span_is_nocase(base_span_trim(base_span_cut(&media_type, ';')), "application/json")) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "a log-in is sent as application/json");
  }
  struct base_buffer body;
  struct base_json *tree = NULL;
  enum base_result result = console_body_read_all(exchange, MAX_LOGIN_BYTES, &body, fault);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&body), &tree, fault);
  if (result == BASE_OK) {
    struct base_span text = base_span_text(base_json_as_string(base_json_get(base_json_root(tree), "token")));
    if (text.bytes == 0 || !base_span_copy(text, token, MAX_LOGIN_BYTES)) {
      result = BASE_FAIL(fault, BASE_BAD_INPUT, "token", "a log-in is an object with the member token");
    }
  }
  base_json_destroy(&tree);
  base_buffer_finish(&body);
  return result;
}

enum base_result console_session_begin(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  struct console *console = exchange->console;
  char token[MAX_LOGIN_BYTES];
  enum base_result result = read_token(exchange, token, fault);
  if (result == BASE_OK) result = console_auth_check(console->auth, exchange->client, base_span_text(token), fault);
  if (result != BASE_OK) return result;
  struct console_session session;
  console_sessions_begin(console->sessions, &session);
  result = reply_session(console, reply, 201, &session, fault);
  if (result == BASE_OK) set_cookie(exchange, reply, session.id, CONSOLE_SESSION_LIFE_S);
  base_log_write(console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "log-in from %s",
                 exchange->client);
  return result;
}

enum base_result console_session_end(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  (void)fault;
  struct console_session session;
  if (console_access_session(exchange, &session)) {
    console_sessions_end(exchange->console->sessions, base_span_text(session.id));
  }
  http_reply_init(reply, 204);
  http_reply_header(reply, "Cache-Control", "no-store");
  set_cookie(exchange, reply, "", 0);
  return BASE_OK;
}
