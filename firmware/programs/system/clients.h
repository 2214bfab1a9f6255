// Clients of the agent until their request has come: a bounded number of them, each for a bounded time.
#ifndef SYSTEM_CLIENTS_H
#define SYSTEM_CLIENTS_H

#include <poll.h>
#include <sys/types.h>

#include "system.h"
#include "update/agent.h"

// The last ones are root's: nobody else can keep root from asking.
enum { CLIENTS_MAX = 16, CLIENTS_OF_ROOT = 4, CLIENTS_PATIENCE_MS = 10000, CLIENTS_LINGER_MS = 2000 };

struct client {
  int fd;  // -1: free
  uint64_t deadline_ms;
  bool is_over;  // it was refused, and may still be sending: who is cut off in that may miss the answer
  size_t bytes;
  uint8_t in[UPDATE_AGENT_MAX_LINE];
};

struct clients {
  struct system *system;
  struct client all[CLIENTS_MAX];
};

void clients_init(struct clients *clients, struct system *system);
void clients_finish(struct clients *clients);
// Takes over a connection, non-blocking, or answers it why not and closes it.
void clients_add(struct clients *clients, int fd);
// Fills `out` (CLIENTS_MAX) for poll; takes what poll said of them.
void clients_prepare(const struct clients *clients, struct pollfd *out);
void clients_serve(struct clients *clients, const struct pollfd *polled);
// Milliseconds until the first one's time is up; `most_ms` when that is later.
unsigned clients_next_ms(const struct clients *clients, unsigned most_ms);

#endif
