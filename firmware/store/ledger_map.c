#include "ledger_map.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

static size_t home_of(const struct store_ledger_map *map, const struct store_ledger_key *key) {
  uint64_t hash;
  memcpy(&hash, key->bytes, sizeof hash);
  return (size_t)hash & (map->capacity - 1);
}

static bool is_key(const struct store_ledger_slot *slot, const struct store_ledger_key *key) {
  return memcmp(slot->key.bytes, key->bytes, sizeof key->bytes) == 0;
}

static void place(struct store_ledger_map *map, const struct store_ledger_slot *slot) {
  size_t at = home_of(map, &slot->key);
  while (map->slots[at].value) at = (at + 1) & (map->capacity - 1);
  map->slots[at] = *slot;
}

static enum base_result grow(struct store_ledger_map *map) {
  struct store_ledger_map larger = {.capacity = map->capacity ? 2 * map->capacity : FIRST_CAPACITY,
                                    .count = map->count};
  if (larger.capacity > SIZE_MAX / 2 / sizeof *larger.slots) return BASE_NO_MEMORY;
  larger.slots = calloc(larger.capacity, sizeof *larger.slots);
  if (!larger.slots) return BASE_NO_MEMORY;
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].value) place(&larger, &map->slots[i]);
  }
  free(map->slots);
  *map = larger;
  return BASE_OK;
}

void store_ledger_map_finish(struct store_ledger_map *map) {
  free(map->slots);
  *map = (struct store_ledger_map){0};
}

enum base_result store_ledger_map_add(struct store_ledger_map *map, const struct store_ledger_key *key,
                                      uint32_t value) {
  BASE_ASSERT(value < UINT32_MAX);
  if (map->count >= map->capacity / 4 * 3 && grow(map) != BASE_OK) return BASE_NO_MEMORY;
  const struct store_ledger_slot slot = {.key = *key, .value = value + 1};
  place(map, &slot);
  map->count++;
  return BASE_OK;
}

// Takes the slot out and moves up what had to go past it, so that no search ends at the gap.
static void take_out(struct store_ledger_map *map, size_t gap) {
  const size_t mask = map->capacity - 1;
  for (size_t at = (gap + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
    const size_t home = home_of(map, &map->slots[at].key);
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    map->slots[gap] = map->slots[at];
    gap = at;
  }
  map->slots[gap].value = 0;
  map->count--;
}

bool store_ledger_map_remove(struct store_ledger_map *map, const struct store_ledger_key *key, uint32_t value) {
  if (map->capacity == 0) return false;
  for (size_t at = home_of(map, key); map->slots[at].value; at = (at + 1) & (map->capacity - 1)) {
    if (map->slots[at].value != value + 1 || !is_key(&map->slots[at], key)) continue;
    take_out(map, at);
    return true;
  }
  return false;
}

bool store_ledger_map_next(const struct store_ledger_map *map, const struct store_ledger_key *key, size_t *at,
                           uint32_t *value) {
  if (map->capacity == 0) return false;
  const size_t mask = map->capacity - 1, home = home_of(map, key);
  for (; map->slots[(home + *at) & mask].value; ++*at) {
    const struct store_ledger_slot *slot = &map->slots[(home + *at) & mask];
    if (!is_key(slot, key)) continue;
    *value = slot->value - 1;
    ++*at;
    return true;
  }
  return false;
}

void store_ledger_map_renumber(struct store_ledger_map *map,
                               bool (*renumber)(const void *argument, uint32_t value, uint32_t *out),
                               const void *argument) {
  uint32_t value;
  // What moves into a gap has not been asked yet, or says again what it said.
  for (size_t i = 0; i < map->capacity;) {
    if (map->slots[i].value && !renumber(argument, map->slots[i].value - 1, &value)) {
      take_out(map, i);
    } else {
      i++;
    }
  }
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].value && renumber(argument, map->slots[i].value - 1, &value)) map->slots[i].value = value + 1;
  }
}
