// Time-outs: one first-in first-out list a state. All timers of a list run equally long, so its head is always next.
//
// Belongs to one loop's thread.
#ifndef DELIVERY_TIMERS_H
#define DELIVERY_TIMERS_H

#include <stdint.h>

// What a connection waits for; each wait has its own time-out.
enum delivery_state {
  DELIVERY_HANDSHAKE,  // the client's part of the TLS handshake: its first message; after ours, the rest
  DELIVERY_QUEUE,      // our part of it, among other clients'
  DELIVERY_IDLE,       // the first byte of a request
  DELIVERY_HEAD,       // the rest of a request head
  DELIVERY_REPLY,      // the handler
  DELIVERY_WRITE,      // the client to take bytes, at a pace
  DELIVERY_LINGER,     // the client to close, after our last reply
  DELIVERY_LAST_CALL,  // a request at once or never: over a limit, or new while draining
  DELIVERY_DRAIN,      // the same of a client that was served before: it learns with the reply that we end
  DELIVERY_STATES
};

struct timer {
  struct timer *previous;
  struct timer *next;  // NULL while not running
  uint64_t deadline_ms;
};

struct timers {
  struct timer lists[DELIVERY_STATES];  // sentinels of circular lists
  uint32_t timeout_ms[DELIVERY_STATES];
};

void delivery_timers_init(struct timers *timers, const uint32_t timeout_ms[DELIVERY_STATES]);
// (Re)starts the timer on the state's list.
void delivery_timer_start(struct timers *timers, struct timer *timer, enum delivery_state state, uint64_t now_ms);
// The same with a deadline of its own, at most the state's time-out away: a walk over those that end earlier, so for
// rare cases.
void delivery_timer_start_at(struct timers *timers, struct timer *timer, enum delivery_state state,
                             uint64_t deadline_ms);
// Stops it; one that is not running is accepted.
void delivery_timer_stop(struct timer *timer);
// The first timer of a state, or NULL: for walks over all connections of that state.
struct timer *delivery_timers_first(struct timers *timers, enum delivery_state state);
// A timer whose deadline has passed, or NULL. It keeps running: the caller restarts or stops it.
struct timer *delivery_timers_expired(struct timers *timers, uint64_t now_ms);
// The earliest deadline; UINT64_MAX when nothing runs.
uint64_t delivery_timers_next_ms(const struct timers *timers);

#endif
