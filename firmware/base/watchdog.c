#include "base/watchdog.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"

void base_watchdog_init(struct base_watchdog *watchdog, const char *path, unsigned every_ms, struct base_log *log) {
  *watchdog = (struct base_watchdog){.path = path, .log = log, .every_ms = every_ms, .fd = -1};
}

static bool is_none(const struct base_watchdog *watchdog) {
  return watchdog->path == NULL || watchdog->path[0] == '\0';
}

unsigned base_watchdog_due(const struct base_watchdog *watchdog, uint64_t now_ms) {
  if (is_none(watchdog)) return BASE_WATCHDOG_EVERY_MS;
  const uint64_t next_ms = watchdog->looked_ms + watchdog->every_ms;
  return watchdog->looked_ms == 0 || now_ms >= next_ms ? 0 : (unsigned)(next_ms - now_ms);
}

static void open_it(struct base_watchdog *watchdog) {
  int seconds;
  watchdog->fd = base_watchdog_open(watchdog->path, BASE_WATCHDOG_S, &seconds);
  if (watchdog->fd >= 0) {
    if (seconds > 0)
      base_log_write(watchdog->log, BASE_LOG_INFO, "watchdog", NULL, "%s: unfed, it restarts the box after %d s",
                     watchdog->path, seconds);
    else
      base_log_write(watchdog->log, BASE_LOG_WARN, "watchdog", NULL, "%s keeps its own time-out: %s", watchdog->path,
                     strerror(errno));
  } else if (!watchdog->has_complained) {
    base_log_write(watchdog->log, BASE_LOG_WARN, "watchdog", NULL, "cannot open %s: %s", watchdog->path,
                   strerror(errno));
    watchdog->has_complained = true;
  }
}

bool base_watchdog_reach(struct base_watchdog *watchdog, uint64_t now_ms) {
  if (base_watchdog_due(watchdog, now_ms) > 0) return false;
  watchdog->looked_ms = now_ms;
  if (watchdog->fd < 0) open_it(watchdog);
  return watchdog->fd >= 0;
}

void base_watchdog_tend(struct base_watchdog *watchdog, uint64_t now_ms) {
  if (base_watchdog_reach(watchdog, now_ms)) (void)base_watchdog_write(watchdog->fd, false);
}

void base_watchdog_finish(struct base_watchdog *watchdog, bool is_restarting) {
  if (is_none(watchdog) || watchdog->fd < 0) return;
  (void)base_watchdog_write(watchdog->fd, !is_restarting);
  base_fd_close(&watchdog->fd);
}
