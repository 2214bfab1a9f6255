// Variants that were found damaged on the disk: made anew in the background, so that nobody waits for them.
//
// The scrubber's callback. Thread-safe.
#ifndef POP_MEND_H
#define POP_MEND_H

#include "pop/pop.h"

// Puts a variant that the store has dropped back on the disk: from RAM when it is there, else it is rendered as an
// order that waits for all others. Returns at once. What can not be ordered now, or would not be asked for any more
// (another recipe, another renderer), is left to be made when somebody asks.
void pop_mend(struct pop *pop, const struct store_variant *variant);

#endif
