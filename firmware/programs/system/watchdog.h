// Feeds the hardware watchdog for as long as the box does what it is there for.
#ifndef SYSTEM_WATCHDOG_H
#define SYSTEM_WATCHDOG_H

#include "base/watchdog.h"
#include "system.h"

struct watchdog {
  struct system *system;
  struct base_watchdog device;
  bool is_hungry;      // it is not being fed
  bool has_last_meal;  // before the box restarts
};

void watchdog_init(struct watchdog *watchdog, struct system *system);
// Feeds when it is time and --health was answered lately. Returns the milliseconds until it wants to be called again.
unsigned watchdog_tend(struct watchdog *watchdog);
// Puts it to sleep; not when the box restarts: a shutdown that hangs is its business too.
void watchdog_finish(struct watchdog *watchdog);

#endif
