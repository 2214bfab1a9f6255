// Counts connections by client address, over all loops.
//
// Thread-safe: one mutex, taken when a connection opens and when it closes, never for a request.
#ifndef DELIVERY_CLIENTS_H
#define DELIVERY_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/result.h"
#include "handshakes.h"

struct clients;
struct client;

// `limit` connections for each address, over `loops` loops; `expected` is how many connections there may be at all.
// NULL when memory is short.
struct clients *delivery_clients_create(uint32_t limit, uint32_t expected, unsigned loops);
// Every connection must have left.
void delivery_clients_destroy(struct clients **clients);
// Counts one more connection from `address`; NULL when it has its limit already or memory is short. All of an IPv6 /64
// counts as one client, since that is what one customer line gets.
struct client *delivery_clients_enter(struct clients *clients, const struct sockaddr_storage *address);
// The client's share of that loop's handshakes, which is the loop's; while one of its connections counts.
struct handshake_share *delivery_clients_share(struct client *client, unsigned loop);
void delivery_clients_leave(struct clients *clients, struct client **client);

#endif
