// /api/v1/settings: the file of settings that this box starts with next, as text, secrets and all.
//
// GET is the text; PUT replaces it whole, when it is one that this box would run with. What is refused changes nothing.
#include <string.h>

#include "api.h"
#include "body.h"

enum { MAX_SETTINGS_BYTES = 64 * 1024, MAX_ANSWER_JSON = 512 };

enum base_result console_settings_show(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  const struct console_settings *settings = exchange->console->config.settings;
  if (!settings || !settings->read_next) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "settings", "this box does not tell its settings");
  }
  struct base_buffer text;
  base_buffer_init(&text, CONSOLE_MAX_SETTINGS_BYTES);
  enum base_result result = settings->read_next(settings->self, &text, fault);
  if (result == BASE_OK) result = console_reply_text(reply, 200, "text/plain; charset=utf-8", &text, BASE_OK, fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result reply_replaced(struct http_reply *reply, struct base_fault *fault) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_ANSWER_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_string(&json, "settings", "replaced");
  base_json_string(&json, "settings_text", "they count from the next start on");
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_settings_set(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  const struct console *console = exchange->console;
  const struct console_settings *settings = console->config.settings;
  if (!settings || !settings->replace) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "settings", "this box restores no settings");
  }
  struct base_buffer text;
  enum base_result result = console_body_read_all(exchange, MAX_SETTINGS_BYTES, &text, fault);
  if (result == BASE_OK) result = settings->replace(settings->self, base_buffer_span(&text), fault);
  if (text.bytes > 0) explicit_bzero(text.data, text.bytes);  // keys
  base_buffer_finish(&text);
  if (result != BASE_OK) return result;
  base_log_write(console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "settings replaced by %s",
                 exchange->client);
  return reply_replaced(reply, fault);
}
