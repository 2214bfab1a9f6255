// S3-FIFO (Yang et al., SOSP '23): newcomers pass a small queue of a tenth of the budget and reach the main one when
// they were hit twice on the way; what leaves the small queue is remembered, and enters the main one at once when it
// comes back. In the main queue a hit is worth another round, up to three.
//
// Sizes are bytes, as they are very different: the tenth, the main queue and the memory, which reaches back as many
// bytes as the main queue may have and never holds more keys than there are entries.
#include "order.h"

enum { CHANCES = 1024, SMALL_PART = 10, HITS_MOST = 3, HITS_TO_STAY = 2, FEWEST_GHOSTS = 64 };

static uint64_t small_budget(const struct cache_order *order) { return order->budget_bytes / SMALL_PART; }

static bool init(struct cache_order *order) {
  const uint32_t ends = cache_table_take(order->table);
  if (ends == CACHE_NONE || !cache_ghosts_init(&order->ghosts)) return false;
  cache_ring_init(order->table, &order->ring, CACHE_NONE);
  cache_ring_init(order->table, &order->small, ends);
  return true;
}

static void finish(struct cache_order *order) { cache_ghosts_finish(&order->ghosts); }

static void touch(struct cache_order *order, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(order->table, number);
  if (entry->heat < HITS_MOST) entry->heat++;
}

static struct cache_ring *ring_of(struct cache_order *order, const struct cache_entry *entry) {
  return entry->is_small ? &order->small : &order->ring;
}

static void enter(struct cache_order *order, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(order->table, number);
  entry->is_small = !cache_ghosts_take(&order->ghosts, &entry->key);
  cache_ring_add(order->table, ring_of(order, entry), number);
}

static void promote(struct cache_order *order, uint32_t number) {
  struct cache_entry *entry = cache_table_entry(order->table, number);
  cache_ring_remove(order->table, &order->small, number);
  entry->is_small = false;
  entry->heat = 0;
  cache_ring_add(order->table, &order->ring, number);
}

static uint32_t candidate(const struct cache_order *order) {
  const bool is_small =
      order->ring.entries == 0 || (order->small.entries > 0 && order->small.bytes > small_budget(order));
  return cache_ring_coldest(order->table, is_small ? &order->small : &order->ring);
}

static uint32_t victim(struct cache_order *order) {
  uint32_t number = candidate(order);
  for (int i = 0; i < CHANCES; i++) {
    struct cache_entry *entry = cache_table_entry(order->table, number);
    if (entry->is_small ? entry->heat < HITS_TO_STAY : entry->heat == 0) break;
    if (entry->is_small) {
      promote(order, number);
    } else {
      entry->heat--;
      cache_ring_renew(order->table, &order->ring, number);
    }
    number = candidate(order);
  }
  return number;
}

static void leave(struct cache_order *order, uint32_t number, bool is_evicted) {
  const struct cache_entry *entry = cache_table_entry(order->table, number);
  cache_ring_remove(order->table, ring_of(order, entry), number);
  if (!is_evicted || !entry->is_small) return;
  const uint64_t entries = order->ring.entries + order->small.entries;
  cache_ghosts_add(&order->ghosts, &entry->key, entry->bytes, entries > FEWEST_GHOSTS ? entries : FEWEST_GHOSTS,
                   order->budget_bytes - small_budget(order));
}

const struct cache_policy_rules cache_policy_s3fifo = {init, finish, touch, enter, victim, leave};
