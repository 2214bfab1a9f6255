#include "findings.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "describe.h"
#include "inside.h"

enum {
  ITEM_BYTES = 48,
  ITEM_TIME_AT = 32,
  ITEM_WHAT_AT = 40,
  FIRST_ITEMS = 16,
  MAX_ITEMS = 64 * 1024,  // more damage than that is a broken disk; the rest is found again
  SAVE_EVERY_US = 1000 * 1000,
};

struct store_findings {
  pthread_mutex_t lock;
  pthread_mutex_t save_lock;  // one writes at a time; taken before `lock`
  struct store_found *items;  // in the order of their finding
  size_t count, capacity;
  struct store_progress progress;
  bool is_changed;
  uint64_t saved_us;
};

struct store_findings *store_findings_create(void) {
  struct store_findings *findings = calloc(1, sizeof *findings);
  if (!findings) return NULL;
  BASE_ASSERT(pthread_mutex_init(&findings->lock, NULL) == 0);
  BASE_ASSERT(pthread_mutex_init(&findings->save_lock, NULL) == 0);
  return findings;
}

void store_findings_destroy(struct store_findings **findings_pointer) {
  struct store_findings *findings = *findings_pointer;
  *findings_pointer = NULL;
  if (!findings) return;
  pthread_mutex_destroy(&findings->lock);
  pthread_mutex_destroy(&findings->save_lock);
  free(findings->items);
  free(findings);
}

static void show(struct store *store) { base_metric_set(store->meters.known_damaged, (int64_t)store->findings->count); }

// The lock is held. NULL when there is none, or no room for one that is wanted.
static struct store_found *find(struct store_findings *findings, const struct integrity_digest *id, bool is_wanted) {
  for (size_t i = 0; i < findings->count; i++) {
    if (integrity_digest_equal(&findings->items[i].id, id)) return &findings->items[i];
  }
  if (!is_wanted || findings->count == MAX_ITEMS) return NULL;
  if (findings->count == findings->capacity) {
    const size_t capacity = findings->capacity ? 2 * findings->capacity : FIRST_ITEMS;
    struct store_found *items = realloc(findings->items, capacity * sizeof *items);
    if (!items) return NULL;
    findings->items = items;
    findings->capacity = capacity;
  }
  struct store_found *item = &findings->items[findings->count++];
  *item = (struct store_found){.id = *id};
  return item;
}

// File.

static void put_number(uint8_t *at, uint64_t number) {
  for (size_t i = 0; i < 8; i++) at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t get_number(const uint8_t *at) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; i++) number |= (uint64_t)at[i] << (8 * i);
  return number;
}

static enum base_result take_items(struct store_findings *findings, struct base_span body, struct base_fault *fault) {
  if (body.bytes % ITEM_BYTES != 0) return BASE_FAIL(fault, BASE_CORRUPT, STORE_FINDINGS, "an item is cut short");
  for (size_t at = 0; at < body.bytes; at += ITEM_BYTES) {
    struct integrity_digest id;
    memcpy(id.bytes, body.data + at, sizeof id.bytes);
    struct store_found *item = find(findings, &id, true);
    if (!item) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for what is known of damage");
    item->found_s = (int64_t)get_number(body.data + at + ITEM_TIME_AT);
    item->what = body.data[at + ITEM_WHAT_AT] & (STORE_FINDING_BYTES | STORE_FINDING_RECORD);
  }
  return BASE_OK;
}

static enum base_result load(struct store *store, struct base_fault *fault) {
  struct store_findings *findings = store->findings;
  struct store_record_file file;
  enum base_result result = store_record_open(store, STORE_FINDINGS, &file, fault);
  if (result != BASE_OK) return result;
  struct base_blob *body = NULL;
  result = store_read_progress(&file.record, &findings->progress, fault);
  if (result == BASE_OK) {
    result = store_record_read_body(&file, STORE_FINDINGS, (uint64_t)MAX_ITEMS * ITEM_BYTES, &body, fault);
  }
  if (result == BASE_OK) result = take_items(findings, base_blob_span(body), fault);
  base_blob_unref(&body);
  base_fd_close(&file.fd);
  return result;
}

void store_findings_load(struct store *store) {
  struct base_fault fault = {0};
  const enum base_result result = load(store, &fault);
  show(store);
  if (result == BASE_OK || result == BASE_NOT_FOUND) return;
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
}

static enum base_result write_file(struct store *store, const struct store_progress *progress, struct base_span body,
                                   struct base_fault *fault) {
  struct store_record record = {.kind = STORE_RECORD_FINDINGS};
  struct base_buffer meta;
  struct store_path temporary;
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  integrity_digest_of(body, &record.body_digest);
  enum base_result result = store_describe_progress(progress, &meta, fault);
  record.meta = base_buffer_span(&meta);
  if (result == BASE_OK) result = store_record_write(store, &record, body, true, &temporary, NULL, fault);
  base_buffer_finish(&meta);
  if (result != BASE_OK) return result;
  result = store_file_rename(store, temporary.text, STORE_FINDINGS, fault);
  if (result != BASE_OK) store_file_discard(store, temporary.text);
  return result;
}

// The lock is held.
static enum base_result write_items(const struct store_findings *findings, struct base_buffer *out) {
  enum base_result result = base_buffer_reserve(out, findings->count * ITEM_BYTES);
  for (size_t i = 0; i < findings->count && result == BASE_OK; i++) {
    uint8_t item[ITEM_BYTES] = {0};
    memcpy(item, findings->items[i].id.bytes, sizeof findings->items[i].id.bytes);
    put_number(item + ITEM_TIME_AT, (uint64_t)findings->items[i].found_s);
    item[ITEM_WHAT_AT] = (uint8_t)findings->items[i].what;
    result = base_buffer_append(out, item, sizeof item);
  }
  return result;
}

static void save(struct store *store) {
  struct store_findings *findings = store->findings;
  struct base_buffer body;
  struct base_fault fault = {0};
  base_buffer_init(&body, (size_t)MAX_ITEMS * ITEM_BYTES);
  pthread_mutex_lock(&findings->lock);
  const bool is_changed = findings->is_changed;
  const struct store_progress progress = findings->progress;
  enum base_result result = is_changed ? write_items(findings, &body) : BASE_OK;
  findings->is_changed = false;
  findings->saved_us = base_clock_us(store->config.clock);
  pthread_mutex_unlock(&findings->lock);

  if (result != BASE_OK) result = BASE_FAIL(&fault, result, "", "no memory to keep what is known of damage");
  if (is_changed && result == BASE_OK) result = write_file(store, &progress, base_buffer_span(&body), &fault);
  base_buffer_finish(&body);
  if (result == BASE_OK) return;
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  pthread_mutex_lock(&findings->lock);
  findings->is_changed = true;
  pthread_mutex_unlock(&findings->lock);
}

void store_findings_save(struct store *store) {
  pthread_mutex_lock(&store->findings->save_lock);
  save(store);
  pthread_mutex_unlock(&store->findings->save_lock);
}

// Changes.

// The lock is held; whether the change should be written now.
static bool mark_changed(struct store *store) {
  struct store_findings *findings = store->findings;
  findings->is_changed = true;
  return base_clock_us(store->config.clock) - findings->saved_us >= SAVE_EVERY_US;
}

bool store_findings_note(struct store *store, const struct integrity_digest *id, enum store_finding what) {
  struct store_findings *findings = store->findings;
  bool is_due = false;
  pthread_mutex_lock(&findings->lock);
  struct store_found *item = find(findings, id, true);
  const bool is_news = item && !(item->what & what);
  if (is_news) {
    if (item->what == 0) item->found_s = base_clock_wall_s(store->config.clock);
    item->what |= what;
    is_due = mark_changed(store);
  }
  show(store);
  pthread_mutex_unlock(&findings->lock);
  if (is_due) store_findings_save(store);
  return is_news;
}

void store_findings_clear(struct store *store, const struct integrity_digest *id, unsigned what) {
  struct store_findings *findings = store->findings;
  bool is_due = false;
  pthread_mutex_lock(&findings->lock);
  struct store_found *item = find(findings, id, false);
  if (item && (item->what & what)) {
    item->what &= ~what;
    const size_t behind = findings->count - (size_t)(item - findings->items) - 1;
    if (item->what == 0) {
      memmove(item, item + 1, behind * sizeof *item);
      findings->count--;
    }
    is_due = mark_changed(store);
  }
  show(store);
  pthread_mutex_unlock(&findings->lock);
  if (is_due) store_findings_save(store);
}

void store_findings_set_progress(struct store *store, const struct store_progress *progress) {
  pthread_mutex_lock(&store->findings->lock);
  store->findings->progress = *progress;
  store->findings->is_changed = true;
  pthread_mutex_unlock(&store->findings->lock);
}

struct store_progress store_findings_progress(struct store *store) {
  pthread_mutex_lock(&store->findings->lock);
  const struct store_progress progress = store->findings->progress;
  pthread_mutex_unlock(&store->findings->lock);
  return progress;
}

size_t store_findings_list(struct store *store, struct store_found *out, size_t capacity) {
  struct store_findings *findings = store->findings;
  pthread_mutex_lock(&findings->lock);
  const size_t count = findings->count;
  if (capacity > count) capacity = count;
  if (capacity > 0) memcpy(out, findings->items, capacity * sizeof *out);
  pthread_mutex_unlock(&findings->lock);
  return count;
}
