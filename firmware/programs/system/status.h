// The status of update/agent.h.
#ifndef SYSTEM_STATUS_H
#define SYSTEM_STATUS_H

#include "system.h"

// Answers at once, whatever is being done.
void status_send(struct system *system, int fd);

#endif
