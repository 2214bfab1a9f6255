#include "watchdog.h"

#include "base/checked.h"
#include "starting.h"

enum { MIN_EVERY_MS = 50, MEALS = 6 };

void watchdog_init(struct watchdog *watchdog, struct system *system) {
  const uint64_t every_ms = base_min_u64(system->arguments->patience_ms / MEALS, BASE_WATCHDOG_EVERY_MS);
  *watchdog = (struct watchdog){.system = system};
  base_watchdog_init(&watchdog->device, system->arguments->watchdog, (unsigned)base_max_u64(every_ms, MIN_EVERY_MS),
                     system->log);
}

// Answered lately; or not yet, while there is time. A slot on trial is the gate's to judge, which takes its time.
static bool is_well(struct system *system, uint64_t answered_ms, uint64_t now_ms) {
  const struct arguments *arguments = system->arguments;
  if (answered_ms != 0) return now_ms < answered_ms + arguments->patience_ms;
  uint64_t limit_ms = arguments->grace_ms;
  if (system->is_trial && limit_ms < (uint64_t)arguments->gate_ms + arguments->patience_ms)
    limit_ms = (uint64_t)arguments->gate_ms + arguments->patience_ms;
  return now_ms < starting_since(system, now_ms) + limit_ms;
}

unsigned watchdog_tend(struct watchdog *watchdog) {
  struct system *system = watchdog->system;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  if (!base_watchdog_reach(&watchdog->device, now_ms)) return base_watchdog_due(&watchdog->device, now_ms);
  pthread_mutex_lock(&system->lock);
  const uint64_t answered_ms = system->answered_ms;
  const bool is_restarting = system->is_restarting;
  pthread_mutex_unlock(&system->lock);
  const bool is_hungry = !is_well(system, answered_ms, now_ms) || (is_restarting && watchdog->has_last_meal);
  if (is_hungry && !watchdog->is_hungry)
    base_log_write(
        system->log, BASE_LOG_ERROR, "watchdog", NULL,
        is_restarting ? "is not fed any more: the box restarts" : "is not fed any more: pixpopd does not answer");
  watchdog->is_hungry = is_hungry;
  watchdog->has_last_meal = is_restarting;
  if (!is_hungry) (void)base_watchdog_write(watchdog->device.fd, false);
  return base_watchdog_due(&watchdog->device, now_ms);
}

void watchdog_finish(struct watchdog *watchdog) {
  pthread_mutex_lock(&watchdog->system->lock);
  const bool is_restarting = watchdog->system->is_restarting;
  pthread_mutex_unlock(&watchdog->system->lock);
  base_watchdog_finish(&watchdog->device, is_restarting);
}
