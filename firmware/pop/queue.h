// Flights that want a render: they wait in their client's line (crowd.h) and are handed to the renderer as it and their
// client's earlier renders let them. Nothing waits in a thread: whoever lands something hands over what comes next.
#ifndef POP_QUEUE_H
#define POP_QUEUE_H

#include "state.h"

// Takes a flight that is in no cache: queues it, or lands it with BASE_BUSY when too many wait. Those whose clients are
// gone make room first.
void pop_queue_add(struct pop *pop, struct pop_flight *flight);
// Hands over whatever has its turn now. To be called when that may have changed; on any thread, without any lock.
void pop_queue_hand_over(struct pop *pop);
// An order of somebody else's begins and ends at the renderer, which may be what flights are waiting for.
void pop_queue_begin_order(struct pop *pop);
void pop_queue_end_order(struct pop *pop);
// For the end: lands all that wait with BASE_BUSY, and what may still come.
void pop_queue_close(struct pop *pop);

#endif
