#include "appliance.h"

#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "update/agent.h"

enum { ANSWER_TIMEOUT_MS = 30000, MAX_ANSWER_BYTES = 64 << 10 };

static const struct order {
  const char *line;         // to the system program
  const char *path, *json;  // of the API
} orders[] = {
    [APPLIANCE_CHOOSE_A] = {"{\"do\":\"choose\",\"slot\":\"A\"}", "/api/v1/system/slots", "{\"next\":\"A\"}"},
    [APPLIANCE_CHOOSE_B] = {"{\"do\":\"choose\",\"slot\":\"B\"}", "/api/v1/system/slots", "{\"next\":\"B\"}"},
    [APPLIANCE_RESCUE] = {"{\"do\":\"rescue\"}", "/api/v1/system/slots", "{\"next\":\"rescue\"}"},
    [APPLIANCE_REBOOT] = {"{\"do\":\"reboot\"}", "/api/v1/system/reboot", NULL},
};

static void forget(struct appliance *appliance) {
  base_json_destroy(&appliance->json);
  client_response_finish(&appliance->response);
  appliance->response = (struct client_response){0};
  appliance->text.bytes = 0;
}

// One request to the system program, up to its last line.
static enum base_result call(struct appliance *appliance, const char *line, struct base_fault *fault) {
  struct update_call *call = NULL;
  bool is_last = false;
  forget(appliance);
  enum base_result result = update_call_begin(appliance->socket, line, &call, fault);
  while (result == BASE_OK && !is_last) {
    base_json_destroy(&appliance->json);
    result = update_call_read(call, ANSWER_TIMEOUT_MS, &appliance->json, &is_last, fault);
  }
  if (result == BASE_OK) {
    const struct base_span text = update_call_line(call);
    result = base_buffer_append(&appliance->text, text.data, text.bytes);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "", "memory is short");
  }
  update_call_destroy(&call);
  return result;
}

static enum base_result send_request(struct appliance *appliance, const char *method, const char *path,
                                     const char *json, struct base_fault *fault) {
  const struct client_request request = {.method = method,
                                         .path = path,
                                         .bearer = appliance->remote.token,
                                         .content_type = json != NULL ? "application/json" : NULL,
                                         .body = base_span_text(json),
                                         .body_fd = -1,
                                         .is_once = json != NULL};
  forget(appliance);
  const enum base_result result = client_send(appliance->remote.client, &request, &appliance->response, fault);
  if (result != BASE_OK) return result;
  if (appliance->response.status / 100 == 2) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, "status", "the server answered with status %d", appliance->response.status);
}

static bool somebody_answers(struct appliance *appliance, const char *socket) {
  struct base_fault fault = {0};
  appliance->socket = socket;
  if (call(appliance, "{\"do\":\"status\"}", &fault) != BASE_NOT_FOUND && fault.result != BASE_FORBIDDEN) return true;
  appliance->socket = NULL;
  return false;
}

int appliance_open(const struct options *options, struct appliance *out) {
  struct base_fault fault = {0};
  *out = (struct appliance){.options = options, .socket = options->socket};
  base_buffer_init(&out->text, MAX_ANSWER_BYTES);
  if (out->socket != NULL) return EXIT_FINE;
  if (!options->is_console_named && somebody_answers(out, UPDATE_AGENT_SOCKET)) return EXIT_FINE;
  return remote_open_console(options, &out->remote, &fault) == BASE_OK ? EXIT_FINE : complain_fault(NULL, &fault);
}

void appliance_close(struct appliance *appliance) {
  forget(appliance);
  base_buffer_finish(&appliance->text);
  remote_close(&appliance->remote);
}

enum base_result appliance_ask(struct appliance *appliance, struct base_fault *fault) {
  if (appliance->socket != NULL) return call(appliance, "{\"do\":\"status\"}", fault);
  enum base_result result = send_request(appliance, "GET", "/api/v1/system", NULL, fault);
  if (result != BASE_OK) return result;
  const struct base_span body = base_buffer_span(&appliance->response.body);
  result = base_json_parse(body, &appliance->json, fault);
  if (result == BASE_OK && base_buffer_append(&appliance->text, body.data, body.bytes) != BASE_OK)
    result = BASE_FAIL(fault, BASE_TOO_LARGE, "", "the server's answer is too long");
  return result;
}

static void copy_text(const struct base_json_value *object, const char *key, char out[APPLIANCE_MAX_NAME]) {
  const char *text = base_json_as_string(base_json_get(object, key));
  snprintf(out, APPLIANCE_MAX_NAME, "%s", text != NULL ? text : "");
}

void appliance_get_state(const struct appliance *appliance, struct appliance_state *out) {
  const struct base_json_value *root = base_json_root(appliance->json);
  copy_text(root, "running", out->running);
  copy_text(root, "version", out->version);
  copy_text(root, "next", out->next);
  copy_text(root, "boot", out->boot);
  copy_text(root, "health", out->health);
}

const char *appliance_slot_text(const struct appliance *appliance, const char *slot, const char *key) {
  const struct base_json_value *slots = base_json_get(base_json_root(appliance->json), "slots");
  for (size_t i = 0; i < base_json_length(slots); i++) {
    const struct base_json_value *one = base_json_at(slots, i);
    if (strcmp(remote_text_of(one, "name"), slot) != 0) continue;
    const char *text = remote_text_of(one, key);
    return text[0] != '\0' ? text : "-";
  }
  return "-";
}

int appliance_tell(struct appliance *appliance, enum appliance_order order) {
  struct base_fault fault = {0};
  const struct order *what = &orders[order];
  const enum base_result result = appliance->socket != NULL
                                      ? call(appliance, what->line, &fault)
                                      : send_request(appliance, "POST", what->path, what->json, &fault);
  return result == BASE_OK ? EXIT_FINE : appliance_complain(appliance, NULL, &fault);
}

int appliance_complain(const struct appliance *appliance, const char *about, const struct base_fault *fault) {
  if (appliance->response.status != 0 && appliance->response.status / 100 != 2)
    return complain_response(about, &appliance->response);
  return complain_fault(about, fault), EXIT_FAILED;
}
