// The listening sockets.
#ifndef DELIVERY_LISTENER_H
#define DELIVERY_LISTENER_H

#include <stdint.h>

#include "base/result.h"

// Opens `count` listeners on one address and port, among which the kernel spreads connections (SO_REUSEPORT).
// `address` is numeric. With port 0 the kernel chooses one; *port says which. On failure none stays open.
enum base_result delivery_listeners_open(const char *address, uint16_t *port, int *fds, unsigned count,
                                         struct base_fault *fault) BASE_CHECKED;

#endif
