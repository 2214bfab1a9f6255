// Put in front of CivetWeb's source by the compiler (-include): some of the functions it calls are replaced by ours.
#ifndef CONSOLE_CIVET_HOOKS_H
#define CONSOLE_CIVET_HOOKS_H

// Before the macros, so that these keep their own declarations.
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hatch.h"

#define listen(fd, backlog) console_hatch_listen(fd, backlog)
#define accept console_hatch_accept
#define poll(fds, count, timeout_ms) console_hatch_poll(fds, count, timeout_ms)
#define close(fd) console_hatch_close(fd)
// What matters comes through its log callback.
#define fprintf(...) 1

#endif
