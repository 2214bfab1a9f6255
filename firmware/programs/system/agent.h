// The agent: listens at a Unix socket, answers, and tends the watchdog meanwhile.
#ifndef SYSTEM_AGENT_H
#define SYSTEM_AGENT_H

#include "system.h"

// Listens at --socket, which gets the mode 0660 and the group of --user. BASE_CONFLICT: somebody else does already.
enum base_result agent_listen(const struct system *system, int *out, struct base_fault *fault) BASE_CHECKED;
// Until `signal_fd` is readable.
void agent_run(struct system *system, int listener, int signal_fd);

#endif
