// Entries on their way into the ledger, and which have ended.
#ifndef STORE_LEDGER_QUEUE_H
#define STORE_LEDGER_QUEUE_H

#include "ledger_inside.h"

// The lock is held where it says so.
struct store_ledger_key store_ledger_key_of_object(const struct store_ledger *ledger, const char *tenant,
                                                   const struct integrity_digest *object);
struct store_ledger_key store_ledger_key_of_original(const struct store_ledger *ledger, const char *tenant,
                                                     const struct integrity_digest *id);
struct store_ledger_key store_ledger_key_of_variant(const struct store_ledger *ledger, const struct cache_key *key);
bool store_ledger_is_dead(const struct store_ledger *ledger, uint64_t index);  // locked
void store_ledger_mark_dead(struct store_ledger *ledger, uint64_t index);      // locked
// Locked: it has ended by itself, and can still be read.
bool store_ledger_is_evicted(const struct store_ledger *ledger, uint64_t index);
uint64_t store_ledger_resolve(const struct store_ledger *ledger, uint32_t value);  // locked: the entry it is now
bool store_ledger_grow_bits(struct store_ledger *ledger, uint64_t size) BASE_CHECKED;
struct store_ledger_item *store_ledger_item_new(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                                size_t subject_capacity);
// Locked: gives the item its index, or drops it when the ledger is not running or the queue is full;
// INTEGRITY_ENTRY_NONE then.
uint64_t store_ledger_enqueue(struct store_ledger *ledger, struct store_ledger_item *item);
// Locked: the put of an original, INTEGRITY_ENTRY_NONE when there is none.
uint64_t store_ledger_find_put(const struct store_ledger *ledger, const char *tenant,
                               const struct integrity_digest *id);
// Locked: ends an entry, which is about the tenant's `object` (NULL: found out when it is written); the index of the
// entry that says so, or INTEGRITY_ENTRY_NONE.
uint64_t store_ledger_end(struct store_ledger *ledger, uint64_t index, enum integrity_entry_kind kind,
                          const char *tenant, const struct integrity_digest *object);
// Enters a put without waiting; its index, or INTEGRITY_ENTRY_NONE: it is there already, or can not be entered.
uint64_t store_ledger_enter_put(struct store_ledger *ledger, const struct store_original *original,
                                const struct integrity_digest *root);
// Locked: waits until the entries before `size` are durable.
enum base_result store_ledger_wait(struct store_ledger *ledger, uint64_t size, struct base_fault *fault) BASE_CHECKED;
// Stops everything for good; says so once. `why` is a clause about "it", and `is_damaged` that a new ledger is needed.
void store_ledger_halt(struct store_ledger *ledger, bool is_damaged, const char *why);

#endif
