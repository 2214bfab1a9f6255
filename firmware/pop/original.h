// What is known of originals, in RAM, so that a hit needs no disk.
#ifndef POP_ORIGINAL_H
#define POP_ORIGINAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/lru.h"
#include "image/header.h"
#include "integrity/digest.h"
#include "store/store.h"

// Ref-counted and immutable.
struct pop_original {
  atomic_uint refs;
  char tenant[STORE_MAX_TENANT + 1];
  struct integrity_digest id;
  struct image_header header;
  int64_t created_s;
};

struct pop_originals {
  struct cache_lru *cache;
  struct store *store;
  pthread_mutex_t lock;  // orders keeping against forgetting
  uint64_t generation;   // raised by every forget
};

enum base_result pop_originals_init(struct pop_originals *originals, struct store *store,
                                    struct base_fault *fault) BASE_CHECKED;
void pop_originals_finish(struct pop_originals *originals);
// What is in RAM, with a reference for the caller, or NULL.
struct pop_original *pop_originals_get(struct pop_originals *originals, const char *tenant,
                                       const struct integrity_digest *id);
// Reads it from the store and keeps it. BASE_NOT_FOUND when the tenant has no such original. Blocks on the disk.
enum base_result pop_originals_load(struct pop_originals *originals, const char *tenant,
                                    const struct integrity_digest *id, struct pop_original **out,
                                    struct base_fault *fault) BASE_CHECKED;
void pop_originals_forget(struct pop_originals *originals, const char *tenant, const struct integrity_digest *id);

struct pop_original *pop_original_ref(struct pop_original *original);
void pop_original_unref(struct pop_original **original);
bool pop_original_is(const struct pop_original *original, const char *tenant, const struct integrity_digest *id);

#endif
