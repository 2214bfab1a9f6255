#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "scrubbing.h"
#include "tier.h"
#include "tree_file.h"

enum { SAVE_EVERY_US = 60 * 1000 * 1000, TRIES = 3 };

// What there is of one shard, by its folder and by the index.
struct item {
  struct integrity_digest digest;       // an original's id or a variant's key
  char tenant[STORE_MAX_TENANT + 1];    // of a sidecar
  bool is_sidecar, is_level, is_known;  // is_known: to the index only
};

struct shard {
  struct store_scrub *scrub;
  struct base_buffer items;
};

static struct item *items(const struct shard *shard) { return (struct item *)(void *)shard->items.data; }
static size_t item_count(const struct shard *shard) { return shard->items.bytes / sizeof(struct item); }

static bool differ(const struct item *a, const struct item *b, int *order) {
  *order = memcmp(&a->digest, &b->digest, sizeof a->digest);
  if (*order == 0) *order = (int)a->is_sidecar - (int)b->is_sidecar;
  if (*order == 0) *order = strcmp(a->tenant, b->tenant);
  return *order != 0;
}

// Same things next to each other, the one from the folder first.
static int compare(const void *a, const void *b) {
  const struct item *first = a, *second = b;
  int order;
  if (differ(first, second, &order)) return order;
  return (int)first->is_known - (int)second->is_known;
}

static void sort_and_unite(struct shard *shard) {
  size_t kept = 0, count = item_count(shard);
  if (count == 0) return;
  qsort(items(shard), count, sizeof *items(shard), compare);
  int order;
  for (size_t i = 1; i < count; i++) {
    const bool is_level = items(shard)[i].is_level;
    if (differ(&items(shard)[kept], &items(shard)[i], &order)) {
      items(shard)[++kept] = items(shard)[i];
    } else {
      items(shard)[kept].is_level |= is_level;  // only the index says so
    }
  }
  shard->items.bytes = (kept + 1) * sizeof(struct item);
}

static enum base_result add(struct shard *shard, const struct item *item, struct base_fault *fault) {
  const enum base_result result = base_buffer_append(&shard->items, item, sizeof *item);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory to walk the store");
}

// A failure of the walk that says nothing about the file: logged, and the walk goes on.
static void pass_over(struct store_scrub *scrub, const struct base_fault *fault) {
  base_log_fault(scrub->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, fault);
}

static void count_object(struct store_scrub *scrub) {
  pthread_mutex_lock(&scrub->lock);
  scrub->report.round_objects++;
  pthread_mutex_unlock(&scrub->lock);
}

// Originals.

static void report_original(struct store_scrub *scrub, const struct integrity_digest *id, enum store_finding what,
                            const struct base_fault *damage) {
  if (!store_findings_note(scrub->store, id, what)) return;
  base_log_fault(scrub->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, damage);
  base_metric_add(scrub->meters.originals, 1);
  pthread_mutex_lock(&scrub->lock);
  scrub->report.damaged_originals++;
  pthread_mutex_unlock(&scrub->lock);
}

// The tree beside good bytes: as it should be, or made anew.
static void check_tree(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves) {
  struct store_tree tree;
  struct base_fault fault = {0};
  const enum base_result result = store_tree_load(store, id, &tree, &fault);
  const bool is_right =
      result == BASE_OK && tree.bytes == leaves->bytes && integrity_digest_equal(&tree.root, &leaves->root);
  base_blob_unref(&tree.leaves);
  if (is_right || result == BASE_UNSUPPORTED || result == BASE_NO_MEMORY || result == BASE_BUSY) return;
  if (result != BASE_NOT_FOUND) {
    if (result == BASE_OK)
      (void)BASE_FAIL(&fault, BASE_CORRUPT, store_path_tree(id).text, "the tree is of other bytes");
    base_metric_add(store->meters.damaged, 1);
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  }
  store_tree_keep(store, id, leaves);
}

// A record without bytes is damage, unless somebody is in the middle of making or removing it.
static void check_missing_bytes(struct store_scrub *scrub, const struct integrity_digest *id, const char *tenant) {
  struct store *store = scrub->store;
  const struct store_path bytes = store_path_original(id), sidecar = store_path_sidecar(id, tenant);
  uint64_t size;
  pthread_mutex_lock(store_original_lock(store, id));
  const bool is_missing = !store_file_size(store, bytes.text, &size) && store_file_size(store, sidecar.text, &size);
  pthread_mutex_unlock(store_original_lock(store, id));
  if (!is_missing) return;
  struct base_fault damage = {0};
  (void)BASE_FAIL(&damage, BASE_CORRUPT, bytes.text, "the original's bytes are missing; uploading it again heals it");
  report_original(scrub, id, STORE_FINDING_BYTES, &damage);
}

static enum base_result check_bytes(struct store_scrub *scrub, const struct integrity_digest *id) {
  const struct store_path path = store_path_original(id);
  enum base_result result = BASE_OK;
  bool is_still = false;
  struct base_fault damage;
  for (int i = 0; i < TRIES && !is_still; i++) {  // an upload of the same may heal it just now
    struct store_leaves leaves;
    struct store_scrub_identity identity = {0};
    damage = (struct base_fault){0};
    store_leaves_init(&leaves);
    result = store_scrub_original(scrub, id, &leaves, &identity, &damage);
    if (result == BASE_OK) {
      store_findings_clear(scrub->store, id, STORE_FINDING_BYTES);
      check_tree(scrub->store, id, &leaves);
    }
    store_leaves_release(&leaves);
    if (result != BASE_CORRUPT) break;
    is_still = store_scrub_is_still(scrub->store, path.text, &identity);
  }
  if (result == BASE_CANCELLED) return result;
  if (result == BASE_CORRUPT && is_still) report_original(scrub, id, STORE_FINDING_BYTES, &damage);
  if (result != BASE_OK && result != BASE_CORRUPT && result != BASE_NOT_FOUND) pass_over(scrub, &damage);
  if (result != BASE_NOT_FOUND) count_object(scrub);
  return BASE_OK;
}

static enum base_result take_sidecar(void *argument, const struct store_record *record, struct base_fault *fault) {
  const struct item *item = argument;
  struct store_original original;
  const enum base_result result = store_read_original(record, &original, fault);
  if (result != BASE_OK) return result;
  if (strcmp(original.tenant, item->tenant) == 0 && integrity_digest_equal(&original.id, &item->digest)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "", "the record is not what its name says");
}

static void mend_sidecar(struct store_scrub *scrub, const struct item *item, const struct base_fault *damage) {
  struct store *store = scrub->store;
  struct base_fault fault = {0};
  bool is_mended = false;
  const enum base_result result = store_sidecar_mend(store, item->tenant, &item->digest, &is_mended, &fault);
  if (result == BASE_OK && !is_mended) return;
  base_metric_add(store->meters.damaged, 1);
  if (is_mended) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, damage);
    base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                   "the record was written anew from the index; its inspection report comes back with the next upload");
    return;
  }
  if (result != BASE_NOT_FOUND) pass_over(scrub, &fault);
  report_original(scrub, &item->digest, STORE_FINDING_RECORD, damage);
}

// A sidecar that only the index knows: lost, unless the original is just being removed.
static void check_missing_sidecar(struct store_scrub *scrub, const struct item *item) {
  struct store *store = scrub->store;
  const struct store_path path = store_path_sidecar(&item->digest, item->tenant);
  struct store_original original;
  uint64_t bytes;
  pthread_mutex_lock(store_original_lock(store, &item->digest));
  const bool is_missing =
      !store_file_size(store, path.text, &bytes) &&
      store_index_original_find(store->index, item->tenant, &item->digest, &original, NULL) == BASE_OK;
  pthread_mutex_unlock(store_original_lock(store, &item->digest));
  if (!is_missing) return;
  struct base_fault damage = {0};
  (void)BASE_FAIL(&damage, BASE_CORRUPT, path.text, "the original's record is missing; uploading it again heals it");
  report_original(scrub, &item->digest, STORE_FINDING_RECORD, &damage);
}

static enum base_result check_sidecar(struct store_scrub *scrub, struct item *item) {
  if (item->is_known) {
    check_missing_sidecar(scrub, item);
    return BASE_OK;
  }
  const struct store_path path = store_path_sidecar(&item->digest, item->tenant);
  struct store_scrub_identity identity;
  struct base_fault damage = {0};
  const enum base_result result = store_scrub_record(scrub, path.text, take_sidecar, item, &identity, &damage);
  if (result == BASE_CANCELLED) return result;
  if (result == BASE_OK) {
    store_findings_clear(scrub->store, &item->digest, STORE_FINDING_RECORD);
    check_missing_bytes(scrub, &item->digest, item->tenant);
  } else if (result == BASE_CORRUPT) {
    mend_sidecar(scrub, item, &damage);
  } else if (result != BASE_NOT_FOUND && result != BASE_UNSUPPORTED) {
    pass_over(scrub, &damage);
  }
  return BASE_OK;
}

static enum base_result note_original_file(void *argument, const char *name, struct base_fault *fault) {
  struct item item = {.is_sidecar = false};
  if (!store_name_is_original(name, &item.digest)) {
    if (!store_name_is_sidecar(name, &item.digest, item.tenant)) return BASE_OK;
    item.is_sidecar = true;
  }
  return add(argument, &item, fault);
}

static enum base_result note_original_row(void *argument, const struct integrity_digest *id, const char *tenant) {
  struct item item = {.digest = *id, .is_sidecar = true, .is_known = true};
  memcpy(item.tenant, tenant, strlen(tenant) + 1);
  return add(argument, &item, NULL);
}

static enum base_result walk_originals(struct shard *shard, unsigned number, struct base_fault *fault) {
  struct store *store = shard->scrub->store;
  struct integrity_digest first, last;
  const struct store_path folder = store_path_shard_number(STORE_ORIGINALS, number, &first, &last);
  shard->items.bytes = 0;
  enum base_result result = store_folder_visit(store, folder.text, note_original_file, shard, fault);
  if (result == BASE_OK) {
    result = store_index_original_range(store->index, &first, &last, note_original_row, shard, fault);
  }
  sort_and_unite(shard);
  for (size_t i = 0; i < item_count(shard) && result == BASE_OK; i++) {
    struct item *item = &items(shard)[i];
    result = item->is_sidecar ? check_sidecar(shard->scrub, item) : check_bytes(shard->scrub, &item->digest);
  }
  return result;
}

// Variants and levels.

struct looked {
  struct cache_key key;
  bool is_level, is_variant;
  struct store_variant variant;
};

static enum base_result take_variant(void *argument, const struct store_record *record, struct base_fault *fault) {
  struct looked *looked = argument;
  struct store_level level = {.shrink = 0};
  looked->is_level = record->kind == STORE_RECORD_LEVEL;
  const enum base_result result =
      looked->is_level ? store_read_level(record, &level, fault) : store_read_variant(record, &looked->variant, fault);
  if (result != BASE_OK) return result;
  const struct cache_key *found = looked->is_level ? &level.key : &looked->variant.key;
  if (memcmp(found->bytes, looked->key.bytes, sizeof found->bytes) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the record is not what its name says");
  }
  looked->is_variant = !looked->is_level;
  return BASE_OK;
}

// What a record that can not be read was: the index knows.
static void identify(struct store *store, struct looked *looked) {
  if (looked->is_level || looked->is_variant) return;
  if (store_pend_flush(store, NULL) != BASE_OK) return;
  looked->is_variant = store_index_variant_find(store->index, &looked->key, &looked->variant, NULL) == BASE_OK;
}

static void drop(struct store_scrub *scrub, struct looked *looked, bool is_level, const struct base_fault *damage) {
  if (!is_level) identify(scrub->store, looked);
  is_level = is_level || looked->is_level;
  store_tier_drop_damaged(scrub->store, &looked->key, damage);
  base_metric_add(is_level ? scrub->meters.levels : scrub->meters.variants, 1);
  pthread_mutex_lock(&scrub->lock);
  *(is_level ? &scrub->report.damaged_levels : &scrub->report.damaged_variants) += 1;
  pthread_mutex_unlock(&scrub->lock);
  if (looked->is_variant && scrub->config.on_dropped) scrub->config.on_dropped(scrub->config.self, &looked->variant);
}

// The variant's lock would have to be held for certainty; a good record that was put this moment is made again.
static bool is_damage(struct store *store, const struct cache_key *key, const char *path, enum base_result result,
                      const struct store_scrub_identity *identity) {
  uint64_t bytes;
  if (!cache_lru_contains(store->tier, key)) return false;  // evicted meanwhile
  if (result == BASE_NOT_FOUND) return !store_file_size(store, path, &bytes);
  return result == BASE_CORRUPT && store_scrub_is_still(store, path, identity);
}

static enum base_result check_variant(struct store_scrub *scrub, const struct item *item) {
  struct store *store = scrub->store;
  struct looked looked = {.is_level = false};
  struct store_scrub_identity identity = {0};
  struct base_fault damage = {0};
  memcpy(looked.key.bytes, item->digest.bytes, sizeof looked.key.bytes);
  if (!cache_lru_contains(store->tier, &looked.key)) return BASE_OK;
  const struct store_path path = store_path_variant(&looked.key);
  const enum base_result result = store_scrub_record(scrub, path.text, take_variant, &looked, &identity, &damage);
  if (result == BASE_CANCELLED) return result;
  if (is_damage(store, &looked.key, path.text, result, &identity)) {
    drop(scrub, &looked, item->is_level, &damage);
  } else if (result != BASE_OK && result != BASE_CORRUPT && result != BASE_NOT_FOUND && result != BASE_UNSUPPORTED) {
    pass_over(scrub, &damage);
  }
  if (result != BASE_NOT_FOUND) count_object(scrub);
  return BASE_OK;
}

static enum base_result note_variant_file(void *argument, const char *name, struct base_fault *fault) {
  struct cache_key key;
  if (!store_name_is_variant(name, &key)) return BASE_OK;
  const struct item item = {.digest = store_digest_of_key(&key)};
  return add(argument, &item, fault);
}

static enum base_result note_variant_row(void *argument, const struct store_index_variant_row *row) {
  const struct item item = {.digest = store_digest_of_key(&row->key), .is_level = row->is_level, .is_known = true};
  return add(argument, &item, NULL);
}

static enum base_result walk_variants(struct shard *shard, unsigned number, struct base_fault *fault) {
  struct store *store = shard->scrub->store;
  struct integrity_digest first, last;
  const struct store_path folder = store_path_shard_number(STORE_VARIANTS, number, &first, &last);
  shard->items.bytes = 0;
  enum base_result result = store_folder_visit(store, folder.text, note_variant_file, shard, fault);
  if (result == BASE_OK) {
    result = store_index_variant_range(store->index, &first, &last, note_variant_row, shard, fault);
  }
  sort_and_unite(shard);
  for (size_t i = 0; i < item_count(shard) && result == BASE_OK; i++) {
    result = check_variant(shard->scrub, &items(shard)[i]);
  }
  return result;
}

// Rounds.

static void keep_progress(struct store_scrub *scrub, const struct store_progress *progress, bool is_wanted) {
  struct store *store = scrub->store;
  const uint64_t now_us = base_clock_us(store->config.clock);
  store_findings_set_progress(store, progress);
  if (!is_wanted && now_us - scrub->saved_us < SAVE_EVERY_US) return;
  scrub->saved_us = now_us;
  store_findings_save(store);
}

// A folder that can not be read costs its shard, not the round.
static enum base_result walk_shard(struct shard *shard, unsigned number, struct base_fault *fault) {
  struct base_fault cause = {0};
  enum base_result result = walk_originals(shard, number, &cause);
  if (result != BASE_OK && result != BASE_CANCELLED) pass_over(shard->scrub, &cause);
  cause = (struct base_fault){0};
  if (result != BASE_CANCELLED) result = walk_variants(shard, number, &cause);
  if (result == BASE_CANCELLED) return BASE_FAIL(fault, result, "", "the scrubber is to stop");
  if (result != BASE_OK) pass_over(shard->scrub, &cause);
  return BASE_OK;
}

enum base_result store_scrub_round(struct store_scrub *scrub, struct base_fault *fault) {
  struct shard shard = {.scrub = scrub};
  struct store_progress progress = store_findings_progress(scrub->store);
  enum base_result result = BASE_OK;
  base_buffer_init(&shard.items, SIZE_MAX / 2);
  for (; progress.shard < STORE_SHARDS && result == BASE_OK; progress.shard++) {
    if (progress.shard > 0) keep_progress(scrub, &progress, false);
    if (store_scrub_wait(scrub, 0)) {
      result = BASE_FAIL(fault, BASE_CANCELLED, "", "the scrubber is to stop");
      break;
    }
    result = walk_shard(&shard, progress.shard, fault);
    if (result != BASE_OK) break;
  }
  base_buffer_finish(&shard.items);
  if (result == BASE_OK) {
    progress = (struct store_progress){.last_round_s = base_clock_wall_s(scrub->store->config.clock)};
  }
  keep_progress(scrub, &progress, true);
  return result;
}
