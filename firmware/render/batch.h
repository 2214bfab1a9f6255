// The recipes of one order, from one set of sources, in one run of the resampler.
#ifndef RENDER_BATCH_H
#define RENDER_BATCH_H

#include "recipe/order.h"
#include "state.h"

// Makes the order's products; each has a blob or a fault and has arrived, or may have been taken there. Does not call
// done, after which levels[] (NULL: none) are the caller's to keep.
void render_batch_run(const struct render *render, struct recipe_order *order, struct image *levels[]);

#endif
