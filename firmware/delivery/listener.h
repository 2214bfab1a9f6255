// The listening sockets.
#ifndef DELIVERY_LISTENER_H
#define DELIVERY_LISTENER_H

#include <stdint.h>

#include "base/result.h"

// Listeners of one address and port, among which the kernel spreads connections (SO_REUSEPORT).
struct listeners {
  unsigned count;
  int *fds;  // owned, as they are
};

// Opens `wanted` of them, or takes the `inherited` ones that listen there already and opens what is missing. The other
// inherited ones are closed; all of them are taken, also on failure. `address` is numeric. With port 0 the kernel
// chooses one, or any inherited one on that address is right; *port says which.
enum base_result delivery_listeners_open(const char *address, uint16_t *port, unsigned wanted, const int *inherited,
                                         unsigned inherited_count, struct listeners *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Closes those that are not -1.
void delivery_listeners_finish(struct listeners *listeners);

#endif
