#include "ghost.h"

static struct cache_entry *at(const struct cache_ghosts *ghosts, uint32_t number) {
  return cache_table_entry(&ghosts->table, number);
}

bool cache_ghosts_init(struct cache_ghosts *ghosts) {
  ghosts->count = ghosts->bytes = 0;
  if (!cache_table_init(&ghosts->table)) return false;
  *at(ghosts, CACHE_NONE) = (struct cache_entry){.warmer = CACHE_NONE, .colder = CACHE_NONE};
  return true;
}

void cache_ghosts_finish(struct cache_ghosts *ghosts) { cache_table_finish(&ghosts->table); }

static void forget(struct cache_ghosts *ghosts, uint32_t number) {
  const struct cache_entry *ghost = at(ghosts, number);
  cache_table_remove(&ghosts->table, number);
  at(ghosts, ghost->warmer)->colder = ghost->colder;
  at(ghosts, ghost->colder)->warmer = ghost->warmer;
  ghosts->count--;
  ghosts->bytes -= ghost->bytes;
  cache_table_give(&ghosts->table, number);
}

void cache_ghosts_add(struct cache_ghosts *ghosts, const struct cache_key *key, uint64_t bytes, uint64_t most,
                      uint64_t most_bytes) {
  (void)cache_ghosts_take(ghosts, key);
  if (most == 0 || bytes > most_bytes) return;
  while (ghosts->count >= most || ghosts->bytes > most_bytes - bytes) forget(ghosts, at(ghosts, CACHE_NONE)->warmer);
  const uint32_t number = cache_table_take(&ghosts->table);
  if (number == CACHE_NONE) return;
  struct cache_entry *ghost = at(ghosts, number), *ends = at(ghosts, CACHE_NONE);
  *ghost = (struct cache_entry){.key = *key, .bytes = bytes, .warmer = CACHE_NONE, .colder = ends->colder};
  at(ghosts, ends->colder)->warmer = number;
  ends->colder = number;
  cache_table_insert(&ghosts->table, number);
  ghosts->count++;
  ghosts->bytes += bytes;
}

bool cache_ghosts_take(struct cache_ghosts *ghosts, const struct cache_key *key) {
  const uint32_t number = cache_table_find(&ghosts->table, key);
  if (number != CACHE_NONE) forget(ghosts, number);
  return number != CACHE_NONE;
}
