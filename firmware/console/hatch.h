// The hatch between the gate and CivetWeb: what CivetWeb takes for connections are socket pairs with one request each.
//
// CivetWeb's source is compiled with these in place of listen(2), accept(2), poll(2) and close(2) (civet_hooks.h). They
// have no room for a parameter of ours, so there is one hatch in the process, as there is one console.
#ifndef CONSOLE_HATCH_H
#define CONSOLE_HATCH_H

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/result.h"

struct console_exchange;

// Before CivetWeb starts, which has `threads`.
enum base_result console_hatch_open(unsigned threads, struct base_fault *fault) BASE_CHECKED;
// After CivetWeb has stopped: closes what it did not take.
void console_hatch_shut(void);

// Offers one end of a socket pair, over which the request of `exchange` comes; CivetWeb closes it when all is said.
// False when no more can be taken (twice `threads`); then the descriptor stays the caller's.
bool console_hatch_offer(int fd, struct console_exchange *exchange) BASE_CHECKED;
// What a connection of CivetWeb is about; `port` is the port of its client, as CivetWeb sees it.
struct console_exchange *console_hatch_exchange(int port);

// Remembers the listener and does not listen: nobody shall come in from there.
int console_hatch_listen(int fd, int backlog);
// Takes what is offered. The client's address is 127.0.0.1, its port tells what it is about.
int console_hatch_accept(int listener, struct sockaddr *address, socklen_t *address_bytes);
// poll(2), but the listener is readable when something is offered.
int console_hatch_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
// close(2) of anything.
int console_hatch_close(int fd);

#endif
