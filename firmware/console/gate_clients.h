// Counts connections by client address. Thread-safe: one mutex, taken when a connection comes and goes.
#ifndef CONSOLE_GATE_CLIENTS_H
#define CONSOLE_GATE_CLIENTS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/result.h"

struct gate_client;
struct gate_clients;

// `limit` connections for each client; `expected` is how many there may be at all. NULL when memory is short.
struct gate_clients *console_gate_clients_create(uint32_t limit, uint32_t expected);
// Every connection must have left.
void console_gate_clients_destroy(struct gate_clients **clients);
// One connection more; NULL when the client has its limit or memory is short. All of an IPv6 /64 is one client, since
// that is what one customer line gets.
struct gate_client *console_gate_clients_enter(struct gate_clients *clients, const struct sockaddr_storage *address);
void console_gate_clients_leave(struct gate_clients *clients, struct gate_client **client);

#endif
