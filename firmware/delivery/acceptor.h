// Accepting: from a listening socket to a connection, or to a refusal where a limit is reached.
//
// Belongs to its loop's thread.
#ifndef DELIVERY_ACCEPTOR_H
#define DELIVERY_ACCEPTOR_H

#include <stdbool.h>

#include "base/result.h"

struct loop;

// A listening socket of a loop.
struct acceptor {
  int fd;
  bool is_tls;
};

// Begins to watch all listeners of the loop; false when epoll fails.
bool delivery_acceptors_watch(struct loop *loop) BASE_CHECKED;
// The acceptor that an event's tag names; NULL when it names none.
struct acceptor *delivery_acceptor_of_tag(struct loop *loop, void *tag);
// Takes some of the connections that wait.
void delivery_acceptor_take(struct loop *loop, struct acceptor *acceptor);
// Goes on after a pause for want of descriptors or memory.
void delivery_acceptors_resume(struct loop *loop);
// Closes all listeners.
void delivery_acceptors_finish(struct loop *loop);

#endif
