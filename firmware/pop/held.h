// Variants that are not in the cache, which they have left or were too large for, while somebody is still being sent
// them. A reader may be slow, so they count against the budget of RAM: the cache has what they leave of it, but never
// less than a quarter. How much may be held, and for whom, is the matter of sending.h.
#ifndef POP_HELD_H
#define POP_HELD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "cache/lru.h"
#include "variant.h"

struct pop_held {
  pthread_mutex_t lock;
  struct pop_variant *first;  // and the rest by `next_held`
  atomic_uint_fast64_t bytes;
  atomic_uint_fast64_t budget_bytes;
  pthread_mutex_t share_lock;  // shares come to the cache one after another
  uint64_t cache_bytes;        // the budget that the cache has now; under share_lock
  atomic_bool is_settling;     // somebody is about to
  struct base_metric *metric;
};

void pop_held_init(struct pop_held *held, uint64_t budget_bytes, struct base_metrics *metrics);
void pop_held_finish(struct pop_held *held);
// Takes the caller's reference of a variant that has left the cache, or was not taken by it.
void pop_held_take(struct pop_held *held, struct pop_variant *variant);
// True when some of it has been read, as no more than `sent_bytes` are being sent at all.
bool pop_held_is_read(struct pop_held *held, uint64_t sent_bytes);
// Lets go of what has been sent, and gives the cache its share. Not from within the cache's release.
void pop_held_settle(struct pop_held *held, struct cache_lru *variants);
void pop_held_set_budget(struct pop_held *held, struct cache_lru *variants, uint64_t budget_bytes);

#endif
