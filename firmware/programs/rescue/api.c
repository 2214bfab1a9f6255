#include "api.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "http/problem.h"
#include "http/query.h"
#include "page.h"
#include "report.h"
#include "reset.h"

enum { MAX_JSON_BYTES = 16 * 1024 };

static const char slots_path[] = "/api/v1/slots/";

static void reply_text(struct http_reply *reply, int status, const char *media_type, struct base_span content) {
  http_reply_init(reply, status);
  http_reply_header(reply, "Content-Type", "%s", media_type);
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  http_reply_header(reply, "X-Frame-Options", "DENY");
  http_reply_header(reply, "Referrer-Policy", "no-referrer");
  http_reply_header(reply, "Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
                    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'");
  http_reply_add_text(reply, content);
}

// The value of the one option that a request may have; empty when it is absent. BASE_BAD_INPUT for others.
static enum base_result read_option(const struct http_request *request, const char *name, char *out, size_t capacity,
                                    struct base_fault *fault) {
  struct http_query query;
  out[0] = '\0';
  enum base_result result = http_query_parse(request->query, &query, fault);
  if (result != BASE_OK) return result;
  if (query.count > 1 || (query.count == 1 && !base_span_is(query.pairs[0].name, name)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "only the option %s is understood here", name);
  if (query.count == 1 && !base_span_copy(query.pairs[0].value, out, capacity))
    return BASE_FAIL(fault, BASE_BAD_INPUT, name, "the value is too long");
  return BASE_OK;
}

static enum base_result refuse_while_busy(struct api *api, struct base_fault *fault) {
  return install_is_busy(api->install)
             ? BASE_FAIL(fault, BASE_LOCKED, "install", "an update is being installed: wait until it is done")
             : BASE_OK;
}

bool api_is_upload(const struct http_request *request) {
  return request->method == HTTP_PUT && base_span_starts_with(request->path, slots_path);
}

enum base_result api_begin_upload(struct api *api, const struct http_request *request, struct base_fault *fault) {
  char name[2], older[2];
  enum slots_id slot;
  enum base_result result = access_check(&api->access, request, fault);
  if (result != BASE_OK) return result;
  const struct base_span tail = base_span_slice(request->path, sizeof slots_path - 1, request->path.bytes);
  if (!base_span_copy(tail, name, sizeof name) || !slots_parse_name(name, &slot))
    return BASE_FAIL(fault, BASE_NOT_FOUND, "slot", "the slots are A and B");
  result = read_option(request, "older", older, sizeof older, fault);
  if (result != BASE_OK) return result;
  if (older[0] != '\0' && strcmp(older, "1") != 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "older", "older is 1");
  if (!request->has_content_length || request->content_length == 0)
    return BASE_FAIL(fault, BASE_LENGTH_REQUIRED, "Content-Length", "say how long the bundle is");
  api->used_ms = base_clock_ms(api->clock);
  return install_begin(api->install, slot, older[0] != '\0', fault);
}

void api_upload_reply(struct api *api, struct http_reply *reply) {
  struct base_fault fault = {0};
  struct base_buffer text;
  struct base_json_writer json;
  api->used_ms = base_clock_ms(api->clock);
  if (install_result(api->install, &fault) != BASE_OK) {
    http_problem_reply(reply, &fault, NULL);
    return;
  }
  base_buffer_init(&text, MAX_JSON_BYTES);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  install_write(api->install, &json);
  base_json_object_end(&json);
  reply_text(reply, 200, "application/json", base_buffer_span(&text));
  base_buffer_finish(&text);
}

enum base_result api_write_status(struct api *api, struct base_buffer *out) {
  const uint64_t now_ms = base_clock_ms(api->clock);
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "system", "rescue");
  base_json_string(&json, "version", PIXPOP_VERSION);
  base_json_string(&json, "board", api->arguments->board);
  base_json_string(&json, "host_name", api->arguments->host_name);
  base_json_integer(&json, "up_s", (int64_t)((now_ms - api->started_ms) / 1000));
  base_json_bool(&json, "is_rearmed", api->rearmed_ms != 0);
  base_json_bool(&json, "is_reset_done", api->is_reset_done);
  network_write(api->network, &json);
  state_write(&api->state, api->arguments->running, &json);
  install_write(api->install, &json);
  base_json_object_end(&json);
  return json.result;
}

static enum base_result open_session(struct api *api, const struct http_request *request, struct base_span body,
                                     struct http_reply *reply, struct base_fault *fault) {
  char token[BASE_TOKEN_CHARS + 1], text[BASE_TOKEN_CHARS + 32];
  if (request->method == HTTP_DELETE) {
    access_close(&api->access, request);
    reply_text(reply, 200, "application/json", base_span_text("{}"));
    return BASE_OK;
  }
  if (request->method != HTTP_POST) return BASE_FAIL(fault, BASE_METHOD, "", "POST the code here");
  enum base_result result = access_open(&api->access, body, request->client, token, fault);
  base_log_write(api->log, result == BASE_OK ? BASE_LOG_INFO : BASE_LOG_WARN, "access", NULL, "%s",
                 result == BASE_OK ? "somebody who knows the code is here" : "a wrong code");
  if (result != BASE_OK) return result;
  api->used_ms = base_clock_ms(api->clock);
  snprintf(text, sizeof text, "{\"token\": \"%s\"}", token);
  reply_text(reply, 201, "application/json", base_span_text(text));
  return BASE_OK;
}

static enum base_result show_status(struct api *api, const struct http_request *request, struct http_reply *reply,
                                    struct base_fault *fault) {
  struct base_buffer text;
  (void)request;
  base_buffer_init(&text, MAX_JSON_BYTES);
  enum base_result result = api_write_status(api, &text);
  if (result == BASE_OK) {
    reply_text(reply, 200, "application/json", base_buffer_span(&text));
  } else {
    result = BASE_FAIL(fault, result, "", "the status can not be written");
  }
  base_buffer_finish(&text);
  return result;
}

static enum base_result show_log(struct api *api, const struct http_request *request, struct http_reply *reply,
                                 struct base_fault *fault) {
  struct base_buffer text;
  (void)request;
  base_buffer_init(&text, REPORT_LOG_BYTES);
  enum base_result result = report_write_log(api, &text);
  if (result == BASE_OK) {
    reply_text(reply, 200, "text/plain; charset=utf-8", base_buffer_span(&text));
  } else {
    result = BASE_FAIL(fault, result, "", "the log can not be read");
  }
  base_buffer_finish(&text);
  return result;
}

static enum base_result show_support(struct api *api, const struct http_request *request, struct http_reply *reply,
                                     struct base_fault *fault) {
  struct base_buffer archive;
  (void)request;
  base_buffer_init(&archive, REPORT_BYTES);
  enum base_result result = report_write_archive(api, &archive, fault);
  if (result == BASE_OK) {
    reply_text(reply, 200, "application/x-tar", base_buffer_span(&archive));
    http_reply_header(reply, "Content-Disposition", "attachment; filename=\"%s-rescue.tar\"",
                      api->arguments->host_name);
  }
  base_buffer_finish(&archive);
  return result;
}

static enum base_result choose(struct api *api, const struct http_request *request, struct http_reply *reply,
                               struct base_fault *fault) {
  char name[2];
  enum slots_id slot;
  enum base_result result = read_option(request, "slot", name, sizeof name, fault);
  if (result == BASE_OK && !slots_parse_name(name, &slot))
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "slot", "slot is A or B");
  if (result == BASE_OK) result = refuse_while_busy(api, fault);
  if (result == BASE_OK) result = state_hold(&api->state, fault);
  if (result != BASE_OK) return result;
  result = state_check_running(&api->state, api->arguments->running, fault);
  if (result == BASE_OK) result = slots_choose(&api->state.loader, slot, fault);
  state_release(&api->state);
  if (result != BASE_OK) return result;
  base_log_write(api->log, BASE_LOG_INFO, "slots", NULL, "slot %s is to boot next", slots_name(slot));
  return show_status(api, request, reply, fault);
}

static enum base_result factory_reset(struct api *api, const struct http_request *request, struct http_reply *reply,
                                      struct base_fault *fault) {
  char confirm[2 * API_CONFIRM_BYTES + 1], text[2 * API_CONFIRM_BYTES + 32];
  uint8_t random[API_CONFIRM_BYTES];
  const uint64_t now_ms = base_clock_ms(api->clock);
  enum base_result result = read_option(request, "confirm", confirm, sizeof confirm, fault);
  if (result == BASE_OK) result = refuse_while_busy(api, fault);
  if (result != BASE_OK) return result;
  if (confirm[0] == '\0') {
    base_random_bytes(random, sizeof random);
    base_hex_encode(base_span_of(random, sizeof random), api->confirm, sizeof api->confirm);
    api->confirm_ms = now_ms;
    snprintf(text, sizeof text, "{\"confirm\": \"%s\"}", api->confirm);
    reply_text(reply, 200, "application/json", base_span_text(text));
    return BASE_OK;
  }
  const bool is_right = api->confirm[0] != '\0' && now_ms - api->confirm_ms <= API_CONFIRM_S * 1000 &&
                        base_span_equal_constant_time(base_span_text(confirm), base_span_text(api->confirm));
  api->confirm[0] = '\0';
  if (!is_right) return BASE_FAIL(fault, BASE_CONFLICT, "confirm", "ask again: the confirmation is not valid any more");
  result = reset_ask(api, fault);
  if (result != BASE_OK) return result;
  api->is_reset_done = true;
  base_log_write(api->log, BASE_LOG_WARN, "reset", NULL, "factory reset: the data partition will be empty");
  return show_status(api, request, reply, fault);
}

static enum base_result forget_network(struct api *api, const struct http_request *request, struct http_reply *reply,
                                       struct base_fault *fault) {
  const enum base_result result = reset_forget_network(api, fault);
  if (result != BASE_OK) return result;
  base_log_write(api->log, BASE_LOG_WARN, "reset", NULL, "the network settings are forgotten");
  return show_status(api, request, reply, fault);
}

static enum base_result reboot(struct api *api, const struct http_request *request, struct http_reply *reply,
                               struct base_fault *fault) {
  (void)request;
  enum base_result result = refuse_while_busy(api, fault);
  if (result != BASE_OK) return result;
  api->wants_reboot = true;
  base_log_write(api->log, BASE_LOG_INFO, "api", NULL, "a restart is asked for");
  reply_text(reply, 202, "application/json", base_span_text("{}"));
  return BASE_OK;
}

static enum base_result answer_with_session(struct api *api, const struct http_request *request,
                                            struct http_reply *reply, struct base_fault *fault) {
  static const struct {
    const char *path;
    enum http_method method;
    enum base_result (*answer)(struct api *api, const struct http_request *request, struct http_reply *reply,
                               struct base_fault *fault);
  } routes[] = {
      {"/api/v1/status", HTTP_GET, show_status},
      {"/api/v1/log", HTTP_GET, show_log},
      {"/api/v1/support", HTTP_GET, show_support},
      {"/api/v1/choose", HTTP_POST, choose},
      {"/api/v1/factory-reset", HTTP_POST, factory_reset},
      {"/api/v1/reboot", HTTP_POST, reboot},
      {"/api/v1/network/forget", HTTP_POST, forget_network},
  };
  enum base_result result = access_check(&api->access, request, fault);
  if (result != BASE_OK) return result;
  api->used_ms = base_clock_ms(api->clock);
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (!base_span_is(request->path, routes[i].path)) continue;
    if (request->method != routes[i].method) return BASE_FAIL(fault, BASE_METHOD, "", "another method is wanted here");
    return routes[i].answer(api, request, reply, fault);
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "", "there is nothing under this path");
}

void api_answer(struct api *api, const struct http_request *request, struct base_span body, struct http_reply *reply) {
  struct base_fault fault = {0};
  enum base_result result;
  const struct page_file *file = page_find(request->path);
  const bool is_reading = request->method == HTTP_GET || request->method == HTTP_HEAD;
  if (file != NULL && is_reading) {
    reply_text(reply, 200, file->media_type, file->content);
    return;
  }
  if (base_span_is(request->path, "/healthz") && is_reading) {
    reply_text(reply, 200, "text/plain; charset=utf-8", base_span_text("rescue\n"));
    return;
  }
  if (base_span_is(request->path, "/api/v1/session")) {
    result = open_session(api, request, body, reply, &fault);
  } else if (base_span_starts_with(request->path, "/api/")) {
    result = answer_with_session(api, request, reply, &fault);
  } else {
    result = BASE_FAIL(&fault, file ? BASE_METHOD : BASE_NOT_FOUND, "", "there is nothing under this path");
  }
  if (result != BASE_OK) http_problem_reply(reply, &fault, NULL);
}

// Nobody asked for this system, and nobody came: what could not start may do so now, after an odd day.
static void leave(struct api *api) {
  struct slots_state slots;
  enum slots_id next;
  if (!api->arguments->is_after_failure || api->state.loader.load(&api->state, &slots, NULL) != BASE_OK) return;
  if (!slots_next(&slots, &next)) return;
  api->wants_reboot = true;
  base_log_write(api->log, BASE_LOG_WARN, "slots", NULL, "slot %s is tried again: restart", slots_name(next));
}

void api_look(struct api *api) {
  struct base_fault fault = {0};
  const uint64_t now_ms = base_clock_ms(api->clock);
  const uint64_t wait_ms = api->arguments->rearm_s * 1000;
  // Beside a system that runs the tries are that system's affair.
  if (api->arguments->running != NULL) return;
  if (install_is_busy(api->install)) api->used_ms = now_ms;
  if (api->rearmed_ms > api->used_ms || now_ms - api->used_ms < wait_ms) return;
  api->rearmed_ms = now_ms;
  enum base_result result = state_hold(&api->state, &fault);
  if (result == BASE_OK) {
    result = slots_rearm(&api->state.loader, &fault);
    state_release(&api->state);
  }
  if (result == BASE_OK) {
    base_log_write(api->log, BASE_LOG_INFO, "slots", NULL, "nobody came for %llu s: the slots may be tried again",
                   (unsigned long long)api->arguments->rearm_s);
    leave(api);
  } else {
    api->rearmed_ms = 0;
    api->used_ms = now_ms;  // once more after the same time
    base_log_fault(api->log, BASE_LOG_ERROR, "slots", NULL, &fault);
  }
}
