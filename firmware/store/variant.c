#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "describe.h"
#include "inside.h"

enum { LIST_BATCH = 32 };

// The tier: which variants are on disk, in the order of their use.

// The file speaks for itself, so a hold on the entry is not needed: the key being there is all that get asks.
static void *acquire_presence(void *self, void *value) {
  (void)value;
  return self;
}

// Queues the file for removal; the caller of the tier may hold locks that unlinking needs.
static void release_entry(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)key;
  (void)bytes;
  struct store *store = self;
  struct store_variant_entry *entry = value;
  if (is_evicted) base_metric_add(store->meters.variant_evictions, 1);
  pthread_mutex_lock(&store->doomed_lock);
  entry->next = store->doomed;
  store->doomed = entry;
  pthread_mutex_unlock(&store->doomed_lock);
}

static struct store_variant_entry *take_doomed(struct store *store) {
  pthread_mutex_lock(&store->doomed_lock);
  struct store_variant_entry *first = store->doomed;
  store->doomed = NULL;
  pthread_mutex_unlock(&store->doomed_lock);
  return first;
}

static void show_tier(struct store *store) {
  struct cache_stats stats;
  cache_lru_get_stats(store->tier, &stats);
  base_metric_set(store->meters.variants, (int64_t)stats.entries);
  base_metric_set(store->meters.variant_bytes, (int64_t)stats.bytes);
}

void store_variants_bury(struct store *store) {
  struct store_variant_entry *entry = take_doomed(store);
  while (entry) {
    struct store_variant_entry *next = entry->next;
    const struct store_path path = store_path_variant(&entry->key);
    pthread_mutex_t *lock = store_variant_lock(store, &entry->key);
    pthread_mutex_lock(lock);
    // It may have been put again since; then the file is the new one's.
    if (!cache_lru_contains(store->tier, &entry->key)) {
      if (store_file_remove(store, path.text, NULL) != BASE_OK) atomic_store(&store->is_index_behind, true);
      store_pend(store, STORE_CHANGE_REMOVE, &entry->key, NULL, 0);
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
  struct store_variant_entry *entry = take_doomed(store);  // left the tier, not the disk
  while (entry) {
    struct store_variant_entry *next = entry->next;
    free(entry);
    entry = next;
  }
}

static struct store_variant_entry *entry_new(const struct cache_key *key) {
  struct store_variant_entry *entry = malloc(sizeof *entry);
  if (entry) *entry = (struct store_variant_entry){.key = *key};
  return entry;
}

static enum base_result load_row(void *argument, const struct store_index_variant_row *row) {
  struct store *store = argument;
  struct store_variant_entry *entry = entry_new(&row->key);
  if (!entry) return BASE_NO_MEMORY;
  if (row->use >= atomic_load(&store->next_use)) atomic_store(&store->next_use, row->use + 1);
  const enum base_result result = cache_lru_put(store->tier, &row->key, entry, row->file_bytes);
  if (result == BASE_TOO_LARGE) {  // the budget has shrunk
    release_entry(store, &row->key, entry, row->file_bytes, true);
    return BASE_OK;
  }
  if (result != BASE_OK) free(entry);
  return result;
}

enum base_result store_tier_load(struct store *store, struct base_fault *fault) {
  const enum base_result result = store_index_variant_by_use(store->index, load_row, store, fault);
  if (result == BASE_OK) store_variants_bury(store);
  return result;
}

// Put.

struct placement {
  struct store_variant variant;  // complete
  struct store_path temporary;
  uint64_t file_bytes;
};

static enum base_result check_put(struct store *store, const struct store_variant *variant, struct base_span body,
                                  struct base_fault *fault) {
  if (!store_tenant_is_valid(variant->tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  if (body.bytes > STORE_MAX_VARIANT_BYTES || body.bytes > store->config.variant_budget_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "variant", "a variant of %zu bytes is too large to keep", body.bytes);
  }
  const uint64_t free_bytes = store_free_bytes(store);
  if (free_bytes < body.bytes || free_bytes - body.bytes < store->config.min_free_bytes) {
    base_metric_add(store->meters.no_space, 1);
    return BASE_FAIL(fault, BASE_NO_SPACE, "disk", "the disk has no room for variants");
  }
  return BASE_OK;
}

static enum base_result write_record(struct store *store, struct placement *placement, struct base_span body,
                                     struct base_fault *fault) {
  struct store_record record = {
      .kind = STORE_RECORD_VARIANT, .body_bytes = body.bytes, .body_digest = placement->variant.digest};
  struct base_buffer meta, head;
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  base_buffer_init(&head, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  enum base_result result = store_describe_variant(&placement->variant, &meta, fault);
  record.meta = base_buffer_span(&meta);
  if (result == BASE_OK) result = store_record_write_head(&record, &head, fault);
  if (result == BASE_OK) {
    placement->file_bytes = head.bytes + body.bytes;
    result = store_temporary_write(store, base_buffer_span(&head), body, false, &placement->temporary, fault);
  }
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
  return result;
}

// The variant's lock is held: file, tier and queue change together.
static enum base_result place_record(struct store *store, const struct placement *placement, struct base_fault *fault) {
  const struct cache_key *key = &placement->variant.key;
  const struct integrity_digest digest = store_digest_of_key(key);
  const struct store_path folder = store_path_shard(STORE_VARIANTS, &digest);
  const struct store_path path = store_path_variant(key);
  struct store_variant_entry *entry = entry_new(key);
  if (!entry) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a variant");

  enum base_result result = store_folder_make(store, folder.text, false, fault);
  if (result == BASE_OK) result = store_file_rename(store, placement->temporary.text, path.text, fault);
  if (result != BASE_OK) {
    free(entry);
    return result;
  }
  result = cache_lru_put(store->tier, key, entry, placement->file_bytes);
  if (result != BASE_OK) {
    (void)cache_lru_remove(store->tier, key);  // an older one, whose file was just replaced
    store_file_discard(store, path.text);
    free(entry);
    return BASE_FAIL(fault, result, "variant", "the variant can not be kept");
  }
  store_pend(store, STORE_CHANGE_PUT, key, &placement->variant, placement->file_bytes);
  return BASE_OK;
}

// The original's lock is held, so the sidecar cannot go away in between.
static enum base_result place_if_wanted(struct store *store, const struct placement *placement,
                                        struct base_fault *fault) {
  const struct store_path sidecar = store_path_sidecar(&placement->variant.original, placement->variant.tenant);
  uint64_t bytes;
  if (!store_file_size(store, sidecar.text, &bytes)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "original", "the variant's original is not there");
  }
  pthread_mutex_t *lock = store_variant_lock(store, &placement->variant.key);
  pthread_mutex_lock(lock);
  const enum base_result result = place_record(store, placement, fault);
  pthread_mutex_unlock(lock);
  return result;
}

enum base_result store_variant_put(struct store *store, const struct store_variant *variant, struct base_span body,
                                   struct base_fault *fault) {
  enum base_result result = check_put(store, variant, body, fault);
  if (result != BASE_OK) return result;
  struct placement placement = {.variant = *variant};
  placement.variant.bytes = body.bytes;
  if (placement.variant.created_s < 0) placement.variant.created_s = 0;
  result = write_record(store, &placement, body, fault);
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
  store_variants_bury(store);
  return result;
}

// Get.

static enum base_result read_body(struct store_record_file *file, struct base_blob **out, struct base_fault *fault) {
  const uint64_t body_bytes = file->record.body_bytes;
  if (body_bytes > STORE_MAX_VARIANT_BYTES) return BASE_FAIL(fault, BASE_CORRUPT, "variant", "the body is too large");
  struct base_blob *body = base_blob_create((size_t)body_bytes);
  if (!body) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a variant");
  enum base_result result = base_fd_pread_all(file->fd, body->data, body->bytes, (off_t)file->body_offset, fault);
  if (result == BASE_OK) {
    struct integrity_digest digest;
    integrity_digest_of(base_blob_span(body), &digest);
    if (!integrity_digest_equal(&digest, &file->record.body_digest)) {
      result = BASE_FAIL(fault, BASE_CORRUPT, "variant", "the body fails its digest");
    }
  }
  if (result != BASE_OK) {
    base_blob_unref(&body);
    return result;
  }
  *out = body;
  return BASE_OK;
}

static enum base_result read_variant(struct store *store, const struct cache_key *key, struct store_variant *out,
                                     struct base_blob **body, struct base_fault *fault) {
  const struct store_path path = store_path_variant(key);
  struct store_record_file file;
  enum base_result result = store_record_open(store, path.text, &file, fault);
  if (result != BASE_OK) return result;
  result = store_read_variant(&file.record, out, fault);
  if (result == BASE_OK && memcmp(out->key.bytes, key->bytes, sizeof key->bytes) != 0) {
    result = BASE_FAIL(fault, BASE_CORRUPT, path.text, "the record is not what its name says");
  }
  if (result == BASE_OK) result = read_body(&file, body, fault);
  base_fd_close(&file.fd);
  return result;
}

static void drop_damaged(struct store *store, const struct cache_key *key, const struct base_fault *fault) {
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, fault);
  base_metric_add(store->meters.damaged, 1);
  (void)cache_lru_remove(store->tier, key);
  store_variants_bury(store);
}

enum base_result store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                   struct base_blob **body, struct base_fault *fault) {
  enum base_result result = BASE_NOT_FOUND;
  if (cache_lru_get(store->tier, key)) {
    struct base_fault read_fault = {0};
    result = read_variant(store, key, out, body, &read_fault);
    if (result == BASE_OK) {
      base_metric_add(store->meters.variant_hits, 1);
      store_pend(store, STORE_CHANGE_USE, key, NULL, 0);
      store_pend_flush_if_long(store);
      return BASE_OK;
    }
    if (result == BASE_NO_MEMORY || result == BASE_IO) {
      return BASE_FAIL(fault, result, read_fault.subject, "%s", read_fault.text);
    }
    // Not found: evicted between look-up and open, which is an ordinary miss unless somebody removed the file.
    if (result != BASE_NOT_FOUND || cache_lru_contains(store->tier, key)) drop_damaged(store, key, &read_fault);
  }
  base_metric_add(store->meters.variant_misses, 1);
  return BASE_FAIL(fault, BASE_NOT_FOUND, "variant", "the variant is not kept");
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

static bool remove_listed(void *argument, const struct store_variant *variant) {
  struct store *store = argument;
  (void)cache_lru_remove(store->tier, &variant->key);
  return true;
}

enum base_result store_variants_remove(struct store *store, const char *tenant, const struct integrity_digest *original,
                                       struct base_fault *fault) {
  // On a full disk the queue is lost: what it held is found by the next open, and what the index knows goes now.
  struct base_fault lost = {0};
  if (store_pend_flush(store, &lost) != BASE_OK) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &lost);
  }
  return visit_variants(store, tenant, original, remove_listed, store, fault);
}
