// Is the running slot healthy? A thread of its own looks every few seconds, all the time; three whole looks in a row, a
// variant among them, pass the gate once after each start.
#ifndef SYSTEM_HEALTH_H
#define SYSTEM_HEALTH_H

#include "system.h"

enum { HEALTH_LOOKS = 3 };

// The thread; ends when the system is stopped.
void *health_run(void *system);

#endif
