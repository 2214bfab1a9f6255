#include "state.h"

#include <fcntl.h>
#include <string.h>

static enum base_result load_locked(void *self, struct slots_state *out, struct base_fault *fault) {
  struct state *state = self;
  pthread_mutex_lock(&state->lock);
  enum base_result result = state->disk.load(state->disk.self, out, fault);
  pthread_mutex_unlock(&state->lock);
  return result;
}

static enum base_result store_locked(void *self, const struct slots_state *slots, struct base_fault *fault) {
  struct state *state = self;
  pthread_mutex_lock(&state->lock);
  enum base_result result = state->disk.store(state->disk.self, slots, fault);
  pthread_mutex_unlock(&state->lock);
  return result;
}

enum base_result state_open(struct state *state, const char *bootenv, struct base_log *log, struct base_fault *fault) {
  struct slots_state slots;
  struct base_fault why = {0};
  state->grub.fd = open(bootenv, O_RDWR | O_CLOEXEC);
  if (state->grub.fd < 0) return BASE_FAIL_ERRNO(fault, bootenv, "the state of the slots can not be opened");
  pthread_mutex_init(&state->lock, NULL);
  state->disk = slots_grub_loader(&state->grub);
  state->loader = (struct slots_loader){.load = load_locked, .store = store_locked, .self = state};
  if (state->loader.load(state, &slots, &why) != BASE_CORRUPT) return BASE_OK;
  base_log_fault(log, BASE_LOG_WARN, "slots", NULL, &why);
  slots_reset(&slots, SLOTS_UNTRIED);
  enum base_result result = state->loader.store(state, &slots, fault);
  if (result == BASE_OK)
    base_log_write(log, BASE_LOG_WARN, "slots", NULL, "no copy of the state could be read: both slots may be tried");
  return result;
}

void state_write(struct state *state, const char *running, struct base_json_writer *json) {
  struct slots_state slots;
  struct base_fault fault = {0};
  enum slots_id next;
  base_json_array(json, "slots");
  const bool is_read = state->loader.load(state, &slots, &fault) == BASE_OK;
  for (int i = 0; i < SLOTS_COUNT && is_read; i++) {
    const struct slots_slot *slot = &slots.slots[i];
    base_json_object(json, NULL);
    base_json_string(json, "name", slots_name((enum slots_id)i));
    base_json_string(json, "mark", slots_mark_name(slot->mark));
    base_json_integer(json, "tries", slot->tries);
    base_json_string(json, "version", slot->version);
    base_json_bool(json, "is_running", running != NULL && strcmp(running, slots_name((enum slots_id)i)) == 0);
    base_json_object_end(json);
  }
  base_json_array_end(json);
  if (!is_read) {
    base_json_string(json, "slots_fault", fault.text);
    return;
  }
  base_json_string(json, "next", slots_next(&slots, &next) ? slots_name(next) : "rescue");
  base_json_string(json, "floor", slots.floor);
}
