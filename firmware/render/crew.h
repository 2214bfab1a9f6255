// A crew: the thread that has an order's pictures, and pool threads with nothing else to do, share the encoding.
#ifndef RENDER_CREW_H
#define RENDER_CREW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

// Calls work(self, i) once for every i of 0 .. count-1, in that order but several at a time, and returns when all have
// returned. The caller works too, so that it ends also when every other thread of the pool is busy. False when memory
// is short: then nothing was called. Without a pool (NULL) the caller works alone.
bool render_crew_run(struct base_pool *pool, size_t count, void (*work)(void *self, size_t i), void *self) BASE_CHECKED;

#endif
