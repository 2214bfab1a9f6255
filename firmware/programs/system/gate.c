#include "gate.h"

#include <stdio.h>
#include <string.h>

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
  if (result == BASE_OK && has_choice && choice != system->running)
    result = slots_choose(&system->loader, choice, fault);
  return result;
}

bool gate_pass(struct system *system, struct base_fault *fault) {
  if (system_begin_change(system, fault) != BASE_OK) return false;
  const enum base_result result = mark(system, fault);
  if (result == BASE_OK) {
    pthread_mutex_lock(&system->lock);
    system->has_passed = true;
    pthread_mutex_unlock(&system->lock);
    system_set_health(system, SYSTEM_GOOD, "");
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
  struct base_fault fault = {0};
  bool goes_down = false;
  char whole[BASE_FAULT_TEXT_BYTES];
  if (base_clock_ms(base_clock_system()) < system->started_ms + system->arguments->gate_ms) return;
  if (!gate->is_over && system->is_trial && !give_up(system, text, &goes_down, &fault)) return;
  gate->is_over = true;
  snprintf(whole, sizeof(whole), "%.200s%s%.100s", text, fault.text[0] != '\0' ? "; " : "", fault.text);
  system_set_health(system, SYSTEM_FAILED, whole);
  if (goes_down) system_go_down(system, true);
}
