#include "gate.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data.h"
#include "starting.h"

// What the boot loader remembers is damaged in both copies, and yet this slot runs, and well.
static enum base_result mend(struct system *system, struct base_fault *fault) {
  struct slots_state state;
  base_fault_clear(fault);
  base_log_write(system->log, BASE_LOG_WARN, "gate", NULL, "the boot loader's memory is made anew: it was damaged");
  slots_reset(&state, SLOTS_BAD);
  const enum base_result result = system->loader.store(system, &state, fault);
  if (result != BASE_OK) return result;
  return slots_mark_written(&system->loader, system->running, system->board.version, fault);
}

static bool is_known_good(const struct system *system, const struct slots_state *state) {
  const struct slots_slot *slot = &state->slots[system->running];
  const char *floor = system->board.floor;
  return slot->mark == SLOTS_GOOD && slot->tries == SLOTS_TRIES &&
         (floor[0] == '\0' || (state->floor[0] != '\0' && slots_version_compare(state->floor, floor) >= 0));
}

// Says so when this is not the slot, or not the version, that should run: nobody would notice.
static void note_odd(struct system *system, const struct slots_state *before, bool is_tried_again) {
  const enum slots_id first = before->first, running = system->running;
  const struct slots_slot *slot = &before->slots[first];
  if (first != running && slot->mark != SLOTS_BAD)
    snprintf(system->odd, sizeof(system->odd), "slot %s (version %s) did not start, and slot %s runs in its place%s",
             slots_name(first), slot->version[0] != '\0' ? slot->version : "unknown", slots_name(running),
             is_tried_again ? "; the next restart tries it once more" : "");
  else if (before->floor[0] != '\0' && slots_version_compare(system->board.version, before->floor) < 0)
    snprintf(system->odd, sizeof(system->odd), "version %s is below %s, the lowest that this box still takes",
             system->board.version, before->floor);
}

static enum base_result mark(struct system *system, struct base_fault *fault) {
  struct slots_state state;
  pthread_mutex_lock(&system->lock);
  const bool has_choice = system->has_choice;
  const enum slots_id choice = system->choice;
  pthread_mutex_unlock(&system->lock);
  enum base_result result = system->loader.load(system, &state, fault);
  if (result == BASE_CORRUPT) {
    result = mend(system, fault);
    if (result == BASE_OK) result = system->loader.load(system, &state, fault);
  }
  if (result != BASE_OK) return result;
  // The loader takes a try at every boot: with all of them this start of the box is through the gate already (this
  // program was started again), and what was installed or chosen since is to stay the first.
  if (is_known_good(system, &state)) return BASE_OK;
  result = slots_mark_good(&system->loader, system->running, system->board.floor, fault);
  if (result != BASE_OK) return result;
  if (!has_choice) {
    struct slots_state after;
    const bool is_read = system->loader.load(system, &after, NULL) == BASE_OK;
    note_odd(system, &state, is_read && after.first != system->running);
    return BASE_OK;
  }
  if (choice == system->running) return BASE_OK;
  result = slots_choose(&system->loader, choice, fault);
  if (result != BASE_CONFLICT) return result;
  // The floor that came with this slot is above what was chosen before it counted.
  base_log_fault(system->log, BASE_LOG_WARN, "gate", NULL, fault);
  base_fault_clear(fault);
  return BASE_OK;
}

// Nothing that works needs it: a failure is only logged.
static void leave_hint(const struct system *system) {
  const char *folder = system->arguments->data;
  char path[PATH_MAX], text[4], there[sizeof(text)];
  struct base_fault fault = {0};
  snprintf(text, sizeof(text), "%s\n", slots_name(system->running));
  if (data_read(folder, SLOTS_HEALTHY_FILE, there, sizeof(there), NULL) == BASE_OK && strcmp(there, text) == 0) return;
  enum base_result result = data_draft(folder, text, path, &fault);
  if (result == BASE_OK) {
    result = data_keep_draft(folder, path, SLOTS_HEALTHY_FILE, &fault);
    if (result != BASE_OK) unlink(path);
  }
  if (result != BASE_OK) base_log_fault(system->log, BASE_LOG_WARN, "gate", NULL, &fault);
}

bool gate_pass(struct system *system, struct base_fault *fault) {
  if (system_begin_change(system, fault) != BASE_OK) return false;
  const enum base_result result = mark(system, fault);
  if (result == BASE_OK) {
    pthread_mutex_lock(&system->lock);
    system->has_passed = true;
    pthread_mutex_unlock(&system->lock);
    leave_hint(system);
    system_say_good(system);
  }
  system_end_change(system);
  return result == BASE_OK;
}

// False: not now. *goes_down: the box is to restart.
static bool give_up(struct system *system, const char *text, bool *goes_down, struct base_fault *fault) {
  if (system_begin_change(system, fault) != BASE_OK) return false;
  *goes_down = slots_mark_bad(&system->loader, system->running, false, fault) == BASE_OK;
  if (*goes_down) {
    base_log_write(system->log, BASE_LOG_ERROR, "gate", NULL, "slot %s is given up for slot %s: %s",
                   slots_name(system->running), slots_name(slots_other(system->running)), text);
    system_prepare_to_go_down(system, true);
  }
  system_end_change(system);
  return true;
}

void gate_judge(struct system *system, struct gate *gate, const char *text) {
  bool goes_down = false;
  char whole[BASE_FAULT_TEXT_BYTES];
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  if (now_ms < starting_since(system, now_ms) + system->arguments->gate_ms) return;
  if (!gate->is_over && system->is_trial && !give_up(system, text, &goes_down, &gate->obstacle)) {
    base_fault_clear(&gate->obstacle);  // only for now
    return;
  }
  gate->is_over = true;
  snprintf(whole, sizeof(whole), "%.200s%s%.100s", text, gate->obstacle.text[0] != '\0' ? "; " : "",
           gate->obstacle.text);
  system_set_health(system, SYSTEM_FAILED, whole);
  if (goes_down) system_go_down(system, true);
}
