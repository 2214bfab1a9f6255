// Hot restart: the program gives way to itself, or to the version that lies in its place by now, without closing the
// delivery side's listeners in between. Clients that come meanwhile wait in the kernel's queues.
#ifndef PIXPOPD_RESTART_H
#define PIXPOPD_RESTART_H

#include <limits.h>

#include "delivery/delivery.h"

struct restart {
  char program[PATH_MAX];
  char **words;  // argv; borrowed
};

// Remembers how to start again. As the program was called, so that a symbolic link or a file that is replaced later
// counts. BASE_IO when that is unknown.
enum base_result restart_init(struct restart *restart, char **argv, struct base_fault *fault) BASE_CHECKED;
// Lets the program that lies there now check the configuration, so that nothing is given up for one that can not start.
// Waits for it. BASE_BAD_INPUT, BASE_IO, BASE_TIMEOUT: it would not.
enum base_result restart_rehearse(const struct restart *restart, struct base_fault *fault) BASE_CHECKED;
// Becomes that program, with the listeners. Returns only when that failed; they are open then.
void restart_exec(const struct restart *restart, const struct delivery_handover *handover, struct base_fault *fault);
// What the program before this one left; false when there is nothing. No child of ours will find it.
bool restart_take_handover(struct delivery_handover *out);

#endif
