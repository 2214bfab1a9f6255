#include "health.h"

#include <stdio.h>

#include "base/checked.h"
#include "data.h"
#include "gate.h"
#include "run.h"

// So much rarer are the looks once the gate is passed.
enum { ANSWER_TIMEOUT_MS = 10000, REST = 3 };
// pixpop-probe's exit status for a page that is still starting.
enum { PROBE_NOT_YET = 3 };

static enum base_result run_probe(const struct system *system, const char *const *words, unsigned timeout_ms,
                                  char *line, int *status, struct base_fault *fault) {
  const struct run run = {.words = words,
                          .is_other_user = system->has_user,
                          .user = system->user,
                          .group = system->group,
                          .timeout_ms = timeout_ms,
                          .is_stopping = &system->is_stopping,
                          .status = status};
  return run_program(&run, line, fault);
}

// All of --health, to the first that does not answer. *is_starting: all do, and one says that it is still starting, as
// the fault does.
static enum base_result ask_all(const struct system *system, bool *is_starting, struct base_fault *fault) {
  const struct arguments *arguments = system->arguments;
  *is_starting = false;
  for (unsigned i = 0; i < arguments->health_count; i++) {
    const char *const words[] = {system->probe, "answer", arguments->health[i], arguments->health_ca, NULL};
    struct base_fault why = {0};
    int status;
    const enum base_result result = run_probe(system, words, ANSWER_TIMEOUT_MS, NULL, &status, &why);
    if (result != BASE_OK) *fault = why;
    if (result != BASE_OK && status != PROBE_NOT_YET) return result;
    if (result != BASE_OK) *is_starting = true;
  }
  return BASE_OK;
}

// BASE_BUSY: it answers, but a driver is still being opened. That is no reason for the watchdog, since what is there is
// served meanwhile; one that takes for ever is.
static enum base_result ask(struct system *system, struct base_fault *fault) {
  const struct arguments *arguments = system->arguments;
  bool is_starting;
  const enum base_result result = ask_all(system, &is_starting, fault);
  if (result != BASE_OK) return result;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  const uint64_t limit_ms = base_max_u64(arguments->grace_ms, arguments->gate_ms) + (uint64_t)arguments->patience_ms;
  if (!is_starting || system->opening_since_ms == 0) system->opening_since_ms = is_starting ? now_ms : 0;
  if (is_starting && now_ms >= system->opening_since_ms + limit_ms) return BASE_TIMEOUT;
  pthread_mutex_lock(&system->lock);
  system->answered_ms = now_ms;
  pthread_mutex_unlock(&system->lock);
  return is_starting ? BASE_BUSY : BASE_OK;
}

static enum base_result make_variant(struct system *system, struct base_fault *fault) {
  const char *const words[] = {system->probe, "variant", NULL};
  char line[RUN_LINE_BYTES];
  const enum base_result result = run_probe(system, words, system->arguments->probe_timeout_ms, line, NULL, fault);
  if (result == BASE_OK) base_log_write(system->log, BASE_LOG_INFO, "health", NULL, "%s", line);
  return result;
}

// A full disk is not the fault of what runs, and going back to the other slot does not make room.
static enum base_result forgive_full(struct system *system, enum base_result result, struct base_fault *fault) {
  system->is_data_full = result == BASE_NO_SPACE;
  if (!system->is_data_full) return result;
  base_fault_clear(fault);
  return BASE_OK;
}

// A whole look: all that has to work before a slot is called good. One variant in the row is enough: each loads the
// driver anew, which takes memory and time from those who wait for pictures.
static enum base_result look(struct system *system, struct gate *gate, struct base_fault *fault) {
  enum base_result result = ask(system, fault);
  if (result == BASE_OK) result = forgive_full(system, data_check(system->arguments->data, fault), fault);
  if (result == BASE_OK && gate->looks == 0) result = make_variant(system, fault);
  return result;
}

static void look_on(struct system *system) {
  struct base_fault fault = {0};
  enum base_result result = ask(system, &fault);
  if (result == BASE_OK) result = forgive_full(system, data_look(system->arguments->data, &fault), &fault);
  if (result == BASE_OK)
    system_say_good(system);
  else if (result != BASE_CANCELLED && result != BASE_BUSY)
    system_set_health(system, SYSTEM_FAILING, fault.text);
}

static void look_at_gate(struct system *system, struct gate *gate) {
  struct base_fault fault = {0};
  char text[BASE_FAULT_TEXT_BYTES];
  const enum base_result result = look(system, gate, &fault);
  if (result == BASE_CANCELLED) return;
  gate->looks = result == BASE_OK ? gate->looks + 1 : 0;
  if (gate->looks >= HEALTH_LOOKS && gate_pass(system, &fault)) return;
  if (fault.text[0] != '\0')
    snprintf(text, sizeof(text), "%s", fault.text);
  else
    snprintf(text, sizeof(text), "%u of %d looks were good", gate->looks, HEALTH_LOOKS);
  if (!gate->is_over) system_set_health(system, SYSTEM_WAITING, text);
  gate_judge(system, gate, text);
}

void *health_run(void *self) {
  struct system *system = self;
  struct gate gate = {0};
  while (!atomic_load(&system->is_stopping)) {
    pthread_mutex_lock(&system->lock);
    const bool has_passed = system->has_passed;
    pthread_mutex_unlock(&system->lock);
    if (has_passed)
      look_on(system);
    else
      look_at_gate(system, &gate);
    system_wait(system, has_passed ? system->arguments->every_ms * REST : system->arguments->every_ms);
  }
  return NULL;
}
