#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "ledger_hooks.h"
#include "tier.h"

enum { LIST_BATCH = 32 };

// Put.

// The original's lock is held, so the sidecar cannot go away in between.
static enum base_result place_if_wanted(struct store *store, const struct store_placement *placement,
                                        struct base_fault *fault) {
  const struct store_path sidecar = store_path_sidecar(&placement->variant->original, placement->variant->tenant);
  uint64_t bytes;
  if (!store_file_size(store, sidecar.text, &bytes)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "original", "the variant's original is not there");
  }
  return store_tier_place(store, placement, fault);
}

enum base_result store_variant_put(struct store *store, const struct store_variant *variant, struct base_span body,
                                   struct base_fault *fault) {
  if (!store_tenant_is_valid(variant->tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  enum base_result result = store_tier_check(store, body, fault);
  if (result != BASE_OK) return result;
  struct store_variant complete = *variant;
  complete.bytes = body.bytes;
  if (complete.created_s < 0) complete.created_s = 0;
  struct store_placement placement = {.key = variant->key, .variant = &complete};
  struct store_record record = {.kind = STORE_RECORD_VARIANT, .body_bytes = body.bytes, .body_digest = variant->digest};
  result = store_tier_write(store, &placement, &record, body, fault);
  if (result != BASE_OK) return result;

  pthread_mutex_t *lock = store_original_lock(store, &variant->original);
  pthread_mutex_lock(lock);
  result = place_if_wanted(store, &placement, fault);
  pthread_mutex_unlock(lock);
  if (result == BASE_OK) {
    base_metric_add(store->meters.variant_puts, 1);
  } else {
    store_file_discard(store, placement.temporary.text);
  }
  store_tier_bury(store);
  return result;
}

// Get.

struct wanted {
  const struct cache_key *key;
  struct store_variant *out;
};

static enum base_result take_variant(void *argument, const struct store_record *record, struct base_fault *fault) {
  const struct wanted *wanted = argument;
  const enum base_result result = store_read_variant(record, wanted->out, fault);
  if (result != BASE_OK) return result;
  if (memcmp(wanted->out->key.bytes, wanted->key->bytes, sizeof wanted->key->bytes) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "variant", "the record is not what its name says");
}

enum base_result store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                   struct base_blob **body, struct base_fault *fault) {
  struct wanted wanted = {.key = key, .out = out};
  struct base_fault read_fault = {0};
  const enum base_result result = store_tier_read(store, key, take_variant, &wanted, body, &read_fault);
  if (result == BASE_OK) {
    base_metric_add(store->meters.variant_hits, 1);
    return BASE_OK;
  }
  if (result != BASE_NOT_FOUND) return BASE_FAIL(fault, result, read_fault.subject, "%s", read_fault.text);
  base_metric_add(store->meters.variant_misses, 1);
  return BASE_FAIL(fault, BASE_NOT_FOUND, "variant", "the variant is not kept");
}

bool store_variant_exists(struct store *store, const struct cache_key *key) {
  return cache_lru_contains(store->tier, key);
}

// All variants of one original.

static enum base_result visit_variants(struct store *store, const char *tenant, const struct integrity_digest *original,
                                       bool (*visit)(void *argument, const struct store_variant *variant),
                                       void *argument, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  struct store_variant *batch = malloc(LIST_BATCH * sizeof *batch);
  if (!batch) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a list");
  struct cache_key last;
  const struct cache_key *after = NULL;
  for (bool is_wanted = true; is_wanted;) {
    size_t count;
    result = store_index_variant_page(store->index, tenant, original, after, batch, LIST_BATCH, &count, fault);
    if (result != BASE_OK) break;
    for (size_t i = 0; i < count && is_wanted; i++) is_wanted = visit(argument, &batch[i]);
    if (count < LIST_BATCH) break;
    last = batch[count - 1].key;
    after = &last;
  }
  free(batch);
  return result;
}

enum base_result store_variant_list(struct store *store, const char *tenant, const struct integrity_digest *original,
                                    bool (*visit)(void *argument, const struct store_variant *variant), void *argument,
                                    struct base_fault *fault) {
  if (!store_tenant_is_valid(tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  const enum base_result result = store_pend_flush(store, fault);
  return result == BASE_OK ? visit_variants(store, tenant, original, visit, argument, fault) : result;
}

// By somebody's order, and not for lack of room: whoever buries it finds that the ledger says so.
static bool purge(struct store *store, const struct cache_key *key) {
  pthread_mutex_t *lock = store_variant_lock(store, key);
  pthread_mutex_lock(lock);
  const bool was_there = cache_lru_remove(store->tier, key);
  if (was_there) store_ledger_purge(store, key);
  pthread_mutex_unlock(lock);
  return was_there;
}

struct removal {
  struct store *store;
  uint64_t count;
};

static bool remove_listed(void *argument, const struct store_variant *variant) {
  struct removal *removal = argument;
  if (purge(removal->store, &variant->key)) removal->count++;
  return true;
}

static enum base_result remove_all(struct store *store, const char *tenant, const struct integrity_digest *original,
                                   uint64_t *count, struct base_fault *fault) {
  // On a full disk the queue is lost: what it held is found by the next open, and what the index knows goes now.
  struct base_fault lost = {0};
  if (store_pend_flush(store, &lost) != BASE_OK) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &lost);
  }
  struct removal removal = {.store = store};
  const enum base_result result = visit_variants(store, tenant, original, remove_listed, &removal, fault);
  *count = removal.count;
  return result;
}

enum base_result store_variants_remove(struct store *store, const char *tenant, const struct integrity_digest *original,
                                       struct base_fault *fault) {
  uint64_t count;
  return remove_all(store, tenant, original, &count, fault);
}

// Drops.

enum base_result store_variant_drop(struct store *store, const struct cache_key *key, struct base_fault *fault) {
  const bool was_there = purge(store, key);
  store_tier_bury(store);
  if (!was_there) return BASE_FAIL(fault, BASE_NOT_FOUND, "variant", "the variant is not kept");
  base_metric_add(store->meters.variant_drops, 1);
  return BASE_OK;
}

enum base_result store_variants_drop(struct store *store, const char *tenant, const struct integrity_digest *original,
                                     uint64_t *dropped, struct base_fault *fault) {
  *dropped = 0;
  if (!store_tenant_is_valid(tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  pthread_mutex_t *lock = store_original_lock(store, original);
  pthread_mutex_lock(lock);
  const enum base_result result = remove_all(store, tenant, original, dropped, fault);
  pthread_mutex_unlock(lock);
  store_tier_bury(store);
  base_metric_add(store->meters.variant_drops, (int64_t)*dropped);
  return result;
}

enum base_result store_variants_settle(struct store *store, struct base_fault *fault) {
  return store_ledger_settle(store, fault);
}
