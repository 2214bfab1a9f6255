// Changes of the variant and level rows, queued so that a hit or a new one does not wait for the index.
//
// A crash loses the queue; the records are still there, and the next open finds them.
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "base/result.h"

enum store_change { STORE_CHANGE_PUT, STORE_CHANGE_PUT_LEVEL, STORE_CHANGE_USE, STORE_CHANGE_REMOVE };

struct store_pending;

// NULL when memory is short.
struct store_pending *store_pending_create(void);
// The queue should have been flushed; what is left is dropped.
void store_pending_destroy(struct store_pending **pending);

#endif
