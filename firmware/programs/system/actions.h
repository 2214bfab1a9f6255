// What is done for a request other than status, in a thread of its own: it may wait for the disk, for another program
// and, when installing, for its client.
#ifndef SYSTEM_ACTIONS_H
#define SYSTEM_ACTIONS_H

#include "request.h"
#include "system.h"

// Begins the change and takes `fd` over; `body`: what came behind the request's line (copied). After a failure the fd
// is still the caller's. BASE_LOCKED, BASE_NO_MEMORY.
enum base_result actions_begin(struct system *system, int fd, const struct request *request, struct base_span body,
                               struct base_fault *fault) BASE_CHECKED;
// The network's settings as they are kept; no change, and at once.
void actions_send_network(struct system *system, int fd);
// Until no such thread is left.
void actions_wait(struct system *system);

#endif
