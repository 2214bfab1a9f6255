// Somebody who waits for a flight's end: a GET or an item of a batch.
#ifndef POP_WAITER_H
#define POP_WAITER_H

#include <stdbool.h>

struct pop_guest;
struct pop_landing;

// Embedded first in what waits.
struct pop_waiter {
  struct pop_waiter *next;  // of the same flight; does not change once it is in
  bool has_joined;          // came to a flight that was under way
  // True once its client is known to be gone. Asked on any thread.
  bool (*is_gone)(struct pop_waiter *waiter);
  struct pop_guest *guest;  // whose line the flight may wait in; NULL: an unknown client's
  bool is_background;       // in no hurry: no line is left for a shorter one because of it
  bool is_search;           // wants what a cache has, and nothing made; such have flights of their own
  // Called exactly once, without any lock; the flight has ended.
  void (*land)(struct pop_waiter *waiter, const struct pop_landing *landing);
};

#endif
