// /api/v1/system: an appliance's system program, as it answers. Without one everything here is 404.
//
// GET is its status line (update/agent.h). POST slots {"next": "A"|"B"|"rescue"}; POST reboot, poweroff, rescue;
// POST factory-reset {"confirm": "<the box's host name, or its board>"}; GET and PUT network {"text": "..."}. All
// answer with the last line of the system program, or with the problem that it has.

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "host.h"
#include "json_body.h"
#include "system.h"

enum { MAX_BODY_BYTES = 16 * 1024 };

static enum base_result ask(const struct console_exchange *exchange, const char *line, unsigned silence_ms,
                            struct http_reply *reply, struct base_fault *fault) {
  struct base_buffer text;
  base_buffer_init(&text, UPDATE_AGENT_MAX_LINE * 2);
  enum base_result result = console_system_ask(exchange, line, silence_ms, &text, fault);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, BASE_OK, fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result change(const struct console_exchange *exchange, const char *line, const char *what,
                               struct http_reply *reply, struct base_fault *fault) {
  const enum base_result result = ask(exchange, line, CONSOLE_SYSTEM_CHANGE_MS, reply, fault);
  if (result == BASE_OK) {
    base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "system: %s, by %s",
                   what, exchange->client);
  }
  return result;
}

enum base_result console_system_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  return ask(exchange, "{\"do\":\"status\"}", CONSOLE_SYSTEM_STATUS_MS, reply, fault);
}

enum base_result console_system_choose(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  static const char *const members[] = {"next"};
  static const struct {
    const char *next, *line;
  } choices[] = {{"A", "{\"do\":\"choose\",\"slot\":\"A\"}"},
                 {"B", "{\"do\":\"choose\",\"slot\":\"B\"}"},
                 {"rescue", "{\"do\":\"rescue\"}"}};
  struct base_json *body;
  const char *next, *line = NULL;
  enum base_result result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  result = console_json_body_text(body, "next", &next, fault);
  for (size_t i = 0; i < sizeof choices / sizeof *choices && next; i++) {
    if (strcmp(next, choices[i].next) == 0) line = choices[i].line;
  }
  base_json_destroy(&body);
  if (result != BASE_OK) return result;
  if (!line) return BASE_FAIL(fault, BASE_BAD_INPUT, "next", "next is \"A\", \"B\" or \"rescue\"");
  return change(exchange, line, "the next boot was chosen", reply, fault);
}

static enum base_result check_no_body(struct console_exchange *exchange, struct base_fault *fault) {
  struct base_json *body;
  const enum base_result result = console_json_body_read(exchange, MAX_BODY_BYTES, NULL, 0, &body, fault);
  if (result == BASE_OK) base_json_destroy(&body);
  return result;
}

enum base_result console_system_reboot(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  const enum base_result result = check_no_body(exchange, fault);
  return result == BASE_OK ? change(exchange, "{\"do\":\"reboot\"}", "restart", reply, fault) : result;
}

enum base_result console_system_poweroff(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) {
  const enum base_result result = check_no_body(exchange, fault);
  return result == BASE_OK ? change(exchange, "{\"do\":\"poweroff\"}", "power off", reply, fault) : result;
}

enum base_result console_system_rescue(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  const enum base_result result = check_no_body(exchange, fault);
  if (result != BASE_OK) return result;
  return change(exchange, "{\"do\":\"rescue\"}", "the next boot is the rescue system's", reply, fault);
}

// --- factory reset ---

static bool is_board(const struct base_buffer *status, const char *text) {
  struct base_json *tree;
  if (base_json_parse(base_buffer_span(status), &tree, NULL) != BASE_OK) return false;
  const char *board = base_json_as_string(base_json_get(base_json_root(tree), "board"));
  const bool is_same = board && strcmp(board, text) == 0;
  base_json_destroy(&tree);
  return is_same;
}

// The name of the box, typed: nobody empties the wrong one by a slip.
static enum base_result check_confirmation(const struct console_exchange *exchange, const char *confirm,
                                           struct base_fault *fault) {
  char host[CONSOLE_HOST_BYTES];
  struct base_buffer status;
  console_host_name(host);
  base_buffer_init(&status, UPDATE_AGENT_MAX_LINE * 2);
  const enum base_result result =
      console_system_ask(exchange, "{\"do\":\"status\"}", CONSOLE_SYSTEM_STATUS_MS, &status, fault);
  const bool is_right =
      confirm && confirm[0] && (strcmp(confirm, host) == 0 || (result == BASE_OK && is_board(&status, confirm)));
  base_buffer_finish(&status);
  if (result != BASE_OK || is_right) return result;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "confirm",
                   "a factory reset is confirmed with the box's host name or its board's name");
}

enum base_result console_system_reset(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  static const char *const members[] = {"confirm"};
  struct base_json *body;
  const char *confirm;
  enum base_result result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  result = console_json_body_text(body, "confirm", &confirm, fault);
  if (result == BASE_OK) result = check_confirmation(exchange, confirm, fault);
  base_json_destroy(&body);
  if (result != BASE_OK) return result;
  return change(exchange, "{\"do\":\"factory-reset\"}", "the next boot empties the box", reply, fault);
}

// --- network ---

enum base_result console_network_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  return ask(exchange, "{\"do\":\"network\"}", CONSOLE_SYSTEM_STATUS_MS, reply, fault);
}

enum base_result console_system_network_line(const char *text, struct base_buffer *out, struct base_fault *fault) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "do", "network");
  base_json_string(&json, "text", text);
  base_json_object_end(&json);
  enum base_result result = json.result;
  if (result == BASE_OK) result = base_buffer_append(out, "", 1);
  if (result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, result, "text", "the network's settings are longer than the system program takes");
}

enum base_result console_network_set(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  static const char *const members[] = {"text"};
  struct base_json *body;
  const char *text;
  struct base_buffer line;
  enum base_result result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  base_buffer_init(&line, UPDATE_AGENT_MAX_LINE);
  result = console_json_body_text(body, "text", &text, fault);
  if (result == BASE_OK && !text) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "text", "text is the network's settings, a line each");
  }
  if (result == BASE_OK) result = console_system_network_line(text, &line, fault);
  if (result == BASE_OK) result = change(exchange, (const char *)line.data, "network settings", reply, fault);
  base_buffer_finish(&line);
  base_json_destroy(&body);
  return result;
}
