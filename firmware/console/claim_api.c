// POST /api/v1/claim: the first token of a box, for the one-time code that its screen or serial console shows.
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "auth.h"
#include "json_body.h"

enum { MAX_CLAIM_BYTES = 1024, MAX_CLAIM_JSON = 512 };

static enum base_result reply_token(const char *token, struct http_reply *reply, struct base_fault *fault) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_CLAIM_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_string(&json, "token", token);
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, 201, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_claim(struct console_exchange *exchange, struct http_reply *reply, struct base_fault *fault) {
  static const char *const members[] = {"code"};
  const struct console *console = exchange->console;
  struct base_json *body;
  const char *code;
  char *token = NULL;
  enum base_result result = console_json_body_read(exchange, MAX_CLAIM_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  result = console_json_body_text(body, "code", &code, fault);
  if (result == BASE_OK) {
    result = console_auth_claim(console->auth, exchange->client, base_span_text(code), &token, fault);
  }
  base_json_destroy(&body);
  if (result != BASE_OK) return result;
  base_log_write(console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "the box was claimed from %s",
                 exchange->client);
  result = reply_token(token, reply, fault);
  explicit_bzero(token, strlen(token));
  free(token);
  return result;
}
