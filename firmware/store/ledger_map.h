// A compact multimap from short digests to numbers, 16 bytes a slot: which entries of the ledger are about an object.
//
// Keys are taken from keyed digests, so that nobody can make two of them meet. Belongs to one lock.
#ifndef STORE_LEDGER_MAP_H
#define STORE_LEDGER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum { STORE_LEDGER_KEY_BYTES = 12 };

struct store_ledger_key {
  uint8_t bytes[STORE_LEDGER_KEY_BYTES];
};

struct store_ledger_slot {
  struct store_ledger_key key;
  uint32_t value;  // plus one; 0: free
};

// Zero-initialise it.
struct store_ledger_map {
  struct store_ledger_slot *slots;
  size_t capacity;  // a power of two, or 0
  size_t count;
};

void store_ledger_map_finish(struct store_ledger_map *map);
// Values are below UINT32_MAX; a key may have several. BASE_NO_MEMORY.
enum base_result store_ledger_map_add(struct store_ledger_map *map, const struct store_ledger_key *key,
                                      uint32_t value) BASE_CHECKED;
// False when it is not there.
bool store_ledger_map_remove(struct store_ledger_map *map, const struct store_ledger_key *key, uint32_t value);
// The values of a key, one by one: *at begins as 0.
bool store_ledger_map_next(const struct store_ledger_map *map, const struct store_ledger_key *key, size_t *at,
                           uint32_t *value) BASE_CHECKED;
// Gives every value another one, or takes it out when `renumber` says no. It must answer the same when asked again.
void store_ledger_map_renumber(struct store_ledger_map *map,
                               bool (*renumber)(const void *argument, uint32_t value, uint32_t *out),
                               const void *argument);

#endif
