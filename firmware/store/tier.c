#include "tier.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "describe.h"
#include "ledger_hooks.h"

// The file speaks for itself, so a hold on the entry is not needed: the key being there is all that get asks.
static void *acquire_presence(void *self, void *value) {
  (void)value;
  return self;
}

static void count_level(struct store *store, const struct store_tier_entry *entry, uint64_t file_bytes, bool is_added) {
  if (!entry->is_level) return;
  if (is_added) {
    atomic_fetch_add(&store->levels, 1);
    atomic_fetch_add(&store->level_bytes, file_bytes);
  } else {
    atomic_fetch_sub(&store->levels, 1);
    atomic_fetch_sub(&store->level_bytes, file_bytes);
  }
}

// Queues the file for removal; the caller of the tier may hold locks that unlinking needs.
static void release_entry(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)key;
  struct store *store = self;
  struct store_tier_entry *entry = value;
  count_level(store, entry, bytes, false);
  if (is_evicted) {
    base_metric_add(entry->is_level ? store->meters.level_evictions : store->meters.variant_evictions, 1);
  }
  pthread_mutex_lock(&store->doomed_lock);
  entry->next = store->doomed;
  store->doomed = entry;
  pthread_mutex_unlock(&store->doomed_lock);
}

static struct store_tier_entry *take_doomed(struct store *store) {
  pthread_mutex_lock(&store->doomed_lock);
  struct store_tier_entry *first = store->doomed;
  store->doomed = NULL;
  pthread_mutex_unlock(&store->doomed_lock);
  return first;
}

void store_tier_count(struct store *store, struct store_tier_counts *out) {
  struct cache_stats stats;
  cache_lru_get_stats(store->tier, &stats);
  // Not read at one instant: a level that leaves in between must not make the difference negative.
  const uint64_t levels = atomic_load(&store->levels), level_bytes = atomic_load(&store->level_bytes);
  out->levels = levels < stats.entries ? levels : stats.entries;
  out->level_bytes = level_bytes < stats.bytes ? level_bytes : stats.bytes;
  out->variants = stats.entries - out->levels;
  out->variant_bytes = stats.bytes - out->level_bytes;
}

static void show_tier(struct store *store) {
  struct store_tier_counts counts;
  store_tier_count(store, &counts);
  base_metric_set(store->meters.variants, (int64_t)counts.variants);
  base_metric_set(store->meters.variant_bytes, (int64_t)counts.variant_bytes);
  base_metric_set(store->meters.levels, (int64_t)counts.levels);
  base_metric_set(store->meters.level_bytes, (int64_t)counts.level_bytes);
}

void store_tier_bury(struct store *store) {
  struct store_tier_entry *entry = take_doomed(store);
  while (entry) {
    struct store_tier_entry *next = entry->next;
    const struct store_path path = store_path_variant(&entry->key);
    pthread_mutex_t *lock = store_variant_lock(store, &entry->key);
    pthread_mutex_lock(lock);
    // It may have been put again since; then the file is the new one's.
    if (!cache_lru_contains(store->tier, &entry->key)) {
      if (store_file_remove(store, path.text, NULL) != BASE_OK) atomic_store(&store->is_index_behind, true);
      store_pend(store, STORE_CHANGE_REMOVE, &entry->key);
      if (!entry->is_level) store_ledger_evict(store, &entry->key);
    }
    pthread_mutex_unlock(lock);
    free(entry);
    entry = next;
  }
  show_tier(store);
  store_pend_flush_if_long(store);
}

enum base_result store_tier_create(struct store *store, struct base_fault *fault) {
  const struct cache_config config = {.budget_bytes = store->config.variant_budget_bytes,
                                      .release = release_entry,
                                      .acquire = acquire_presence,
                                      .self = store};
  store->tier = cache_lru_create(&config, fault);
  return store->tier ? BASE_OK : BASE_NO_MEMORY;
}

void store_tier_destroy(struct store *store) {
  cache_lru_destroy(&store->tier);
  struct store_tier_entry *entry = take_doomed(store);  // left the tier, not the disk
  while (entry) {
    struct store_tier_entry *next = entry->next;
    free(entry);
    entry = next;
  }
}

// Puts a new entry in; it is the tier's after BASE_OK only.
static enum base_result tier_put(struct store *store, struct store_tier_entry *entry, uint64_t file_bytes) {
  count_level(store, entry, file_bytes, true);  // before it can be evicted by somebody else
  const enum base_result result = cache_lru_put(store->tier, &entry->key, entry, file_bytes);
  if (result != BASE_OK) count_level(store, entry, file_bytes, false);
  return result;
}

static struct store_tier_entry *entry_new(const struct cache_key *key, bool is_level) {
  struct store_tier_entry *entry = malloc(sizeof *entry);
  if (entry) *entry = (struct store_tier_entry){.key = *key, .is_level = is_level};
  return entry;
}

static enum base_result load_row(void *argument, const struct store_index_variant_row *row) {
  struct store *store = argument;
  struct store_tier_entry *entry = entry_new(&row->key, row->is_level);
  if (!entry) return BASE_NO_MEMORY;
  if (row->use >= atomic_load(&store->next_use)) atomic_store(&store->next_use, row->use + 1);
  const enum base_result result = tier_put(store, entry, row->file_bytes);
  if (result == BASE_TOO_LARGE) {  // the budget has shrunk
    count_level(store, entry, row->file_bytes, true);
    release_entry(store, &row->key, entry, row->file_bytes, true);
    return BASE_OK;
  }
  if (result != BASE_OK) free(entry);
  return result;
}

enum base_result store_tier_load(struct store *store, struct base_fault *fault) {
  const enum base_result result = store_index_variant_by_use(store->index, load_row, store, fault);
  if (result == BASE_OK) store_tier_bury(store);
  return result;
}

bool store_tier_make_room(struct store *store, uint64_t bytes) {
  struct cache_stats stats;
  cache_lru_get_stats(store->tier, &stats);
  if (bytes > stats.bytes) return false;
  // A put in between sees the small budget: it evicts more than it had to, or is not kept.
  cache_lru_set_budget(store->tier, stats.bytes - bytes);
  cache_lru_set_budget(store->tier, store->config.variant_budget_bytes);
  store_tier_bury(store);
  return true;
}

// Put.

enum base_result store_tier_check(struct store *store, struct base_span body, struct base_fault *fault) {
  if (body.bytes > STORE_MAX_VARIANT_BYTES || body.bytes > store->config.variant_budget_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "variant", "a variant or level of %zu bytes is too large to keep",
                     body.bytes);
  }
  uint64_t missing = store_missing_bytes(store, body.bytes);
  if (missing > 0 && store_tier_make_room(store, missing)) missing = store_missing_bytes(store, body.bytes);
  if (missing > 0) {
    base_metric_add(store->meters.no_space, 1);
    return BASE_FAIL(fault, BASE_NO_SPACE, "disk", "the disk has no room for variants");
  }
  return BASE_OK;
}

enum base_result store_tier_write(struct store *store, struct store_placement *placement, struct store_record *record,
                                  struct base_span body, struct base_fault *fault) {
  struct base_buffer meta;
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  enum base_result result = placement->level ? store_describe_level(placement->level, &meta, fault)
                                             : store_describe_variant(placement->variant, &meta, fault);
  record->meta = base_buffer_span(&meta);
  if (result == BASE_OK) {
    result = store_record_write(store, record, body, false, &placement->temporary, &placement->file_bytes, fault);
    placement->root = record->root;
  }
  base_buffer_finish(&meta);
  return result;
}

// The variant's lock is held: file, tier and queue change together.
static enum base_result place(struct store *store, const struct store_placement *placement, struct base_fault *fault) {
  const struct cache_key *key = &placement->key;
  const struct integrity_digest digest = store_digest_of_key(key);
  const struct store_path folder = store_path_shard(STORE_VARIANTS, &digest);
  const struct store_path path = store_path_variant(key);
  struct store_tier_entry *entry = entry_new(key, placement->level != NULL);
  if (!entry) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an entry of the disk tier");

  enum base_result result = store_folder_make(store, folder.text, false, fault);
  if (result == BASE_OK) result = store_file_rename(store, placement->temporary.text, path.text, fault);
  if (result != BASE_OK) {
    free(entry);
    return result;
  }
  result = tier_put(store, entry, placement->file_bytes);
  if (result != BASE_OK) {
    (void)cache_lru_remove(store->tier, key);  // an older one, whose file was just replaced
    store_file_discard(store, path.text);
    free(entry);
    return BASE_FAIL(fault, result, "variant", "the variant or level can not be kept");
  }
  if (placement->level) {
    store_pend_level(store, placement->level, placement->file_bytes);
  } else {
    store_pend_variant(store, placement->variant, placement->file_bytes);
    store_ledger_derive(store, placement->variant, &placement->root);
  }
  return BASE_OK;
}

enum base_result store_tier_place(struct store *store, const struct store_placement *placement,
                                  struct base_fault *fault) {
  pthread_mutex_t *lock = store_variant_lock(store, &placement->key);
  pthread_mutex_lock(lock);
  const enum base_result result = place(store, placement, fault);
  pthread_mutex_unlock(lock);
  return result;
}

// Get.

void store_tier_drop_damaged(struct store *store, const struct cache_key *key, const struct base_fault *fault) {
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, fault);
  base_metric_add(store->meters.damaged, 1);
  (void)cache_lru_remove(store->tier, key);
  store_tier_bury(store);
}

enum base_result store_tier_read(struct store *store, const struct cache_key *key,
                                 enum base_result (*take)(void *argument, const struct store_record *record,
                                                          struct base_fault *fault),
                                 void *argument, struct base_blob **out, struct base_fault *fault) {
  if (!cache_lru_get(store->tier, key)) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "it is not kept");
  const struct store_path path = store_path_variant(key);
  struct base_fault read_fault = {0};
  struct store_record_file file;
  enum base_result result = store_record_open(store, path.text, &file, &read_fault);
  if (result == BASE_OK) {
    result = take(argument, &file.record, &read_fault);
    if (result == BASE_OK) result = store_record_read_body(&file, path.text, STORE_MAX_VARIANT_BYTES, out, &read_fault);
    base_fd_close(&file.fd);
  }
  if (result == BASE_OK) {
    store_pend(store, STORE_CHANGE_USE, key);
    store_pend_flush_if_long(store);
    return BASE_OK;
  }
  // Short of memory or descriptors: nothing is known of the record. What the disk can not read is damage.
  if (result == BASE_NO_MEMORY || result == BASE_BUSY) {
    return BASE_FAIL(fault, result, read_fault.subject, "%s", read_fault.text);
  }
  // Not found: evicted between look-up and open, which is an ordinary miss unless somebody removed the file.
  if (result != BASE_NOT_FOUND || cache_lru_contains(store->tier, key)) {
    store_tier_drop_damaged(store, key, &read_fault);
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "", "it is not kept");
}
