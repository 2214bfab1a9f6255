#include "held.h"

enum { LEAST_SHARE = 4 };

void pop_held_init(struct pop_held *held, uint64_t budget_bytes, struct base_metrics *metrics) {
  pthread_mutex_init(&held->lock, NULL);
  pthread_mutex_init(&held->share_lock, NULL);
  held->first = NULL;
  atomic_init(&held->bytes, 0);
  atomic_init(&held->budget_bytes, budget_bytes);
  atomic_init(&held->is_settling, false);
  held->cache_bytes = budget_bytes;
  held->metric = base_metrics_gauge(metrics, "pixpop_pop_held_bytes", "",
                                    "Variants that are being sent but are not in RAM's cache");
}

void pop_held_finish(struct pop_held *held) {
  while (held->first) {
    struct pop_variant *variant = held->first;
    held->first = variant->next_held;
    pop_variant_unref(&variant);
  }
  pthread_mutex_destroy(&held->share_lock);
  pthread_mutex_destroy(&held->lock);
}

// Replies hold the bytes and not the variant.
static bool is_being_sent(const struct pop_variant *variant) { return atomic_load(&variant->blob->refs) > 1; }

void pop_held_take(struct pop_held *held, struct pop_variant *variant) {
  // Another reference of the variant means that a reply is just being made of it, or that its flight is landing.
  if (!is_being_sent(variant) && atomic_load(&variant->refs) == 1) {
    pop_variant_unref(&variant);
    return;
  }
  pthread_mutex_lock(&held->lock);
  variant->next_held = held->first;
  held->first = variant;
  atomic_fetch_add(&held->bytes, pop_variant_bytes(variant));
  pthread_mutex_unlock(&held->lock);
}

// Takes out of the list what nobody reads any more; gives it back as a list.
static struct pop_variant *sweep(struct pop_held *held) {
  struct pop_variant *done = NULL;
  struct pop_variant **link = &held->first;
  while (*link) {
    struct pop_variant *variant = *link;
    if (is_being_sent(variant) || atomic_load(&variant->refs) > 1) {
      link = &variant->next_held;
      continue;
    }
    *link = variant->next_held;
    atomic_fetch_sub(&held->bytes, pop_variant_bytes(variant));
    variant->next_held = done;
    done = variant;
  }
  return done;
}

static uint64_t cache_share(struct pop_held *held) {
  const uint64_t budget = atomic_load(&held->budget_bytes), bytes = atomic_load(&held->bytes);
  const uint64_t least = budget / LEAST_SHARE;
  return bytes >= budget - least ? least : budget - bytes;
}

// The share is found out under the lock, so that the last to give one gives the newest. What this evicts may be held
// too, and counts next time.
static void give_share(struct pop_held *held, struct cache_lru *variants) {
  pthread_mutex_lock(&held->share_lock);
  const uint64_t share = cache_share(held);
  if (share != held->cache_bytes) {
    held->cache_bytes = share;
    cache_lru_set_budget(variants, share);
  }
  pthread_mutex_unlock(&held->share_lock);
}

bool pop_held_is_read(struct pop_held *held, uint64_t sent_bytes) {
  return atomic_load_explicit(&held->bytes, memory_order_relaxed) > sent_bytes;
}

void pop_held_settle(struct pop_held *held, struct cache_lru *variants) {
  pthread_mutex_lock(&held->lock);
  struct pop_variant *done = sweep(held);
  pthread_mutex_unlock(&held->lock);
  base_metric_set(held->metric, (int64_t)atomic_load(&held->bytes));
  while (done) {
    struct pop_variant *next = done->next_held;
    pop_variant_unref(&done);
    done = next;
  }
  give_share(held, variants);
}

void pop_held_set_budget(struct pop_held *held, struct cache_lru *variants, uint64_t budget_bytes) {
  atomic_store(&held->budget_bytes, budget_bytes);
  pop_held_settle(held, variants);
}
