#include "store/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/file.h"
#include "ledger_disk.h"
#include "ledger_past.h"
#include "ledger_queue.h"

enum {
  DEFAULT_COMMIT_MS = 1000,
  DEFAULT_COMPACT_BYTES = 64 * 1024 * 1024,
  ATTEMPTS = 4,           // to read what is pruned at the same time
  MAX_CANDIDATES = 1024,  // entries about the same bytes, the newest, that are looked through
};

// Open and close.

static void register_meters(struct store_ledger *ledger) {
  static const char name[] = "pixpop_store_ledger_entries_total", help[] = "Entries made in the ledger, by kind.";
  struct base_metrics *metrics = ledger->store->config.metrics;
  struct store_ledger_meters *m = &ledger->meters;
  m->entries[INTEGRITY_ENTRY_PUT] = base_metrics_counter(metrics, name, "kind=\"put\"", help);
  m->entries[INTEGRITY_ENTRY_DERIVE] = base_metrics_counter(metrics, name, "kind=\"derive\"", help);
  m->entries[INTEGRITY_ENTRY_EVICT] = base_metrics_counter(metrics, name, "kind=\"evict\"", help);
  m->entries[INTEGRITY_ENTRY_PURGE] = base_metrics_counter(metrics, name, "kind=\"purge\"", help);
  m->entries[INTEGRITY_ENTRY_CONFIG] = base_metrics_counter(metrics, name, "kind=\"config\"", help);
  m->bytes = base_metrics_gauge(metrics, "pixpop_store_ledger_bytes", "", "Bytes of the ledger on the disk.");
  m->appended =
      base_metrics_counter(metrics, "pixpop_store_ledger_appended_bytes_total", "", "Bytes written to the ledger.");
  m->compactions =
      base_metrics_counter(metrics, "pixpop_store_ledger_compactions_total", "", "Compactions of the ledger.");
  m->failures = base_metrics_counter(metrics, "pixpop_store_ledger_failures_total", "",
                                     "Attempts to write or sign the ledger that failed.");
  m->queue = base_metrics_gauge(metrics, "pixpop_store_ledger_queue", "", "Entries that wait to be written.");
  m->dropped = base_metrics_counter(metrics, "pixpop_store_ledger_dropped_total", "",
                                    "Entries not made because too many wait; the next start makes them.");
  m->halted = base_metrics_gauge(metrics, "pixpop_store_ledger_halted", "", "1: something is wrong with the ledger.");
}

static struct store_ledger *create(struct store *store) {
  struct store_ledger *ledger = calloc(1, sizeof *ledger);
  if (!ledger) return NULL;
  pthread_condattr_t monotonic;
  BASE_ASSERT(pthread_condattr_init(&monotonic) == 0);
  BASE_ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
  BASE_ASSERT(pthread_cond_init(&ledger->wake, &monotonic) == 0);
  BASE_ASSERT(pthread_cond_init(&ledger->done, NULL) == 0);
  BASE_ASSERT(pthread_mutex_init(&ledger->lock, NULL) == 0);
  BASE_ASSERT(pthread_mutex_init(&ledger->listener_lock, NULL) == 0);
  pthread_condattr_destroy(&monotonic);
  ledger->store = store;
  ledger->state = STORE_LEDGER_RUNNING;
  ledger->end_item = &ledger->first_item;
  ledger->fd = -1;
  store_ledger_tree_init(&ledger->tree);
  base_buffer_init(&ledger->note, INTEGRITY_NOTE_MAX_BYTES);
  base_buffer_init(&ledger->compaction.leaves, SIZE_MAX / 2);
  base_random_bytes(ledger->secret, sizeof ledger->secret);
  register_meters(ledger);
  return ledger;
}

static void destroy(struct store_ledger *ledger) {
  while (ledger->first_item) {
    struct store_ledger_item *next = ledger->first_item->next;
    free(ledger->first_item);
    ledger->first_item = next;
  }
  base_fd_close(&ledger->fd);
  integrity_signer_wipe(&ledger->signer);
  store_ledger_tree_finish(&ledger->tree);
  base_buffer_finish(&ledger->note);
  store_ledger_map_finish(&ledger->by_key);
  store_ledger_map_finish(&ledger->by_object);
  free(ledger->compaction.redirect);
  base_buffer_finish(&ledger->compaction.leaves);
  free(ledger->dead);
  free(ledger->purged);
  pthread_cond_destroy(&ledger->wake);
  pthread_cond_destroy(&ledger->done);
  pthread_mutex_destroy(&ledger->lock);
  pthread_mutex_destroy(&ledger->listener_lock);
  free(ledger);
}

static enum base_result start(struct store_ledger *ledger, bool is_missing, struct base_fault *fault) {
  base_metric_set(ledger->meters.bytes, (int64_t)ledger->disk_bytes);
  // Pruned, but not removed in time.
  uint64_t from = ledger->first / INTEGRITY_TILE_WIDTH, bytes;
  while (from > 0 && store_file_size(ledger->store, store_ledger_bundle_path(from - 1).text, &bytes)) from--;
  (void)store_ledger_remove_bundles(ledger->store, from, ledger->first / INTEGRITY_TILE_WIDTH);
  ledger->is_bounded = true;
  ledger->has_writer = pthread_create(&ledger->writer, NULL, store_ledger_writer, ledger) == 0;
  if (!ledger->has_writer) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for the ledger");
  atomic_store(&ledger->is_matching_ended, !is_missing);
  if (!is_missing) return BASE_OK;
  ledger->has_matcher = pthread_create(&ledger->matcher, NULL, store_ledger_matcher, ledger) == 0;
  return ledger->has_matcher ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for the ledger");
}

enum base_result store_ledger_open(struct store *store, struct base_fault *fault) {
  struct store_ledger_config *config = &store->config.ledger;
  if (!config->is_on) return BASE_OK;
  if (config->commit_ms == 0) config->commit_ms = DEFAULT_COMMIT_MS;
  if (config->compact_bytes == 0) config->compact_bytes = DEFAULT_COMPACT_BYTES;
  struct store_ledger *ledger = create(store);
  if (!ledger) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the ledger");
  struct store_ledger_known *known = NULL;
  bool is_missing = false;
  store->ledger = ledger;
  enum base_result result = store_ledger_load(ledger, &known, fault);
  if (result == BASE_OK && ledger->state == STORE_LEDGER_RUNNING) {
    result = store_ledger_match(ledger, &known, &is_missing, fault);
    if (result == BASE_OK) result = start(ledger, is_missing, fault);
  }
  if (result != BASE_OK) store_ledger_close(store);
  return result;
}

void store_ledger_close(struct store *store) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  pthread_mutex_lock(&ledger->lock);
  ledger->is_stopping = true;
  pthread_cond_broadcast(&ledger->wake);
  pthread_mutex_unlock(&ledger->lock);
  if (ledger->has_matcher) pthread_join(ledger->matcher, NULL);
  if (ledger->has_writer) pthread_join(ledger->writer, NULL);
  if (ledger->first_item && ledger->state == STORE_LEDGER_RUNNING) {
    base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                   "the ledger could not be written to its end; the next start enters what is missing");
  }
  store->ledger = NULL;
  destroy(ledger);
}

void store_ledger_before_pruning(struct store *store, void (*listener)(void *self), void *self) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return;
  pthread_mutex_lock(&ledger->listener_lock);
  ledger->listener = listener;
  ledger->listener_self = self;
  pthread_mutex_unlock(&ledger->listener_lock);
}

// What it tells.

// The lock is held.
static void write_reason(const struct store_ledger *ledger, char *out, size_t capacity) {
  struct base_span pieces[] = {base_span_text(ledger->reason), base_span_of(NULL, 0)};
  if (ledger->state == STORE_LEDGER_RUNNING && ledger->is_failing) {
    pieces[0] = base_span_text("it can not be written at present: ");
    pieces[1] = base_span_text(ledger->failure.text);
  } else if (ledger->state == STORE_LEDGER_RUNNING && ledger->compaction.is_hindered) {
    pieces[0] = base_span_text("its compaction can not go on at present; the log tells why");
  }
  size_t at = 0;
  for (size_t i = 0; i < 2 && at + 1 < capacity; i++) {
    const size_t bytes = base_min_u64(pieces[i].bytes, capacity - 1 - at);
    if (bytes > 0) memcpy(out + at, pieces[i].data, bytes);
    at += bytes;
  }
  out[at] = '\0';
}

void store_ledger_get_status(struct store *store, struct store_ledger_status *out) {
  struct store_ledger *ledger = store->ledger;
  *out = (struct store_ledger_status){.state = STORE_LEDGER_OFF};
  if (!ledger) return;
  pthread_mutex_lock(&ledger->lock);
  out->state = ledger->state;
  write_reason(ledger, out->reason, sizeof out->reason);
  memcpy(out->origin, ledger->key.name, sizeof out->origin);
  if (out->origin[0]) integrity_note_key_text(&ledger->key, out->vkey);
  out->size = ledger->size;
  out->signed_size = ledger->signed_head.size;
  out->first = ledger->first;
  out->signed_s = ledger->signed_s;
  out->root = ledger->signed_head.root;
  out->disk_bytes = ledger->disk_bytes;
  out->derives = ledger->derives;
  out->appended_bytes = ledger->appended_bytes;
  out->compactions = ledger->compactions;
  out->is_entering = ledger->state == STORE_LEDGER_RUNNING && !atomic_load(&ledger->is_matching_ended);
  pthread_mutex_unlock(&ledger->lock);
}

static enum base_result append(struct base_buffer *out, const void *bytes, size_t count, struct base_fault *fault) {
  const enum base_result result = base_buffer_append(out, bytes, count);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the ledger's reply");
}

static enum base_result there_is_none(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_NOT_FOUND, "ledger", "this box keeps no ledger");
}

// The lock is held.
static enum base_result check_running(const struct store_ledger *ledger, struct base_fault *fault) {
  if (ledger->state == STORE_LEDGER_RUNNING) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, "ledger", "the ledger is halted: %s", ledger->reason);
}

enum base_result store_ledger_checkpoint(struct store *store, struct base_buffer *out, struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return there_is_none(fault);
  pthread_mutex_lock(&ledger->lock);
  const enum base_result result = ledger->note.bytes > 0
                                      ? append(out, ledger->note.data, ledger->note.bytes, fault)
                                      : BASE_FAIL(fault, BASE_NOT_FOUND, "ledger", "the ledger has no checkpoint");
  pthread_mutex_unlock(&ledger->lock);
  return result;
}

// Tiles.

// The leaves of a bundle whose first `count` entries are durable.
static enum base_result read_leaves(struct store_ledger *ledger, const struct integrity_tile *tile,
                                    struct integrity_digest *out, struct base_fault *fault) {
  struct store_ledger_record *records = malloc(INTEGRITY_TILE_WIDTH * sizeof *records);
  if (!records) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a tile");
  struct base_buffer bytes;
  const enum base_result result = store_ledger_read_bundle(ledger, tile->index, tile->width, &bytes, records, fault);
  for (unsigned i = 0; i < tile->width && result == BASE_OK; i++) integrity_entry_leaf(records[i].entry, &out[i]);
  base_buffer_finish(&bytes);
  free(records);
  return result;
}

static enum base_result read_hashes(void *self, const struct integrity_tile *tile,
                                    struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  struct store_ledger *ledger = self;
  pthread_mutex_lock(&ledger->lock);
  enum base_result result = store_ledger_tree_read(&ledger->tree, tile, out, NULL);
  const bool is_past = tile->index < ledger->first / INTEGRITY_TILE_WIDTH;
  pthread_mutex_unlock(&ledger->lock);
  if (result == BASE_OK) return BASE_OK;
  if (tile->level == 0) {
    return is_past ? store_ledger_past_read(ledger, tile, out, fault) : read_leaves(ledger, tile, out, fault);
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "tile", "the ledger has no such tile");
}

static enum base_result append_entries(struct store_ledger *ledger, const struct integrity_tile *tile,
                                       struct base_buffer *out, struct base_fault *fault) {
  static const uint8_t length[] = {0, INTEGRITY_ENTRY_BYTES};
  struct store_ledger_record *records = malloc(INTEGRITY_TILE_WIDTH * sizeof *records);
  if (!records) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a bundle");
  struct base_buffer bytes;
  enum base_result result = store_ledger_read_bundle(ledger, tile->index, tile->width, &bytes, records, fault);
  for (unsigned i = 0; i < tile->width && result == BASE_OK; i++) {
    result = append(out, length, sizeof length, fault);
    if (result == BASE_OK) result = append(out, records[i].entry, sizeof records[i].entry, fault);
  }
  base_buffer_finish(&bytes);
  free(records);
  return result;
}

enum base_result store_ledger_tile(struct store *store, const struct integrity_tile *tile, struct base_buffer *out,
                                   struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return there_is_none(fault);
  pthread_mutex_lock(&ledger->lock);
  enum base_result result = check_running(ledger, fault);
  const unsigned width = integrity_tile_width(tile->level, tile->index, ledger->signed_head.size);
  // What lies before the first entry that is kept is not asked for on the disk.
  const uint64_t first = tile->level < 0 ? ledger->first : ledger->leaves_first;
  const bool is_pruned = tile->level <= 0 && tile->index < first / INTEGRITY_TILE_WIDTH;
  pthread_mutex_unlock(&ledger->lock);
  if (result != BASE_OK) return result;
  if (tile->width == 0 || width < tile->width || is_pruned) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "tile", is_pruned ? "the tile has been pruned" : "there is no such tile");
  }
  if (tile->level == INTEGRITY_TILE_ENTRIES) return append_entries(ledger, tile, out, fault);
  struct integrity_digest hashes[INTEGRITY_TILE_WIDTH];
  result = read_hashes(ledger, tile, hashes, fault);
  return result == BASE_OK ? append(out, hashes, tile->width * sizeof *hashes, fault) : result;
}

// Proofs.

struct candidate {
  uint64_t index;
  bool is_evicted;
};

// What may be meant, and a checkpoint that covers all of it.
struct search {
  const char *tenant;
  const struct integrity_digest *object;
  const struct store_ledger_wish *wish;
  struct base_buffer candidates;  // struct candidate, best first
  uint64_t size;
  struct base_buffer note;
};

static const struct candidate *candidates_of(const struct search *search, size_t *count) {
  *count = search->candidates.bytes / sizeof(struct candidate);
  return (const void *)search->candidates.data;
}

// Those that live, and then those that were evicted: what has left the disk may still be in RAM. The newest first.
static int compare_candidates(const void *first, const void *second) {
  const struct candidate *a = first, *b = second;
  if (a->is_evicted != b->is_evicted) return a->is_evicted ? 1 : -1;
  return (a->index < b->index) - (a->index > b->index);
}

// The lock is held.
static enum base_result find_candidates(const struct store_ledger *ledger, struct search *search) {
  const struct store_ledger_key key = store_ledger_key_of_object(ledger, search->tenant, search->object);
  const uint64_t put = store_ledger_find_put(ledger, search->tenant, search->object);
  enum base_result result = BASE_OK;
  size_t at = 0;
  uint32_t value;
  search->candidates.bytes = 0;
  if (!search->wish && put != INTEGRITY_ENTRY_NONE) {
    return base_buffer_append(&search->candidates, &(struct candidate){.index = put}, sizeof(struct candidate));
  }
  while (result == BASE_OK && store_ledger_map_next(&ledger->by_object, &key, &at, &value)) {
    struct candidate found;
    memset(&found, 0, sizeof found);
    found.index = store_ledger_resolve(ledger, value);
    found.is_evicted = store_ledger_is_evicted(ledger, found.index);
    if (!found.is_evicted && store_ledger_is_dead(ledger, found.index)) continue;
    result = base_buffer_append(&search->candidates, &found, sizeof found);
  }
  size_t count = search->candidates.bytes / sizeof(struct candidate);
  if (count > 0) qsort(search->candidates.data, count, sizeof(struct candidate), compare_candidates);
  if (count > MAX_CANDIDATES) search->candidates.bytes = MAX_CANDIDATES * sizeof(struct candidate);
  return result;
}

// The lock is held: waits until a checkpoint covers the entry.
static enum base_result wait_for_checkpoint(struct store_ledger *ledger, uint64_t index, struct base_fault *fault) {
  const uint64_t failures = ledger->failures;
  ledger->wanted = base_max_u64(ledger->wanted, index + 1);
  ledger->wanted_signed = base_max_u64(ledger->wanted_signed, index + 1);
  pthread_cond_signal(&ledger->wake);
  while (ledger->signed_head.size <= index && ledger->state == STORE_LEDGER_RUNNING && ledger->failures == failures) {
    pthread_cond_wait(&ledger->done, &ledger->lock);
  }
  if (ledger->signed_head.size > index) return BASE_OK;
  if (ledger->state != STORE_LEDGER_RUNNING) return check_running(ledger, fault);
  return BASE_FAIL(fault, ledger->failure.result, "ledger", "the ledger can not be written: %s", ledger->failure.text);
}

static enum base_result is_unknown(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_NOT_FOUND, "object", "the ledger knows of no such object here");
}

static enum base_result begin_search(struct store_ledger *ledger, struct search *search, struct base_fault *fault) {
  size_t count = 0;
  pthread_mutex_lock(&ledger->lock);
  enum base_result result = check_running(ledger, fault);
  if (result == BASE_OK && find_candidates(ledger, search) != BASE_OK) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a proof");
  }
  const struct candidate *candidates = candidates_of(search, &count);
  if (result == BASE_OK && count == 0) result = is_unknown(fault);
  uint64_t last = 0;
  for (size_t i = 0; i < count; i++) last = base_max_u64(last, candidates[i].index);
  if (result == BASE_OK) result = wait_for_checkpoint(ledger, last, fault);
  if (result == BASE_OK) {
    search->size = ledger->signed_head.size;
    search->note.bytes = 0;
    result = append(&search->note, ledger->note.data, ledger->note.bytes, fault);
  }
  pthread_mutex_unlock(&ledger->lock);
  return result;
}

static bool fits(const struct store_ledger_wish *wish, const struct integrity_subject *subject) {
  if (!wish) return true;
  if (subject->kind == INTEGRITY_ENTRY_PUT) {
    return !wish->recipe && integrity_digest_equal(&subject->object, &wish->original);
  }
  return integrity_digest_equal(&subject->original, &wish->original) &&
         (!wish->recipe || strcmp(subject->recipe, wish->recipe) == 0);
}

// Whether the entry is the one that is meant. Of what was evicted, nothing is said but of derives, and only as long as
// their original is there.
static bool is_meant(struct store_ledger *ledger, const struct search *search, const struct candidate *candidate,
                     const struct store_ledger_record *record) {
  struct integrity_subject subject;
  if (integrity_subject_parse(record->subject, &subject, NULL) != BASE_OK || !fits(search->wish, &subject))
    return false;
  if (!candidate->is_evicted) return true;
  if (subject.kind != INTEGRITY_ENTRY_DERIVE) return false;
  pthread_mutex_lock(&ledger->lock);
  const uint64_t put = store_ledger_find_put(ledger, subject.tenant, &subject.original);
  pthread_mutex_unlock(&ledger->lock);
  return put != INTEGRITY_ENTRY_NONE;
}

static enum base_result write_proof(struct store_ledger *ledger, const struct search *search, uint64_t index,
                                    const struct store_ledger_record *record, struct base_buffer *out,
                                    struct base_fault *fault) {
  const struct integrity_tile_source source = {.read = read_hashes, .self = ledger};
  struct integrity_proof proof = {
      .index = index, .checkpoint = base_buffer_span(&search->note), .subject = record->subject};
  memcpy(proof.entry, record->entry, sizeof proof.entry);
  memcpy(proof.salt, record->salt, sizeof proof.salt);
  const enum base_result result =
      integrity_tiles_inclusion(&source, index, search->size, proof.path, &proof.nodes, fault);
  return result == BASE_OK ? integrity_proof_write(&proof, out, fault) : result;
}

// *is_told: whether there is a proof. BASE_NOT_FOUND: an entry has been pruned.
static enum base_result prove_one_of(struct store_ledger *ledger, const struct search *search, bool *is_told,
                                     struct base_buffer *out, struct base_fault *fault) {
  struct store_ledger_record *records = malloc(INTEGRITY_TILE_WIDTH * sizeof *records);
  if (!records) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a proof");
  struct base_buffer bytes;
  uint64_t read = UINT64_MAX;
  size_t count;
  enum base_result result = BASE_OK;
  const struct candidate *candidates = candidates_of(search, &count);
  base_buffer_init(&bytes, 0);
  *is_told = false;
  for (size_t i = 0; i < count && result == BASE_OK && !*is_told; i++) {
    const uint64_t bundle = candidates[i].index / INTEGRITY_TILE_WIDTH;
    const struct store_ledger_record *record = &records[candidates[i].index % INTEGRITY_TILE_WIDTH];
    if (bundle != read) {
      base_buffer_finish(&bytes);
      result = store_ledger_read_bundle(
          ledger, bundle, integrity_tile_width(INTEGRITY_TILE_ENTRIES, bundle, search->size), &bytes, records, fault);
      read = bundle;
    }
    *is_told = result == BASE_OK && is_meant(ledger, search, &candidates[i], record);
    if (*is_told) result = write_proof(ledger, search, candidates[i].index, record, out, fault);
  }
  base_buffer_finish(&bytes);
  free(records);
  return result;
}

enum base_result store_ledger_prove(struct store *store, const char *tenant, const struct integrity_digest *object,
                                    const struct store_ledger_wish *wish, struct base_buffer *out,
                                    struct base_fault *fault) {
  struct store_ledger *ledger = store->ledger;
  if (!ledger) return there_is_none(fault);
  if (!store_tenant_is_valid(tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  const size_t start = out->bytes;
  struct search search = {.tenant = tenant, .object = object, .wish = wish};
  base_buffer_init(&search.note, INTEGRITY_NOTE_MAX_BYTES);
  base_buffer_init(&search.candidates, SIZE_MAX / 2);
  enum base_result result = BASE_NOT_FOUND;
  for (int attempt = 0; attempt < ATTEMPTS && result == BASE_NOT_FOUND; attempt++) {
    struct base_fault cause = {0};
    bool is_told = false;
    result = begin_search(ledger, &search, fault);
    if (result != BASE_OK) break;
    out->bytes = start;
    result = prove_one_of(ledger, &search, &is_told, out, &cause);
    if (result == BASE_OK && !is_told) {
      result = is_unknown(fault);
      break;
    }
    // Not found: it was entered again and pruned in between.
    if (result != BASE_OK && (result != BASE_NOT_FOUND || attempt + 1 == ATTEMPTS)) {
      result = BASE_FAIL(fault, result == BASE_NOT_FOUND ? BASE_BUSY : result, cause.subject, "%s", cause.text);
    }
  }
  base_buffer_finish(&search.note);
  base_buffer_finish(&search.candidates);
  return result;
}
