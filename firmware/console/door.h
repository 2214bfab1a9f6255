// The door of the console: how many connections one client may hold. CivetWeb gives each a thread, so without a limit
// one client could take them all before it has shown anything.
//
// CivetWeb's source is compiled with these in place of accept(2), close(2) and poll(2) (civet_hooks.h). They have no
// room for a parameter of ours, so there is one door in the process, as there is one console.
#ifndef CONSOLE_DOOR_H
#define CONSOLE_DOOR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/metrics.h"

// Before the server starts. `refused` counts the connections that were turned away; it may be NULL.
void console_door_open(unsigned max_connections_per_client, struct base_metric *refused);

// accept(2), with close-on-exec and non-blocking. A client over its limit is closed at once, and -1 is returned
// (ECONNABORTED).
int console_door_accept(int listener, struct sockaddr *address, socklen_t *address_bytes);
// close(2) of anything; a connection gives its place back.
int console_door_close(int fd);

// What this thread reads from its connection must have come by then; 0 lifts the limit.
void console_door_limit_reads(uint32_t ms);
// True when the limit has passed.
bool console_door_is_overdue(void);
// True when the client of this thread's connection has closed its side of it. One that only says that it will send no
// more can not be told from one that has left, and is taken for gone too.
bool console_door_is_client_gone(void);
// poll(2), but waiting for something to read fails (ETIMEDOUT) once the thread's limit has passed.
int console_door_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
