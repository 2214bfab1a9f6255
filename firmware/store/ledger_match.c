// The objects that are there against the entries that say so, when a store is opened.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "ledger_known.h"
#include "store/tree.h"
#include "ledger_queue.h"

enum { PAGE = 64 };

// All variants of the index, page by page. Stops when `visit` fails.
static enum base_result visit_variants(struct store *store, void *argument,
                                       enum base_result (*visit)(void *argument, const struct store_variant *variant,
                                                                 struct base_fault *fault),
                                       struct base_fault *fault) {
  struct store_variant *page = malloc(PAGE * sizeof *page);
  if (!page) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read the index");
  struct cache_key last;
  const struct cache_key *after = NULL;
  enum base_result result = BASE_OK;
  for (size_t count = PAGE; count == PAGE && result == BASE_OK; after = &last) {
    result = store_index_variant_all(store->index, after, page, PAGE, &count, fault);
    for (size_t i = 0; i < count && result == BASE_OK; i++) result = visit(argument, &page[i], fault);
    if (count > 0) last = page[count - 1].key;
  }
  free(page);
  return result;
}

// Matching, before anybody else uses the store.

struct match {
  struct store_ledger *ledger;
  struct store_ledger_map derives;  // without a variant so far, by store_ledger_key_of_derive
  uint8_t *is_matched;              // a byte for every put, by its place in the list of objects
  struct store_ledger_map puts;     // places in that list, by their keys
  bool is_missing;
};

static enum base_result match_variant(void *argument, const struct store_variant *variant, struct base_fault *fault) {
  struct match *match = argument;
  struct store_ledger *ledger = match->ledger;
  const struct store_ledger_key derive =
      store_ledger_key_of_derive(ledger, variant->tenant, &variant->original, variant->recipe, &variant->digest);
  const struct store_ledger_key key = store_ledger_key_of_variant(ledger, &variant->key);
  size_t at = 0;
  uint32_t value;
  if (!store_ledger_map_next(&match->derives, &derive, &at, &value)) {
    match->is_missing = true;
    return BASE_OK;
  }
  store_ledger_map_remove(&match->derives, &derive, value);
  const enum base_result result = store_ledger_map_add(&ledger->by_key, &key, value);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the ledger");
}

static enum base_result match_original(void *argument, const struct integrity_digest *id, const char *tenant) {
  struct match *match = argument;
  const struct store_ledger_key key = store_ledger_key_of_original(match->ledger, tenant, id);
  size_t at = 0;
  uint32_t place;
  if (store_ledger_map_next(&match->puts, &key, &at, &place)) {
    match->is_matched[place] = 1;
  } else {
    match->is_missing = true;
  }
  return BASE_OK;
}

static enum base_result begin_match(struct match *match, const struct store_ledger_known *known,
                                    struct base_fault *fault) {
  const struct store_ledger_known_object *objects = (const void *)known->objects.data;
  const size_t count = known->objects.bytes / sizeof *objects;
  match->is_matched = calloc(count + 1, 1);
  enum base_result result = match->is_matched ? BASE_OK : BASE_NO_MEMORY;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = objects[i].is_derive ? store_ledger_map_add(&match->derives, &objects[i].key, objects[i].value)
                                  : store_ledger_map_add(&match->puts, &objects[i].key, (uint32_t)i);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the ledger");
}

// What the entries speak of and is not there has gone, nobody knows by whose order.
static uint64_t end_unmatched(struct match *match, const struct store_ledger_known *known) {
  struct store_ledger *ledger = match->ledger;
  const struct store_ledger_known_object *objects = (const void *)known->objects.data;
  uint64_t ended = 0;
  for (size_t i = 0; i < match->derives.capacity; i++) {
    const struct store_ledger_slot *slot = &match->derives.slots[i];
    if (slot->value == 0) continue;
    store_ledger_end(ledger, ledger->base + slot->value - 1, INTEGRITY_ENTRY_EVICT, NULL, NULL);
    ended++;
  }
  for (size_t i = 0; i < known->objects.bytes / sizeof *objects; i++) {
    if (objects[i].is_derive || match->is_matched[i]) continue;
    store_ledger_map_remove(&ledger->by_key, &objects[i].key, objects[i].value);
    store_ledger_end(ledger, ledger->base + objects[i].value, INTEGRITY_ENTRY_EVICT, NULL, NULL);
    ended++;
  }
  return ended;
}

enum base_result store_ledger_match(struct store_ledger *ledger, struct store_ledger_known **known, bool *is_missing,
                                    struct base_fault *fault) {
  struct store *store = ledger->store;
  struct match match = {.ledger = ledger};
  struct integrity_digest first, last;
  memset(first.bytes, 0x00, sizeof first.bytes);
  memset(last.bytes, 0xff, sizeof last.bytes);
  enum base_result result = store_pend_flush(store, fault);
  if (result == BASE_OK) result = begin_match(&match, *known, fault);
  if (result == BASE_OK) {
    result = store_index_original_range(store->index, &first, &last, match_original, &match, fault);
  }
  if (result == BASE_OK) result = visit_variants(store, &match, match_variant, fault);
  if (result == BASE_OK) {
    const uint64_t ended = end_unmatched(&match, *known);
    if (ended > 0) {
      base_log_write(store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                     "%llu objects that the ledger knew are not there any more; it says so now",
                     (unsigned long long)ended);
    }
  }
  *is_missing = match.is_missing;
  store_ledger_map_finish(&match.derives);
  store_ledger_map_finish(&match.puts);
  free(match.is_matched);
  store_ledger_known_destroy(known);
  return result;
}

// Entering what is missing, while the store is used.

struct missing {
  struct store_ledger *ledger;
  uint64_t entered;
  struct base_buffer rows;  // of struct missing_original
};

struct missing_original {
  struct integrity_digest id;
  char tenant[STORE_MAX_TENANT + 1];
};

static bool is_over(struct store_ledger *ledger) {
  pthread_mutex_lock(&ledger->lock);
  const bool is_over = ledger->is_stopping || ledger->state != STORE_LEDGER_RUNNING;
  pthread_mutex_unlock(&ledger->lock);
  return is_over;
}

static enum base_result note_row(void *argument, const struct integrity_digest *id, const char *tenant) {
  struct missing *missing = argument;
  struct store_ledger *ledger = missing->ledger;
  pthread_mutex_lock(&ledger->lock);
  const bool is_known = store_ledger_find_put(ledger, tenant, id) != INTEGRITY_ENTRY_NONE;
  pthread_mutex_unlock(&ledger->lock);
  if (is_known) return BASE_OK;
  struct missing_original row;
  memset(&row, 0, sizeof row);
  row.id = *id;
  memcpy(row.tenant, tenant, strlen(tenant) + 1);
  return base_buffer_append(&missing->rows, &row, sizeof row);
}

// The queue is bounded.
static enum base_result keep_pace(struct store_ledger *ledger, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&ledger->lock);
  const uint64_t waiting = ledger->size - ledger->tree.size;
  if (waiting >= STORE_LEDGER_QUEUE_RESERVE) result = store_ledger_wait(ledger, ledger->size, fault);
  pthread_mutex_unlock(&ledger->lock);
  return result;
}

// One that is damaged gets its entry when it is uploaded again.
static void enter_original(struct missing *missing, const struct missing_original *row) {
  struct store *store = missing->ledger->store;
  struct store_original original;
  struct store_tree tree;
  if (store_original_tree(store, &row->id, &tree, NULL) != BASE_OK) return;
  base_blob_unref(&tree.leaves);
  pthread_mutex_t *lock = store_original_lock(store, &row->id);
  pthread_mutex_lock(lock);
  if (store_index_original_find(store->index, row->tenant, &row->id, &original, NULL) == BASE_OK &&
      store_ledger_enter_put(missing->ledger, &original, &tree.root) != INTEGRITY_ENTRY_NONE) {
    missing->entered++;
  }
  pthread_mutex_unlock(lock);
}

static enum base_result enter_originals(struct missing *missing, unsigned shard, struct base_fault *fault) {
  struct integrity_digest first, last;
  (void)store_path_shard_number(STORE_ORIGINALS, shard, &first, &last);
  missing->rows.bytes = 0;
  enum base_result result =
      store_index_original_range(missing->ledger->store->index, &first, &last, note_row, missing, fault);
  const struct missing_original *rows = (const void *)missing->rows.data;
  for (size_t i = 0; i < missing->rows.bytes / sizeof *rows && result == BASE_OK && !is_over(missing->ledger); i++) {
    enter_original(missing, &rows[i]);
    result = keep_pace(missing->ledger, fault);
  }
  return result;
}

// Root and metadata of a variant's record; one of the old format has no root and is read whole.
static enum base_result read_variant(struct store *store, const struct cache_key *key, struct store_variant *variant,
                                     struct integrity_digest *root) {
  const struct store_path path = store_path_variant(key);
  struct store_record_file file;
  enum base_result result = store_record_open(store, path.text, &file, NULL);
  if (result != BASE_OK) return result;
  result = store_read_variant(&file.record, variant, NULL);
  *root = file.record.root;
  if (result == BASE_OK && file.record.format == 1) {
    struct base_blob *body = NULL;
    struct store_leaves leaves;
    store_leaves_init(&leaves);
    result = store_record_read_body(&file, path.text, STORE_MAX_VARIANT_BYTES, &body, NULL);
    if (result == BASE_OK) {
      store_leaves_add(&leaves, base_blob_span(body));
      result = leaves.bytes == body->bytes ? store_leaves_finish(&leaves, NULL) : BASE_NO_MEMORY;
      *root = leaves.root;
      base_blob_unref(&body);
    }
    store_leaves_release(&leaves);
  }
  close(file.fd);
  return result;
}

static bool is_entered(struct store_ledger *ledger, const struct cache_key *key) {
  const struct store_ledger_key short_key = store_ledger_key_of_variant(ledger, key);
  size_t at = 0;
  uint32_t value;
  pthread_mutex_lock(&ledger->lock);
  const bool is_entered = store_ledger_map_next(&ledger->by_key, &short_key, &at, &value);
  pthread_mutex_unlock(&ledger->lock);
  return is_entered;
}

static enum base_result enter_variant(void *argument, const struct store_variant *row, struct base_fault *fault) {
  struct missing *missing = argument;
  struct store_ledger *ledger = missing->ledger;
  struct store *store = ledger->store;
  if (is_over(ledger)) return BASE_FAIL(fault, BASE_CANCELLED, "", "the ledger is closed");
  if (is_entered(ledger, &row->key)) return BASE_OK;
  struct store_variant variant;
  struct integrity_digest root;
  pthread_mutex_t *lock = store_variant_lock(store, &row->key);
  pthread_mutex_lock(lock);
  if (cache_lru_contains(store->tier, &row->key) && !is_entered(ledger, &row->key) &&
      read_variant(store, &row->key, &variant, &root) == BASE_OK) {
    store_ledger_derive(store, &variant, &root);
    missing->entered++;
  }
  pthread_mutex_unlock(lock);
  return keep_pace(ledger, fault);
}

void *store_ledger_matcher(void *argument) {
  struct missing missing = {.ledger = argument};
  struct store *store = missing.ledger->store;
  struct base_fault fault = {0};
  base_buffer_init(&missing.rows, SIZE_MAX / 2);
  enum base_result result = BASE_OK;
  for (unsigned shard = 0; shard < STORE_SHARDS && result == BASE_OK && !is_over(missing.ledger); shard++) {
    result = enter_originals(&missing, shard, &fault);
  }
  if (result == BASE_OK) result = visit_variants(store, &missing, enter_variant, &fault);
  base_buffer_finish(&missing.rows);
  if (result != BASE_OK && result != BASE_CANCELLED) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  }
  base_log_write(store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                 "%llu objects that had no entry in the ledger have one now", (unsigned long long)missing.entered);
  atomic_store(&missing.ledger->is_matching_ended, true);
  return NULL;
}
