// Least recently used goes first. With heat an entry at the cold end that has been touched since goes back to the hot
// end for half of its heat.
#include "order.h"

enum { CHANCES = 64 };

static bool init(struct cache_order *order) {
  cache_ring_init(order->table, &order->ring, CACHE_NONE);
  return true;
}

static void finish(struct cache_order *order) { (void)order; }

static void touch(struct cache_order *order, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(order->table, number);
  if (order->weighs_heat && entry->heat < CACHE_HEAT_MOST) entry->heat++;
  cache_ring_renew(order->table, &order->ring, number);
}

static void enter(struct cache_order *order, uint32_t number) { cache_ring_add(order->table, &order->ring, number); }

// The bound keeps one eviction short when many have been touched.
static uint32_t victim(struct cache_order *order) {
  uint32_t number = cache_ring_coldest(order->table, &order->ring);
  for (int i = 0; i < CHANCES && cache_table_entry(order->table, number)->heat > 0; i++) {
    cache_table_entry(order->table, number)->heat /= 2;
    cache_ring_renew(order->table, &order->ring, number);
    number = cache_ring_coldest(order->table, &order->ring);
  }
  return number;
}

static void leave(struct cache_order *order, uint32_t number, bool is_evicted) {
  (void)is_evicted;
  cache_ring_remove(order->table, &order->ring, number);
}

const struct cache_policy_rules cache_policy_lru = {init, finish, touch, enter, victim, leave};
