#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "ledger_queue.h"

// Keys of the maps.

static struct store_ledger_key key_of(const struct store_ledger *ledger, char kind, const char *tenant,
                                      const uint8_t digest[BASE_DIGEST_BYTES]) {
  const struct base_span pieces[] = {
      base_span_of(ledger->secret, sizeof ledger->secret),
      base_span_of(&kind, 1),
      base_span_of(tenant, strlen(tenant) + 1),
      base_span_of(digest, BASE_DIGEST_BYTES),
  };
  uint8_t out[BASE_DIGEST_BYTES];
  integrity_digest_pieces(pieces, sizeof pieces / sizeof pieces[0], out);
  struct store_ledger_key key;
  memcpy(key.bytes, out, sizeof key.bytes);
  return key;
}

struct store_ledger_key store_ledger_key_of_object(const struct store_ledger *ledger, const char *tenant,
                                                   const struct integrity_digest *object) {
  return key_of(ledger, 'b', tenant, object->bytes);
}

struct store_ledger_key store_ledger_key_of_original(const struct store_ledger *ledger, const char *tenant,
                                                     const struct integrity_digest *id) {
  return key_of(ledger, 'o', tenant, id->bytes);
}

struct store_ledger_key store_ledger_key_of_variant(const struct store_ledger *ledger, const struct cache_key *key) {
  return key_of(ledger, 'k', "", key->bytes);
}

// Which entries have ended.

bool store_ledger_grow_bits(struct store_ledger *ledger, uint64_t size) {
  const size_t bytes = (size_t)((size - ledger->base + 7) / 8);
  if (bytes <= ledger->dead_capacity) return true;
  const size_t capacity = base_round_up(bytes + bytes / 2, 4096);
  uint8_t *dead = realloc(ledger->dead, capacity);
  if (dead) ledger->dead = dead;
  uint8_t *purged = realloc(ledger->purged, capacity);
  if (purged) ledger->purged = purged;
  if (!dead || !purged) return false;
  memset(dead + ledger->dead_capacity, 0, capacity - ledger->dead_capacity);
  memset(purged + ledger->dead_capacity, 0, capacity - ledger->dead_capacity);
  ledger->dead_capacity = capacity;
  return true;
}

bool store_ledger_is_dead(const struct store_ledger *ledger, uint64_t index) {
  const uint64_t at = index - ledger->base;
  return index < ledger->base || index >= ledger->size || (ledger->dead[at / 8] >> at % 8 & 1);
}

void store_ledger_mark_dead(struct store_ledger *ledger, uint64_t index) {
  if (store_ledger_is_dead(ledger, index)) return;
  const uint64_t at = index - ledger->base;
  ledger->dead[at / 8] = (uint8_t)(ledger->dead[at / 8] | 1u << at % 8);
  ledger->dead_count++;
}

bool store_ledger_is_evicted(const struct store_ledger *ledger, uint64_t index) {
  if (index < ledger->base || index >= ledger->size || !store_ledger_is_dead(ledger, index)) return false;
  const uint64_t at = index - ledger->base;
  return !(ledger->purged[at / 8] >> at % 8 & 1);
}

static void mark_purged(struct store_ledger *ledger, uint64_t index) {
  const uint64_t at = index - ledger->base;
  ledger->purged[at / 8] = (uint8_t)(ledger->purged[at / 8] | 1u << at % 8);
}

uint64_t store_ledger_resolve(const struct store_ledger *ledger, uint32_t value) {
  const struct store_ledger_compaction *compaction = &ledger->compaction;
  if (compaction->is_on && ledger->base + value < compaction->cut && compaction->redirect[value]) {
    return ledger->base + compaction->redirect[value] - 1;
  }
  return ledger->base + value;
}

// The queue.

struct store_ledger_item *store_ledger_item_new(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                                size_t subject_capacity) {
  struct store_ledger_item *item = malloc(sizeof *item + subject_capacity);
  if (!item) return NULL;
  const struct store_config *config = &ledger->store->config;
  const int64_t now_s = base_clock_wall_s(config->clock);
  *item = (struct store_ledger_item){.kind = kind,
                                     .time_s = now_s < 0 ? 0 : (uint64_t)now_s,
                                     .refers = INTEGRITY_ENTRY_NONE,
                                     .renews = INTEGRITY_ENTRY_NONE};
  if (config->ledger.fill_random) {
    config->ledger.fill_random(config->ledger.random_self, item->salt, sizeof item->salt);
  } else {
    base_random_bytes(item->salt, sizeof item->salt);
  }
  return item;
}

// The next open finds by itself which variants are there, and which are not; compaction tries again.
static bool has_room(struct store_ledger *ledger, const struct store_ledger_item *item) {
  const bool is_found_later = item->is_bare || item->kind == INTEGRITY_ENTRY_DERIVE;
  const uint64_t waiting = ledger->size - ledger->tree.size;
  if (!ledger->is_bounded || waiting < STORE_LEDGER_MAX_QUEUE - (is_found_later ? STORE_LEDGER_QUEUE_RESERVE : 0)) {
    return true;
  }
  if (item->renews != INTEGRITY_ENTRY_NONE) return false;
  base_metric_add(ledger->meters.dropped, 1);
  if (!ledger->is_full) {
    base_log_write(ledger->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL,
                   "%llu entries of the ledger wait to be written: what becomes of variants is not entered any more; "
                   "what is on the disk then is entered at the next start",
                   (unsigned long long)waiting);
  }
  ledger->is_full = true;
  return false;
}

uint64_t store_ledger_enqueue(struct store_ledger *ledger, struct store_ledger_item *item) {
  if (ledger->state != STORE_LEDGER_RUNNING || ledger->size - ledger->base >= UINT32_MAX - 1 ||
      !has_room(ledger, item) || !store_ledger_grow_bits(ledger, ledger->size + 1)) {
    free(item);
    return INTEGRITY_ENTRY_NONE;
  }
  const uint64_t index = ledger->size++;
  item->next = NULL;
  if (!ledger->first_item) pthread_cond_signal(&ledger->wake);
  *ledger->end_item = item;
  ledger->end_item = &item->next;
  if (item->kind == INTEGRITY_ENTRY_EVICT) store_ledger_mark_dead(ledger, index);
  if (item->kind == INTEGRITY_ENTRY_DERIVE && item->renews == INTEGRITY_ENTRY_NONE) ledger->derives++;
  base_metric_add(ledger->meters.entries[item->kind], 1);
  base_metric_set(ledger->meters.queue, (int64_t)(ledger->size - ledger->tree.size));
  return index;
}

// An item with its subject, or NULL: logged.
static struct store_ledger_item *item_about(struct store_ledger *ledger, const struct integrity_subject *subject) {
  struct base_fault fault = {0};
  struct base_buffer text;
  struct store_ledger_item *item = NULL;
  base_buffer_init(&text, INTEGRITY_SUBJECT_MAX_BYTES);
  if (integrity_subject_write(subject, &text, &fault) == BASE_OK) {
    item = store_ledger_item_new(ledger, subject->kind, text.bytes);
    if (item) {
      memcpy(item->subject, text.data, text.bytes);
      item->subject_bytes = text.bytes;
    }
  } else {
    base_log_fault(ledger->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  }
  base_buffer_finish(&text);
  return item;
}

static struct store_ledger_item *item_of_end(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                             const char *tenant, const struct integrity_digest *object) {
  if (!object) {
    struct store_ledger_item *item = store_ledger_item_new(ledger, kind, 0);
    if (item) item->is_bare = true;
    return item;
  }
  struct integrity_subject subject = {.kind = kind, .object = *object};
  BASE_ASSERT(base_span_copy(base_span_text(tenant), subject.tenant, sizeof subject.tenant));
  return item_about(ledger, &subject);
}

// Without memory it stays as if it had not ended; the next open finds out.
uint64_t store_ledger_end(struct store_ledger *ledger, uint64_t index, enum integrity_entry_kind kind,
                          const char *tenant, const struct integrity_digest *object) {
  struct store_ledger_item *item = item_of_end(ledger, kind, tenant, object);
  if (!item) return INTEGRITY_ENTRY_NONE;
  item->refers = index;
  const uint64_t end = store_ledger_enqueue(ledger, item);
  if (end == INTEGRITY_ENTRY_NONE) return INTEGRITY_ENTRY_NONE;
  store_ledger_mark_dead(ledger, index);
  if (kind == INTEGRITY_ENTRY_PURGE) mark_purged(ledger, index);
  return end;
}

enum base_result store_ledger_wait(struct store_ledger *ledger, uint64_t size, struct base_fault *fault) {
  ledger->wanted = base_max_u64(ledger->wanted, size);
  pthread_cond_signal(&ledger->wake);
  const uint64_t failures = ledger->failures;
  while (ledger->state == STORE_LEDGER_RUNNING && ledger->tree.size < size && ledger->failures == failures) {
    pthread_cond_wait(&ledger->done, &ledger->lock);
  }
  if (ledger->state != STORE_LEDGER_RUNNING || ledger->tree.size >= size) return BASE_OK;
  return BASE_FAIL(fault, ledger->failure.result, "ledger", "the ledger can not be written: %s", ledger->failure.text);
}

void store_ledger_halt(struct store_ledger *ledger, bool is_damaged, const char *why) {
  pthread_mutex_lock(&ledger->lock);
  const bool is_news = ledger->state == STORE_LEDGER_RUNNING;
  if (is_news) {
    ledger->state = STORE_LEDGER_HALTED;
    snprintf(ledger->reason, sizeof ledger->reason, "%s; nothing more is entered or signed. %s", why,
             is_damaged ? "Stop the box and begin a new ledger with: pixpopd --new-ledger"
                        : "Restart the box when that is mended");
    base_metric_set(ledger->meters.halted, 1);
    pthread_cond_broadcast(&ledger->done);
    pthread_cond_broadcast(&ledger->wake);
  }
  pthread_mutex_unlock(&ledger->lock);
  if (is_news) {
    base_log_write(ledger->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, "the ledger is halted: %s",
                   ledger->reason);
  }
}

// What the store tells.

static void remember(struct store_ledger *ledger, const struct store_ledger_key *key,
                     const struct store_ledger_key *object, uint64_t index) {
  if (index == INTEGRITY_ENTRY_NONE) return;
  const uint32_t value = (uint32_t)(index - ledger->base);
  // What can not be remembered is found again at the next open.
  if (store_ledger_map_add(&ledger->by_key, key, value) != BASE_OK ||
      store_ledger_map_add(&ledger->by_object, object, value) != BASE_OK) {
    base_log_write(ledger->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "no memory for an entry of the ledger");
  }
}

static bool find_living(const struct store_ledger *ledger, const struct store_ledger_key *key, uint32_t *value) {
  size_t at = 0;
  while (store_ledger_map_next(&ledger->by_key, key, &at, value)) {
    if (!store_ledger_is_dead(ledger, store_ledger_resolve(ledger, *value))) return true;
  }
  return false;
}

uint64_t store_ledger_find_put(const struct store_ledger *ledger, const char *tenant,
                               const struct integrity_digest *id) {
  const struct store_ledger_key key = store_ledger_key_of_original(ledger, tenant, id);
  uint32_t value;
  return find_living(ledger, &key, &value) ? store_ledger_resolve(ledger, value) : INTEGRITY_ENTRY_NONE;
}

// Ends what lives under a key; the index of the entry that says so, or INTEGRITY_ENTRY_NONE.
static uint64_t end_key(struct store_ledger *ledger, const struct store_ledger_key *key, enum integrity_entry_kind kind,
                        const char *tenant, const struct integrity_digest *object) {
  uint32_t value;
  if (!find_living(ledger, key, &value)) return INTEGRITY_ENTRY_NONE;
  const uint64_t end = store_ledger_end(ledger, store_ledger_resolve(ledger, value), kind, tenant, object);
  store_ledger_map_remove(&ledger->by_key, key, value);
  return end;
}

uint64_t store_ledger_enter_put(struct store_ledger *ledger, const struct store_original *original,
                                const struct integrity_digest *root) {
  const struct store_ledger_key key = store_ledger_key_of_original(ledger, original->tenant, &original->id);
  const struct store_ledger_key object = store_ledger_key_of_object(ledger, original->tenant, &original->id);
  struct integrity_subject subject = {
      .kind = INTEGRITY_ENTRY_PUT, .object = original->id, .root = *root, .bytes = original->bytes};
  memcpy(subject.tenant, original->tenant, sizeof subject.tenant);
  struct store_ledger_item *item = item_about(ledger, &subject);
  pthread_mutex_lock(&ledger->lock);
  uint64_t index = store_ledger_find_put(ledger, original->tenant, &original->id);
  if (index == INTEGRITY_ENTRY_NONE && item) {
    index = store_ledger_enqueue(ledger, item);
    remember(ledger, &key, &object, index);
  } else {
    free(item);
  }
  pthread_mutex_unlock(&ledger->lock);
  return index;
}

// Of one that could not be queued although the ledger runs; the lock is held.
static enum base_result refuse_entry(const struct store_ledger *ledger, struct base_fault *fault) {
  const uint64_t waiting = ledger->size - ledger->tree.size;
  if (!ledger->is_full) return BASE_FAIL(fault, BASE_BUSY, "ledger", "the ledger can not take an entry now");
  return BASE_FAIL(fault, BASE_BUSY, "ledger", "the ledger can not take an entry now: %llu wait to be written%s%s",
                   (unsigned long long)waiting, ledger->is_failing ? ", and writing fails: " : "",
                   ledger->is_failing ? ledger->failure.text : "");
}

enum base_result store_ledger_put(struct store *store, const struct store_original *original,
                                  const struct integrity_digest *root, struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return BASE_OK;
  const uint64_t index = store_ledger_enter_put(ledger, original, root);
  pthread_mutex_lock(&ledger->lock);
  enum base_result result = BASE_OK;
  if (index != INTEGRITY_ENTRY_NONE) {
    result = store_ledger_wait(ledger, index + 1, fault);
  } else if (ledger->state == STORE_LEDGER_RUNNING) {
    result = refuse_entry(ledger, fault);
  }
  pthread_mutex_unlock(&ledger->lock);
  return result;
}

void store_ledger_take_back(struct store *store, const struct store_original *original) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  const struct store_ledger_key key = store_ledger_key_of_original(ledger, original->tenant, &original->id);
  pthread_mutex_lock(&ledger->lock);
  end_key(ledger, &key, INTEGRITY_ENTRY_EVICT, original->tenant, &original->id);
  pthread_mutex_unlock(&ledger->lock);
}

void store_ledger_derive(struct store *store, const struct store_variant *variant,
                         const struct integrity_digest *root) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  const struct store_ledger_key key = store_ledger_key_of_variant(ledger, &variant->key);
  const struct store_ledger_key object = store_ledger_key_of_object(ledger, variant->tenant, &variant->digest);
  struct integrity_subject subject = {.kind = INTEGRITY_ENTRY_DERIVE,
                                      .object = variant->digest,
                                      .original = variant->original,
                                      .root = *root,
                                      .bytes = variant->bytes,
                                      .render_version = variant->render_version};
  memcpy(subject.tenant, variant->tenant, sizeof subject.tenant);
  memcpy(subject.recipe, variant->recipe, sizeof subject.recipe);
  struct store_ledger_item *item = item_about(ledger, &subject);
  pthread_mutex_lock(&ledger->lock);
  end_key(ledger, &key, INTEGRITY_ENTRY_EVICT, NULL, NULL);
  if (item) {
    item->refers = store_ledger_find_put(ledger, variant->tenant, &variant->original);
    remember(ledger, &key, &object, store_ledger_enqueue(ledger, item));
  }
  pthread_mutex_unlock(&ledger->lock);
}

static void end_variant(struct store *store, const struct cache_key *key, enum integrity_entry_kind kind) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  const struct store_ledger_key short_key = store_ledger_key_of_variant(ledger, key);
  pthread_mutex_lock(&ledger->lock);
  const uint64_t end = end_key(ledger, &short_key, kind, NULL, NULL);
  // Compaction takes both away; of a purge that lasts, the original's stays.
  if (end != INTEGRITY_ENTRY_NONE) store_ledger_mark_dead(ledger, end);
  pthread_mutex_unlock(&ledger->lock);
}

void store_ledger_evict(struct store *store, const struct cache_key *key) {
  end_variant(store, key, INTEGRITY_ENTRY_EVICT);
}

void store_ledger_purge(struct store *store, const struct cache_key *key) {
  end_variant(store, key, INTEGRITY_ENTRY_PURGE);
}

void store_ledger_purge_original(struct store *store, const char *tenant, const struct integrity_digest *id) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  const struct store_ledger_key key = store_ledger_key_of_original(ledger, tenant, id);
  pthread_mutex_lock(&ledger->lock);
  end_key(ledger, &key, INTEGRITY_ENTRY_PURGE, tenant, id);
  pthread_mutex_unlock(&ledger->lock);
}

enum base_result store_ledger_settle(struct store *store, struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return BASE_OK;
  pthread_mutex_lock(&ledger->lock);
  const enum base_result result = store_ledger_wait(ledger, ledger->size, fault);
  pthread_mutex_unlock(&ledger->lock);
  return result;
}

enum base_result store_ledger_note_config(struct store *store, const struct integrity_digest *settings_digest,
                                          const char *firmware_version, struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return BASE_OK;
  struct integrity_subject subject = {.kind = INTEGRITY_ENTRY_CONFIG, .object = *settings_digest};
  if (!base_span_copy(base_span_text(firmware_version), subject.version, sizeof subject.version)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "version", "the firmware's version is over %d characters",
                     INTEGRITY_SUBJECT_MAX_VERSION);
  }
  struct store_ledger_item *item = item_about(ledger, &subject);
  if (!item) return BASE_FAIL(fault, BASE_NO_MEMORY, "ledger", "the settings can not be entered into the ledger");
  struct store_ledger_config_seen *seen = &ledger->config;
  pthread_mutex_lock(&ledger->lock);
  enum base_result result = BASE_OK;
  if (seen->is_there && integrity_digest_equal(&seen->settings, settings_digest) &&
      strcmp(seen->version, subject.version) == 0) {
    free(item);
    result = store_ledger_wait(ledger, ledger->size, fault);
  } else if (store_ledger_enqueue(ledger, item) != INTEGRITY_ENTRY_NONE) {
    seen->is_there = true;
    seen->settings = *settings_digest;
    memcpy(seen->version, subject.version, sizeof seen->version);
    result = store_ledger_wait(ledger, ledger->size, fault);
  } else if (ledger->state == STORE_LEDGER_RUNNING) {
    result = refuse_entry(ledger, fault);
  }
  pthread_mutex_unlock(&ledger->lock);
  return result;
}
