// An update, from a client's socket into the slot that does not run.
#ifndef SYSTEM_INSTALLING_H
#define SYSTEM_INSTALLING_H

#include "reply.h"
#include "system.h"

// The change has been begun. Reads the bundle to the end of the stream, `body` first; sends lines of progress; writes
// the last line's version and slot into `reply`. BASE_CONFLICT until the running slot has passed its health check;
// BASE_TIMEOUT: the client is silent; BASE_CANCELLED: this program is being stopped; and what update/install.h says.
enum base_result installing_run(struct system *system, int fd, bool allows_older, struct base_span body,
                                struct reply *reply, struct base_fault *fault) BASE_CHECKED;

// After a failure was answered: throws away what the client still sends, for a while. Who is cut off in that may miss
// the answer.
void installing_linger(const struct system *system, int fd);

#endif
