// The room's own struct, shared by its files.
#ifndef POP_STATE_H
#define POP_STATE_H

#include "alias.h"
#include "crowd.h"
#include "base/arena.h"
#include "base/pool.h"
#include "flight.h"
#include "held.h"
#include "original.h"
#include "pop/ledger.h"
#include "pop/pop.h"
#include "sending.h"
#include "tenant.h"
#include "upgrade.h"

enum pop_outcome {
  POP_OUTCOME_RAM,
  POP_OUTCOME_DISK,
  POP_OUTCOME_RENDER,
  POP_OUTCOME_COALESCED,
  POP_OUTCOME_ERROR,
  POP_OUTCOME_COUNT
};

enum { POP_LEDGER_PIECES = 4 };  // kinds of what the ledger serves

struct pop {
  struct pop_tenants tenants;
  struct pop_originals originals;
  struct pop_aliases aliases;
  struct cache_lru *variants;
  struct base_arena *arena;  // the bytes of large variants in RAM; NULL: they lie on the heap
  struct pop_flights flights;
  struct pop_upgrades upgrades;
  struct pop_crowd crowd;
  struct pop_held held;
  struct pop_sending sending;
  struct base_pool *io;
  struct store *store;
  struct recipe_renderer renderer;
  bool makes_avif;
  _Atomic(const char *) public_url;  // or NULL
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metric *outcomes[POP_OUTCOME_COUNT];        // of GETs
  struct base_metric *batch_outcomes[POP_OUTCOME_COUNT];  // of the variants of batches
  atomic_bool is_ledger_public;
  _Atomic(const struct pop_ledger_guard *) ledger_guard;
  struct base_metric *ledger_answers[POP_LEDGER_PIECES];
  struct base_metric *ledger_refusals;
  atomic_uint mending;  // variants that are being made anew
  struct base_metric *mended;
};

// ledger.c
void pop_ledger_register(struct pop *pop, struct base_metrics *metrics);
// Keeps in RAM what the ledger can prove, from now on and until then.
void pop_ledger_follow(struct pop *pop);
void pop_ledger_unfollow(struct pop *pop);

// For keys of a tenant's variants.
struct pop_chart pop_chart(struct pop *pop, const char *tenant);

#endif
