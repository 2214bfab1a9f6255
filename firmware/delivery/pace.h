// Whether a client takes its reply fast enough: within the write time-out it must take DELIVERY_PACE_BYTES, or all that
// is left. A time-out for silence alone would let it hold a reply for ever, a byte at a time.
#ifndef DELIVERY_PACE_H
#define DELIVERY_PACE_H

#include <stdbool.h>
#include <stdint.h>

// Some 550 bytes a second with the default time-out: a poor mobile connection takes four times as much.
enum { DELIVERY_PACE_BYTES = 16384 };

struct pace {
  uint64_t from_ms;       // when the time-out began
  uint64_t moved_bytes;   // since then
  uint64_t queued_bytes;  // what the kernel still had to send then
};

// Begins a time-out's time.
void delivery_pace_start(struct pace *pace, uint64_t now_ms, uint64_t queued_bytes);
// So many bytes went. True when that makes enough: the caller starts it again.
bool delivery_pace_move(struct pace *pace, uint64_t bytes);
// The time is over: true when the client has taken enough out of the kernel's queue nevertheless. A large queue says
// for a long time that it is full.
bool delivery_pace_is_kept(const struct pace *pace, uint64_t queued_bytes);

#endif
