// The recipes of one order, worked off in groups that share a decode.
#ifndef RENDER_BATCH_H
#define RENDER_BATCH_H

#include "recipe/order.h"
#include "state.h"

// Fills the order's products; each has a blob or a fault. Does not call done.
void render_batch_run(const struct render *render, struct recipe_order *order);

#endif
