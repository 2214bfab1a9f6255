#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "ledger_disk.h"
#include "ledger_past.h"
#include "ledger_queue.h"

// What compaction has come to, for the maps.
struct renumbering {
  const struct store_ledger *ledger;
  uint64_t base;
  bool keeps_evicted;
};

enum { MAX_LEAVES = 1 << 21 };  // that are kept: 64 MiB of them

// Pointless, or too early: with the lock held.
static bool is_wanted(const struct store_ledger *ledger) {
  return ledger->dead_count > (ledger->size - ledger->first) / 2 &&
         ledger->disk_bytes > ledger->store->config.ledger.compact_bytes;
}

static void begin(struct store_ledger *ledger) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  const uint64_t cut = ledger->tree.size - ledger->tree.size % INTEGRITY_TILE_WIDTH;
  if (cut <= ledger->first) return;
  uint32_t *redirect = calloc((size_t)(cut - ledger->base), sizeof *redirect);
  if (!redirect) return;  // another time
  const uint64_t from = cut - ledger->first > MAX_LEAVES ? cut - MAX_LEAVES : ledger->first;
  *compaction = (struct store_ledger_compaction){.is_on = true,
                                                 .next = ledger->first,
                                                 .cut = cut,
                                                 .from = from - from % INTEGRITY_TILE_WIDTH,
                                                 .redirect = redirect};
  base_buffer_init(&compaction->leaves, SIZE_MAX / 2);
}

// What there is no memory for is not kept, and what lies before neither.
static void keep_leaves(struct store_ledger_compaction *compaction, const struct store_ledger_record *records) {
  if (compaction->next < compaction->from) return;
  struct integrity_digest leaves[INTEGRITY_TILE_WIDTH];
  for (size_t i = 0; i < INTEGRITY_TILE_WIDTH; i++) integrity_entry_leaf(records[i].entry, &leaves[i]);
  if (base_buffer_append(&compaction->leaves, leaves, sizeof leaves) == BASE_OK) return;
  base_buffer_finish(&compaction->leaves);
  compaction->from = compaction->next + INTEGRITY_TILE_WIDTH;
}

// An entry that is still true, once more. False when memory is short or the queue is full. The lock is held.
static bool enter_again(struct store_ledger *ledger, uint64_t index, const struct store_ledger_record *record) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  struct integrity_entry entry;
  if (integrity_entry_parse(base_span_of(record->entry, sizeof record->entry), &entry, NULL) != BASE_OK) return false;
  struct store_ledger_item *item = store_ledger_item_new(ledger, entry.kind, record->subject.bytes);
  if (!item) return false;
  item->time_s = entry.time_s;
  item->renews = entry.renews != INTEGRITY_ENTRY_NONE ? entry.renews : index;
  item->refers = entry.refers;
  if (entry.refers >= ledger->base && entry.refers < compaction->cut) {
    item->refers = store_ledger_resolve(ledger, (uint32_t)(entry.refers - ledger->base));
  }
  memcpy(item->salt, record->salt, sizeof item->salt);
  memcpy(item->subject, record->subject.data, record->subject.bytes);
  item->subject_bytes = record->subject.bytes;
  const uint64_t again = store_ledger_enqueue(ledger, item);
  if (again == INTEGRITY_ENTRY_NONE) return false;
  compaction->redirect[index - ledger->base] = (uint32_t)(again - ledger->base) + 1;
  store_ledger_mark_dead(ledger, index);
  return true;
}

// Said once, until it goes on again.
static void note_obstacle(struct store_ledger *ledger, const struct base_fault *fault) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  if (!compaction->is_hindered) base_log_fault(ledger->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, fault);
  pthread_mutex_lock(&ledger->lock);
  compaction->is_hindered = true;
  pthread_mutex_unlock(&ledger->lock);
}

// False: something that may pass is in the way (damage halts the ledger). Those that have been entered again are dead.
static bool go_through_bundle(struct store_ledger *ledger, struct store_ledger_record *records) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  struct base_buffer bytes;
  struct base_fault fault = {0};
  enum base_result result = store_ledger_read_bundle(ledger, compaction->next / INTEGRITY_TILE_WIDTH,
                                                     INTEGRITY_TILE_WIDTH, &bytes, records, &fault);
  pthread_mutex_lock(&ledger->lock);
  for (unsigned i = 0; i < INTEGRITY_TILE_WIDTH && result == BASE_OK; i++) {
    const uint64_t index = compaction->next + i;
    if (store_ledger_is_dead(ledger, index)) continue;
    if (!enter_again(ledger, index, &records[i])) {
      result = BASE_FAIL(&fault, BASE_BUSY, "ledger",
                         "no memory, or no room in the queue, to enter again what is compacted");
    }
  }
  pthread_mutex_unlock(&ledger->lock);
  if (result == BASE_OK) {
    keep_leaves(compaction, records);
    pthread_mutex_lock(&ledger->lock);
    compaction->next += INTEGRITY_TILE_WIDTH;
    if (compaction->next == compaction->cut) compaction->last = ledger->size;
    compaction->is_hindered = false;
    pthread_mutex_unlock(&ledger->lock);
  } else {
    note_obstacle(ledger, &fault);
  }
  base_buffer_finish(&bytes);
  return result == BASE_OK;
}

// The end: what lies before the cut goes.

static bool renumber(const void *argument, uint32_t value, uint32_t *out) {
  const struct renumbering *how = argument;
  const uint64_t index = store_ledger_resolve(how->ledger, value);
  if (index < how->base) return false;
  if (store_ledger_is_dead(how->ledger, index) &&
      !(how->keeps_evicted && store_ledger_is_evicted(how->ledger, index))) {
    return false;
  }
  *out = (uint32_t)(index - how->base);
  return true;
}

static uint64_t count_bits(const uint8_t *bytes, size_t count) {
  uint64_t bits = 0;
  for (size_t i = 0; i < count; i++) bits += (uint64_t)__builtin_popcount(bytes[i]);
  return bits;
}

static enum base_result write_pruned(struct store_ledger *ledger, struct base_fault *fault) {
  struct base_buffer file;
  base_buffer_init(&file, SIZE_MAX / 2);
  enum base_result result = store_ledger_tree_write_pruned(&ledger->tree, ledger->compaction.cut, &file, fault);
  if (result == BASE_OK) {
    result = store_ledger_replace_file(ledger->store, "pruned", base_buffer_span(&file), 0644, true, fault);
  }
  base_buffer_finish(&file);
  return result;
}

static void drop_bits(const struct store_ledger *ledger, uint8_t *bits, size_t gone) {
  memmove(bits, bits + gone, ledger->dead_capacity - gone);
  memset(bits + ledger->dead_capacity - gone, 0, gone);
}

static void forget(struct store_ledger *ledger, uint64_t leaves_first, uint64_t leaves_bytes) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  const uint64_t cut = compaction->cut;
  pthread_mutex_lock(&ledger->lock);
  struct renumbering how = {.ledger = ledger, .base = cut};
  store_ledger_map_renumber(&ledger->by_key, renumber, &how);
  how.keeps_evicted = true;
  store_ledger_map_renumber(&ledger->by_object, renumber, &how);
  const size_t gone = (size_t)((cut - ledger->base) / 8);  // bundles are whole bytes of bits
  ledger->dead_count -= count_bits(ledger->dead, gone);
  drop_bits(ledger, ledger->dead, gone);
  drop_bits(ledger, ledger->purged, gone);
  ledger->base = ledger->first = cut;
  ledger->leaves_first = leaves_first;
  ledger->disk_bytes += leaves_bytes - ledger->leaves_bytes;
  ledger->leaves_bytes = leaves_bytes;
  store_ledger_tree_prune(&ledger->tree, leaves_first);
  free(compaction->redirect);
  base_buffer_finish(&compaction->leaves);
  *compaction = (struct store_ledger_compaction){.is_on = false};
  ledger->compactions++;
  base_metric_add(ledger->meters.compactions, 1);
  pthread_mutex_unlock(&ledger->lock);
}

static void tell_listener(struct store_ledger *ledger) {
  pthread_mutex_lock(&ledger->listener_lock);
  if (ledger->listener) ledger->listener(ledger->listener_self);
  pthread_mutex_unlock(&ledger->listener_lock);
}

// False as above.
static bool prune(struct store_ledger *ledger) {
  struct base_fault fault = {0};
  const uint64_t from = ledger->first, to = ledger->compaction.cut;
  // First what may fail: until it is done, the leaves of the last compaction are still served.
  if (write_pruned(ledger, &fault) != BASE_OK) {
    note_obstacle(ledger, &fault);
    return false;
  }
  tell_listener(ledger);
  uint64_t leaves_bytes;
  const uint64_t leaves_first = store_ledger_past_write(ledger, &leaves_bytes);
  forget(ledger, leaves_first, leaves_bytes);
  const uint64_t removed =
      store_ledger_remove_bundles(ledger->store, from / INTEGRITY_TILE_WIDTH, to / INTEGRITY_TILE_WIDTH);
  pthread_mutex_lock(&ledger->lock);
  ledger->disk_bytes -= base_min_u64(removed, ledger->disk_bytes);
  base_metric_set(ledger->meters.bytes, (int64_t)ledger->disk_bytes);
  pthread_mutex_unlock(&ledger->lock);
  base_log_write(ledger->store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                 "the ledger was compacted: %llu bytes of entries before number %llu went", (unsigned long long)removed,
                 (unsigned long long)to);
  return true;
}

bool store_ledger_compact(struct store_ledger *ledger, struct store_ledger_record records[INTEGRITY_TILE_WIDTH]) {
  struct store_ledger_compaction *compaction = &ledger->compaction;
  pthread_mutex_lock(&ledger->lock);
  if (!compaction->is_on && is_wanted(ledger)) begin(ledger);
  const bool is_on = compaction->is_on, is_through = compaction->next == compaction->cut;
  const bool is_signed = ledger->signed_head.size >= compaction->last;
  pthread_mutex_unlock(&ledger->lock);
  if (!is_on) return false;
  if (!is_through) return go_through_bundle(ledger, records);
  return !is_signed || prune(ledger);
}
