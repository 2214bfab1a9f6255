#include "status.h"

#include "reply.h"
#include "slots/report.h"

static void write_slots(struct base_json_writer *json, const struct system *system, const struct slots_state *state) {
  enum slots_id next = system->running;
  const bool has_next = slots_next(state, &next);
  slots_write_choice(state, json);
  base_json_array(json, "slots");
  for (enum slots_id id = SLOTS_A; id < SLOTS_COUNT; id++) {
    base_json_object(json, NULL);
    slots_write_slot(state, id, json);
    base_json_object_end(json);
  }
  base_json_array_end(json);
  base_json_bool(json, "is_reboot_needed", !has_next || next != system->running);
}

static void write_update(struct base_json_writer *json, const struct system *system) {
  const struct update_progress *progress = &system->progress;
  base_json_string(json, "phase", system->has_update ? update_phase_name(progress->phase) : "idle");
  base_json_string(json, "installing", progress->manifest.version);
  base_json_integer(json, "done", (int64_t)progress->done);
  base_json_integer(json, "total", (int64_t)progress->total);
  base_json_string(json, "failure", system->failure);
}

void status_send(struct system *system, int fd) {
  struct slots_state state;
  struct base_fault fault = {0};
  struct reply reply;
  const enum base_result result = system->loader.load(system, &state, &fault);
  reply_begin(&reply);
  base_json_string(&reply.json, "board", system->board.name);
  base_json_string(&reply.json, "version", system->board.version);
  base_json_string(&reply.json, "boot", system->boot);
  base_json_string(&reply.json, "running", slots_name(system->running));
  if (result == BASE_OK) write_slots(&reply.json, system, &state);
  pthread_mutex_lock(&system->lock);
  base_json_string(&reply.json, "health", system_health_name(system->health));
  base_json_string(&reply.json, "health_text", system->health_text);
  write_update(&reply.json, system);
  pthread_mutex_unlock(&system->lock);
  reply_end_last(&reply, result, &fault);
  (void)reply_send(&reply, fd, 0);
  reply_finish(&reply);
}
