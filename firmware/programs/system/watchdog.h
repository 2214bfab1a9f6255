// The hardware watchdog: it starts the box anew when it is not fed for a minute.
#ifndef SYSTEM_WATCHDOG_H
#define SYSTEM_WATCHDOG_H

#include "system.h"

struct watchdog {
  struct system *system;
  int fd;
  bool has_complained;  // that there is none
  bool is_hungry;       // it is not being fed
  bool has_last_meal;   // before the box restarts
  unsigned every_ms;
  uint64_t fed_ms;
};

void watchdog_init(struct watchdog *watchdog, struct system *system);
// Feeds when it is time and --health was answered lately. Returns the milliseconds until it wants to be called again.
unsigned watchdog_tend(struct watchdog *watchdog);
// Puts it to sleep; not when the box restarts: a shutdown that hangs is its business too.
void watchdog_finish(struct watchdog *watchdog);

#endif
