// SIEVE (Zhang et al., NSDI '24): entries stay in the order in which they came. A hit sets a flag and moves nothing; a
// hand goes from the oldest to the newest and round again, clears flags, and evicts the first entry without one.
#include "order.h"

// A hand that meets flags only would go round the whole cache under the lock.
enum { CHANCES = 1024 };

static bool init(struct cache_order *order) {
  cache_ring_init(order->table, &order->ring, CACHE_NONE);
  order->hand = CACHE_NONE;
  return true;
}

static void finish(struct cache_order *order) { (void)order; }

static void touch(struct cache_order *order, uint32_t number) { cache_table_entry(order->table, number)->heat = 1; }

static void enter(struct cache_order *order, uint32_t number) { cache_ring_add(order->table, &order->ring, number); }

static uint32_t from_hand(const struct cache_order *order) {
  return order->hand != CACHE_NONE ? order->hand : cache_ring_coldest(order->table, &order->ring);
}

static uint32_t victim(struct cache_order *order) {
  uint32_t number = from_hand(order);
  for (int i = 0; i < CHANCES && cache_table_entry(order->table, number)->heat > 0; i++) {
    struct cache_entry *entry = cache_table_entry(order->table, number);
    entry->heat = 0;
    order->hand = entry->warmer;  // the sentinel, which is CACHE_NONE, behind the newest
    number = from_hand(order);
  }
  return order->hand = number;
}

static void leave(struct cache_order *order, uint32_t number, bool is_evicted) {
  (void)is_evicted;
  if (order->hand == number) order->hand = cache_table_entry(order->table, number)->warmer;
  cache_ring_remove(order->table, &order->ring, number);
}

const struct cache_policy_rules cache_policy_sieve = {init, finish, touch, enter, victim, leave};
