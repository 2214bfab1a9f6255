#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"

enum { TIMEOUT_S = 60, EVERY_MS = 10000 };

void watchdog_init(struct watchdog *watchdog, const char *path) {
  *watchdog = (struct watchdog){.path = path, .fd = -1};
}

static bool open_it(struct watchdog *watchdog, struct base_log *log) {
  int seconds = TIMEOUT_S;
  watchdog->fd = open(watchdog->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  const int error = errno;
  if (watchdog->fd >= 0) {
    (void)ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &seconds);  // else it keeps its own
    base_log_write(log, BASE_LOG_INFO, "watchdog", NULL, "%s is fed", watchdog->path);
  } else if (!watchdog->has_complained) {
    base_log_write(log, BASE_LOG_WARN, "watchdog", NULL, "cannot open %s: %s", watchdog->path, strerror(error));
    watchdog->has_complained = true;
  }
  return watchdog->fd >= 0;
}

void watchdog_feed(struct watchdog *watchdog, uint64_t now_ms, struct base_log *log) {
  if (watchdog == NULL || watchdog->path == NULL) return;
  if (watchdog->fed_ms != 0 && now_ms - watchdog->fed_ms < EVERY_MS) return;
  watchdog->fed_ms = now_ms;
  if (watchdog->fd >= 0 || open_it(watchdog, log)) (void)!write(watchdog->fd, "f", 1);
}

void watchdog_finish(struct watchdog *watchdog, bool is_restarting) {
  if (watchdog->fd < 0) return;
  (void)!write(watchdog->fd, is_restarting ? "f" : "V", 1);
  base_fd_close(&watchdog->fd);
}
