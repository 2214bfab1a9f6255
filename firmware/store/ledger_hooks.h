// How the store's own operations keep the ledger. Without one (off, halted) all of these do nothing and are fine.
#ifndef STORE_LEDGER_HOOKS_H
#define STORE_LEDGER_HOOKS_H

#include "integrity/digest.h"
#include "store/store.h"

struct store_ledger;

// Of an opened store whose tier is loaded. What is wrong with the ledger's files halts it, and is no failure.
enum base_result store_ledger_open(struct store *store, struct base_fault *fault) BASE_CHECKED;
// Writes and signs what is left. Nobody may use the store any more.
void store_ledger_close(struct store *store);

// The original is there; durable after BASE_OK. After a failure its entry waits on. Its lock is held.
enum base_result store_ledger_put(struct store *store, const struct store_original *original,
                                  const struct integrity_digest *root, struct base_fault *fault) BASE_CHECKED;
// The commit that put the original failed, and it goes again. Its lock is held.
void store_ledger_take_back(struct store *store, const struct store_original *original);
// The variant is there, perhaps in place of another one of its key. The lock of its file is held.
void store_ledger_derive(struct store *store, const struct store_variant *variant, const struct integrity_digest *root);
// It has gone by itself, or by somebody's order. The lock of its file is held.
void store_ledger_evict(struct store *store, const struct cache_key *key);
void store_ledger_purge(struct store *store, const struct cache_key *key);
// The tenant's original has gone by somebody's order. Its lock is held.
void store_ledger_purge_original(struct store *store, const char *tenant, const struct integrity_digest *id);
// Waits until all that was entered so far is durable.
enum base_result store_ledger_settle(struct store *store, struct base_fault *fault) BASE_CHECKED;

#endif
