#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "starting.h"

enum { TIMEOUT_S = 60, MAX_EVERY_MS = 10000, MIN_EVERY_MS = 50, MEALS = 6 };

void watchdog_init(struct watchdog *watchdog, struct system *system) {
  const uint64_t patience_ms = system->arguments->patience_ms;
  *watchdog = (struct watchdog){.system = system, .fd = -1};
  watchdog->every_ms = (unsigned)base_max_u64(base_min_u64(patience_ms / MEALS, MAX_EVERY_MS), MIN_EVERY_MS);
}

static bool open_it(struct watchdog *watchdog) {
  const struct system *system = watchdog->system;
  const char *path = system->arguments->watchdog;
  int seconds = TIMEOUT_S;
  if (watchdog->fd >= 0) return true;
  if (path[0] == '\0') return false;
  watchdog->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (watchdog->fd < 0) {
    if (!watchdog->has_complained)
      base_log_write(system->log, BASE_LOG_WARN, "watchdog", NULL, "cannot open %s: %s", path, strerror(errno));
    watchdog->has_complained = true;
    return false;
  }
  if (ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &seconds) != 0)
    base_log_write(system->log, BASE_LOG_WARN, "watchdog", NULL, "%s keeps its own time-out: %s", path,
                   strerror(errno));
  else
    base_log_write(system->log, BASE_LOG_INFO, "watchdog", NULL, "%s: the box restarts after %d s without pixpopd",
                   path, seconds);
  return true;
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

static void feed(struct watchdog *watchdog, uint64_t now_ms) {
  (void)!write(watchdog->fd, "f", 1);
  watchdog->fed_ms = now_ms;
}

unsigned watchdog_tend(struct watchdog *watchdog) {
  struct system *system = watchdog->system;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  if (watchdog->fed_ms != 0 && now_ms < watchdog->fed_ms + watchdog->every_ms)
    return (unsigned)(watchdog->fed_ms + watchdog->every_ms - now_ms);
  if (!open_it(watchdog)) return MAX_EVERY_MS;
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
  if (!is_hungry) feed(watchdog, now_ms);
  return watchdog->every_ms;
}

void watchdog_finish(struct watchdog *watchdog) {
  if (watchdog->fd < 0) return;
  pthread_mutex_lock(&watchdog->system->lock);
  const bool is_restarting = watchdog->system->is_restarting;
  pthread_mutex_unlock(&watchdog->system->lock);
  if (is_restarting)
    feed(watchdog, base_clock_ms(base_clock_system()));
  else
    (void)!write(watchdog->fd, "V", 1);
  base_fd_close(&watchdog->fd);
}
