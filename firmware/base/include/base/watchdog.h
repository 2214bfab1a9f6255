// The hardware watchdog (/dev/watchdog): the machine starts anew when it is not fed for a while.
//
// Used by whoever answers for the machine: pixpop-system, pixpop-rescue, and watchdog-arm before them. One thread.
// Kernel: Documentation/watchdog/watchdog-api.rst.
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

// What programs ask for, the least that is asked for, and how often they have to feed it at least.
enum { BASE_WATCHDOG_S = 60, BASE_WATCHDOG_MIN_S = 30, BASE_WATCHDOG_EVERY_MS = 10000 };

// The device itself: watchdog_device.c, which needs nothing else of this room.
// Opens it, which starts it, and asks for `seconds`. A driver that takes no such long time is asked for shorter ones,
// and at last keeps its own. *out_s is what it has then, 0 for its own. -1, and errno: there is none.
int base_watchdog_open(const char *path, int seconds, int *out_s) BASE_CHECKED;
bool base_watchdog_write(int fd, bool is_asleep);  // true: puts it to sleep, false: feeds it

// One that is opened when it is first fed; while it can not be, that is tried again each time. All zero is none.
struct base_watchdog {
  const char *path;  // NULL or "": none
  struct base_log *log;
  unsigned every_ms;
  int fd;
  bool has_complained;
  uint64_t looked_ms;  // 0: not yet
};

// `every_ms` at most BASE_WATCHDOG_EVERY_MS; `path` and `log` live as long.
void base_watchdog_init(struct base_watchdog *watchdog, const char *path, unsigned every_ms, struct base_log *log);
// Milliseconds until it wants to be fed; 0: now.
unsigned base_watchdog_due(const struct base_watchdog *watchdog, uint64_t now_ms);
// When it is due: makes it due again after `every_ms`, and opens it if need be. False: it is not due, or there is none.
bool base_watchdog_reach(struct base_watchdog *watchdog, uint64_t now_ms);
// Feeds it when it is due.
void base_watchdog_tend(struct base_watchdog *watchdog, uint64_t now_ms);
// Puts it to sleep and closes it; not when the machine is to be restarted: a shutdown that hangs is its business too.
void base_watchdog_finish(struct base_watchdog *watchdog, bool is_restarting);

#endif
