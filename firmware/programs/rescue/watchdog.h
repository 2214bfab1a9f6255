// The hardware watchdog: it starts the machine anew when this program hangs.
#ifndef RESCUE_WATCHDOG_H
#define RESCUE_WATCHDOG_H

#include "base/log.h"

struct watchdog {
  const char *path;  // NULL: none
  int fd;
  bool has_complained;
  uint64_t fed_ms;
};

void watchdog_init(struct watchdog *watchdog, const char *path);
// Feeds it when it is time; to be called at least every few seconds. NULL is fine.
void watchdog_feed(struct watchdog *watchdog, uint64_t now_ms, struct base_log *log);
// Puts it to sleep; not when the machine is to be restarted: a shutdown that hangs is its business too.
void watchdog_finish(struct watchdog *watchdog, bool is_restarting);

#endif
