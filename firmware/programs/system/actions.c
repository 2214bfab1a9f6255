#include "actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data.h"
#include "installing.h"
#include "reply.h"
#include "run.h"

enum { LAST_LINE_PATIENCE_MS = 5000, NETWORK_TIMEOUT_MS = 60000, WAIT_MS = 20, MAX_WORKERS = 8 };

static const char network_name[] = "network.conf";

struct action {
  struct system *system;
  int fd;
  struct request request;
  size_t body_bytes;
  uint8_t body[UPDATE_AGENT_MAX_LINE];
};

static enum base_result choose(struct system *system, const struct request *request, struct base_fault *fault) {
  const enum base_result result = slots_choose(&system->loader, request->slot, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&system->lock);
  system->has_choice = !system->has_passed;
  system->choice = request->slot;
  pthread_mutex_unlock(&system->lock);
  return BASE_OK;
}

static enum base_result run_network(const struct system *system, const char *word, const char *path,
                                    struct base_fault *fault) {
  const char *const words[] = {system->arguments->network_program, word, path, NULL};
  const struct run run = {.words = words, .timeout_ms = NETWORK_TIMEOUT_MS};
  return run_program(&run, NULL, fault);
}

static enum base_result set_network(struct system *system, const struct request *request, struct base_fault *fault) {
  char path[PATH_MAX];
  const char *folder = system->arguments->data;
  enum base_result result = data_draft(folder, request->text, path, fault);
  if (result != BASE_OK) return result;
  result = run_network(system, "check", path, fault);
  if (result == BASE_OK) result = data_keep_draft(folder, path, network_name, fault);
  if (result != BASE_OK) unlink(path);
  return result;
}

void actions_send_network(struct system *system, int fd) {
  char text[UPDATE_AGENT_MAX_LINE];
  struct base_fault fault = {0};
  struct reply reply;
  const enum base_result result = data_read(system->arguments->data, network_name, text, sizeof(text), &fault);
  reply_begin(&reply);
  if (result == BASE_OK) base_json_string(&reply.json, "text", text);
  reply_end_last(&reply, result, &fault);
  (void)reply_send(&reply, fd, 0);
  reply_finish(&reply);
}

static enum base_result act(struct action *action, struct reply *reply, struct base_fault *fault) {
  struct system *system = action->system;
  const struct request *request = &action->request;
  switch (request->what) {
    case REQUEST_INSTALL:
      return installing_run(system, action->fd, request->allows_older, base_span_of(action->body, action->body_bytes),
                            reply, fault);
    case REQUEST_CHOOSE:
      return choose(system, request, fault);
    case REQUEST_RESCUE:
      return slots_ask_rescue(&system->loader, true, fault);
    case REQUEST_FACTORY_RESET:
      return data_flag(system->arguments->data, "factory-reset", fault);
    case REQUEST_NETWORK:
      return set_network(system, request, fault);
    case REQUEST_REBOOT:
    case REQUEST_POWEROFF:
      system_prepare_to_go_down(system, request->what == REQUEST_REBOOT);
      return BASE_OK;
    case REQUEST_STATUS:
    case REQUEST_COUNT:
      break;
  }
  return BASE_FAIL(fault, BASE_INTERNAL, "", "%d is no action", request->what);
}

// What would keep the client from hearing that all went well, were it done before the answer.
static void act_after_reply(const struct action *action) {
  struct system *system = action->system;
  struct base_fault fault = {0};
  if (action->request.what == REQUEST_REBOOT) system_go_down(system, true);
  if (action->request.what == REQUEST_POWEROFF) system_go_down(system, false);
  if (action->request.what != REQUEST_NETWORK) return;
  char path[PATH_MAX];
  snprintf(path, sizeof(path), "%.4000s/%s", system->arguments->data, network_name);
  if (run_network(system, "apply", path, &fault) != BASE_OK)
    base_log_fault(system->log, BASE_LOG_ERROR, "network", NULL, &fault);
}

static void *run_action(void *self) {
  struct action *action = self;
  struct system *system = action->system;
  const bool is_network = action->request.what == REQUEST_NETWORK;
  struct base_fault fault = {0};
  struct reply reply;
  reply_begin(&reply);
  const enum base_result result = act(action, &reply, &fault);
  reply_end_last(&reply, result, &fault);
  const char *name = request_name(action->request.what);
  if (result == BASE_OK)
    base_log_write(system->log, BASE_LOG_INFO, "agent", NULL, "%s: done", name);
  else
    base_log_write(system->log, BASE_LOG_WARN, "agent", NULL, "%s: %s", name, fault.text);
  // Over before the client hears of it: its next request is not to find this one.
  if (!is_network) system_end_change(system);
  (void)reply_send(&reply, action->fd, LAST_LINE_PATIENCE_MS);
  reply_finish(&reply);
  if (result != BASE_OK && action->request.what == REQUEST_INSTALL) installing_linger(system, action->fd);
  base_fd_close(&action->fd);
  if (result == BASE_OK) act_after_reply(action);
  if (is_network) system_end_change(system);
  free(action);
  pthread_mutex_lock(&system->lock);
  system->workers--;
  pthread_mutex_unlock(&system->lock);
  return NULL;
}

static enum base_result start(struct action *action, struct base_fault *fault) {
  struct system *system = action->system;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_mutex_lock(&system->lock);
  const bool is_full = system->workers == MAX_WORKERS;
  if (!is_full) system->workers++;
  pthread_mutex_unlock(&system->lock);
  if (is_full) return BASE_FAIL(fault, BASE_BUSY, "", "too much is being done");
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  const int error = pthread_create(&thread, &attributes, run_action, action);
  pthread_attr_destroy(&attributes);
  if (error == 0) return BASE_OK;
  pthread_mutex_lock(&system->lock);
  system->workers--;
  pthread_mutex_unlock(&system->lock);
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for it");
}

enum base_result actions_begin(struct system *system, int fd, const struct request *request, struct base_span body,
                               struct base_fault *fault) {
  enum base_result result = system_begin_change(system, fault);
  if (result != BASE_OK) return result;
  struct action *action = calloc(1, sizeof(*action));
  if (action == NULL) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for it");
  } else {
    action->system = system;
    action->fd = fd;
    action->request = *request;
    action->body_bytes = body.bytes;
    BASE_ASSERT(body.bytes <= sizeof(action->body));
    if (body.bytes > 0) memcpy(action->body, body.data, body.bytes);
    result = start(action, fault);
  }
  if (result == BASE_OK) return BASE_OK;
  free(action);
  system_end_change(system);
  return result;
}

void actions_wait(struct system *system) {
  for (;;) {
    pthread_mutex_lock(&system->lock);
    const unsigned workers = system->workers;
    pthread_mutex_unlock(&system->lock);
    if (workers == 0) return;
    usleep(WAIT_MS * 1000);
  }
}
