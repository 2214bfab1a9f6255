// POST /api/v1/restore takes a backup (backup.h) and answers, when all of it has been dealt with, with what came of it.
// GET tells the same of the latest one, also while it is under way.
//
// Every original goes through the same checks as an upload, and keeps its time, name, tags and tenant. Nothing that is
// here is changed: the same backup again adds nothing. What had come whole stays when the rest does not come.
//
// ?settings=keep leaves the settings as they are; ?network=replace puts an appliance's network settings back too, which
// its system program checks.
#include <stdlib.h>

#include "api.h"
#include "http/problem.h"
#include "restore.h"
#include "system.h"

enum { MAX_REPORT_JSON = 512 * 1024 };

static const char *const settings_names[] = {
    [RESTORE_SETTINGS_NONE] = "none",
    [RESTORE_SETTINGS_REPLACED] = "replaced",
    [RESTORE_SETTINGS_KEPT] = "kept",
};

static void write_refusals(struct base_json_writer *json, const struct console_restore_report *report) {
  base_json_array(json, "refusals");
  for (size_t i = 0; i < report->refusal_count; i++) {
    const struct console_restore_refusal *refusal = &report->refusals[i];
    base_json_object(json, NULL);
    base_json_string(json, "id", refusal->id);
    base_json_string(json, "tenant", refusal->tenant);
    base_json_string(json, "name", refusal->name);
    base_json_string(json, "reason", refusal->reason);
    base_json_object_end(json);
  }
  base_json_array_end(json);
}

static void write_report(struct base_json_writer *json, const struct console_restore_report *report) {
  base_json_object(json, NULL);
  base_json_bool(json, "is_running", report->is_running);
  base_json_bool(json, "is_whole", report->is_whole);
  base_json_string(json, "failure", report->failure.result == BASE_OK ? NULL : report->failure.text);
  base_json_integer(json, "started_s", report->started_s);
  if (!report->is_running) base_json_integer(json, "ended_s", report->ended_s);
  base_json_integer(json, "bytes", (int64_t)report->bytes);
  base_json_integer(json, "new", (int64_t)report->added);
  base_json_integer(json, "present", (int64_t)report->present);
  base_json_integer(json, "refused", (int64_t)report->refused);
  write_refusals(json, report);
  base_json_integer(json, "prewarm_lists", (int64_t)report->prewarm_lists);
  base_json_integer(json, "unknown_files", (int64_t)report->unknown_files);
  base_json_string(json, "settings", settings_names[report->settings]);
  base_json_string(json, "settings_text", report->settings_text);
  base_json_string(json, "network", settings_names[report->network]);
  base_json_string(json, "network_text", report->network_text);
  base_json_array(json, "unknown_tenants");
  for (size_t i = 0; i < report->stranger_count; i++) base_json_string(json, NULL, report->strangers[i]);
  base_json_array_end(json);
  base_json_object_end(json);
}

static enum base_result write_latest(const struct console *console, struct base_buffer *out, struct base_fault *fault) {
  struct console_restore_report *report = malloc(sizeof *report);
  struct base_json_writer json = {.result = BASE_OK};
  if (!report) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a report");
  enum base_result result = BASE_OK;
  if (console_restores_get(console->restores, report)) {
    base_json_begin(&json, out);
    write_report(&json, report);
    result = json.result;
  } else {
    result = BASE_FAIL(fault, BASE_NOT_FOUND, "restore", "nothing has been restored since the box was started");
  }
  free(report);
  return result;
}

enum base_result console_restore_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct base_buffer text;
  base_buffer_init(&text, MAX_REPORT_JSON);
  enum base_result result = write_latest(exchange->console, &text, fault);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, result, fault);
  base_buffer_finish(&text);
  return result;
}

// Last of all: the box may get another address by it, and then nobody hears the answer.
static void set_network(const struct console_exchange *exchange, const char *text) {
  struct update_call *call = NULL;
  struct base_buffer line;
  struct base_fault why = {0};
  base_buffer_init(&line, UPDATE_AGENT_MAX_LINE);
  enum base_result result = console_system_network_line(text, &line, &why);
  if (result == BASE_OK) result = console_system_call(exchange, (const char *)line.data, &call, &why);
  if (result == BASE_OK) result = console_system_hear(exchange, call, CONSOLE_SYSTEM_CHANGE_MS, true, NULL, &why);
  update_call_destroy(&call);
  base_buffer_finish(&line);
  if (result == BASE_OK) {
    base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                   "the network's settings were replaced by those of a backup, by %s", exchange->client);
    console_restore_note_network(exchange->console, RESTORE_SETTINGS_REPLACED, "they count from now on");
    return;
  }
  base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, &why);
  console_restore_note_network(exchange->console, RESTORE_SETTINGS_KEPT, why.text);
}

enum base_result console_restore_run(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  struct base_fault failure = {0};
  struct base_buffer text;
  base_buffer_init(&text, MAX_REPORT_JSON);
  const enum base_result restored = console_restore_finish(exchange->intake, &failure);
  const char *network = console_restore_network(exchange->intake);
  if (restored == BASE_OK && network) set_network(exchange, network);
  enum base_result result = write_latest(exchange->console, &text, fault);
  if (result == BASE_OK && restored == BASE_OK) {
    result = console_reply_json(reply, 200, &text, result, fault);
  } else if (result == BASE_OK) {
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, &failure);
    http_problem_reply(reply, &failure, exchange->request.id);
    console_problem_add(reply, "restore", base_buffer_span(&text));  // what came of it until then
  }
  base_buffer_finish(&text);
  return result;
}
