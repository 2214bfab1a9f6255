#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "slots/board.h"
#include "slots/report.h"

enum { MAX_HINT_BYTES = 16 };

// A disk may come late, or with a cable that somebody plugs in.
static enum base_result open_disk(struct state *state, struct base_fault *fault) {
  if (state->grub.fd >= 0) return BASE_OK;
  state->grub.fd = open(state->bootenv, O_RDWR | O_CLOEXEC);
  return state->grub.fd >= 0 ? BASE_OK
                             : BASE_FAIL_ERRNO(fault, state->bootenv, "the partition with the state can not be opened");
}

static enum slots_id recall_healthy(const struct state *state) {
  char path[512], name[2];
  enum slots_id id = SLOTS_A;
  struct base_buffer text;
  if (state->data == NULL) return id;
  snprintf(path, sizeof path, "%s/system/" SLOTS_HEALTHY_FILE, state->data);
  if (base_file_read(path, MAX_HINT_BYTES, &text, NULL) == BASE_OK) {
    struct base_span rest = base_buffer_span(&text);
    if (!base_span_copy(base_span_cut(&rest, '\n'), name, sizeof name) || !slots_parse_name(name, &id)) id = SLOTS_A;
  }
  base_buffer_finish(&text);
  return id;
}

static enum base_result make_anew(struct state *state, struct slots_state *out, struct base_fault *fault) {
  enum base_result result = state_check_floor(state, fault);
  if (result != BASE_OK) return result;
  slots_reset(out, SLOTS_UNTRIED);
  memcpy(out->floor, state->floor, sizeof out->floor);
  out->first = recall_healthy(state);
  result = state->disk.store(state->disk.self, out, fault);
  base_log_write(state->log, BASE_LOG_WARN, "slots", NULL, "no copy of the state can be read%s%s",
                 result == BASE_OK ? ": both slots may be tried, first " : ", and none can be written",
                 result == BASE_OK ? slots_name(out->first) : "");
  return result;
}

static enum base_result load_locked(void *self, struct slots_state *out, struct base_fault *fault) {
  struct state *state = self;
  struct base_fault why = {0};
  pthread_mutex_lock(&state->lock);
  enum base_result result = open_disk(state, &why);
  if (result == BASE_OK) result = state->disk.load(state->disk.self, out, &why);
  if (result == BASE_CORRUPT && state->is_alone) {
    base_fault_clear(&why);
    result = make_anew(state, out, &why);
  }
  pthread_mutex_unlock(&state->lock);
  if (result != BASE_OK && fault != NULL && fault->result == BASE_OK) *fault = why;
  return result;
}

static enum base_result store_locked(void *self, const struct slots_state *slots, struct base_fault *fault) {
  struct state *state = self;
  pthread_mutex_lock(&state->lock);
  enum base_result result = open_disk(state, fault);
  if (result == BASE_OK) result = state->disk.store(state->disk.self, slots, fault);
  pthread_mutex_unlock(&state->lock);
  return result;
}

enum base_result state_hold(struct state *state, struct base_fault *fault) {
  pthread_mutex_lock(&state->lock);
  enum base_result result = open_disk(state, fault);
  pthread_mutex_unlock(&state->lock);
  if (result == BASE_OK && slots_grub_lock(&state->grub) != BASE_OK) {
    return BASE_FAIL(fault, BASE_LOCKED, "slots", "the running system is changing the slots: try again later");
  }
  return result;
}

void state_release(struct state *state) { slots_grub_unlock(&state->grub); }

enum base_result state_check_running(struct state *state, const char *running, struct base_fault *fault) {
  struct slots_state slots;
  enum slots_id id;
  if (running == NULL || !slots_parse_name(running, &id)) return BASE_OK;
  const enum base_result result = state->loader.load(state, &slots, fault);
  if (result != BASE_OK) return result;
  // The boot loader takes a try at every start, and the health check gives it back.
  if (slots.slots[id].mark == SLOTS_GOOD && slots.slots[id].tries == SLOTS_TRIES) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, "slots",
                   "slot %s, which runs, has not passed its health check yet: the other one may be the last that works",
                   running);
}

void state_version(struct state *state, const char *name, char *out) {
  struct slots_state slots;
  enum slots_id id;
  out[0] = '\0';
  if (!slots_parse_name(name, &id) || state->loader.load(state, &slots, NULL) != BASE_OK) return;
  memcpy(out, slots.slots[id].version, sizeof slots.slots[id].version);
}

// No file is no floor. One that is there and is not understood must not be taken for that.
static void read_floor(struct state *state, const char *board_file) {
  struct slots_board board;
  struct base_fault why = {0};
  const enum base_result result = slots_board_read(board_file, &board, &why);
  if (result == BASE_OK) memcpy(state->floor, board.floor, sizeof state->floor);
  if (result == BASE_OK || result == BASE_NOT_FOUND) return;
  memcpy(state->floor_fault, why.text, sizeof state->floor_fault);
  base_log_fault(state->log, BASE_LOG_ERROR, "slots", NULL, &why);
}

enum base_result state_check_floor(const struct state *state, struct base_fault *fault) {
  if (state->floor_fault[0] == '\0') return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, "floor", "the lowest version that may be installed is not known: %.200s",
                   state->floor_fault);
}

void state_init(struct state *state, const char *bootenv, const char *board_file, const char *data, bool is_alone,
                struct base_log *log) {
  struct slots_state slots;
  struct base_fault why = {0};
  *state = (struct state){.grub = {.fd = -1}, .bootenv = bootenv, .data = data, .is_alone = is_alone, .log = log};
  pthread_mutex_init(&state->lock, NULL);
  read_floor(state, board_file);
  state->disk = slots_grub_loader(&state->grub);
  state->loader = (struct slots_loader){.load = load_locked, .store = store_locked, .self = state};
  if (state->loader.load(state, &slots, &why) != BASE_OK) base_log_fault(log, BASE_LOG_WARN, "slots", NULL, &why);
}

void state_write(struct state *state, const char *running, struct base_json_writer *json) {
  struct slots_state slots;
  struct base_fault fault = {0};
  base_json_array(json, "slots");
  const bool is_read = state->loader.load(state, &slots, &fault) == BASE_OK;
  for (int i = 0; i < SLOTS_COUNT && is_read; i++) {
    base_json_object(json, NULL);
    slots_write_slot(&slots, (enum slots_id)i, json);
    base_json_bool(json, "is_running", running != NULL && strcmp(running, slots_name((enum slots_id)i)) == 0);
    base_json_object_end(json);
  }
  base_json_array_end(json);
  if (is_read)
    slots_write_choice(&slots, json);
  else
    base_json_string(json, "slots_fault", fault.text);
}
