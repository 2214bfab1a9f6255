#include "ledger_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>

#include "base/file.h"

enum { NEVER_MS = 24 * 3600 * 1000 };

static void fill(void *self, uint8_t *out, size_t bytes) {
  unsigned *seed = self;
  static const char name[] = "tests/unit/store";
  for (size_t at = 0; at < bytes; at += BASE_DIGEST_BYTES) {
    const unsigned number = __atomic_add_fetch(seed, 1, __ATOMIC_RELAXED);
    const struct base_span pieces[] = {base_span_of(name, sizeof name), base_span_of(&number, sizeof number)};
    uint8_t digest[BASE_DIGEST_BYTES];
    integrity_digest_pieces(pieces, 2, digest);
    memcpy(out + at, digest, bytes - at < sizeof digest ? bytes - at : sizeof digest);
  }
}

void ledger_configure(struct fixture *fixture, unsigned seed) {
  static unsigned seeds[16];
  static unsigned used;
  unsigned *own = &seeds[used++ % 16];
  *own = seed * 1000003;
  fixture->config.ledger =
      (struct store_ledger_config){.is_on = true, .commit_ms = NEVER_MS, .fill_random = fill, .random_self = own};
}

struct store_ledger_status ledger_status(const struct fixture *fixture) {
  struct store_ledger_status status;
  store_ledger_get_status(fixture->store, &status);
  return status;
}

void ledger_wait_entered(struct store *store) {
  struct store_ledger_status status;
  do {
    sched_yield();
    store_ledger_get_status(store, &status);
  } while (status.is_entering);
}

void ledger_open(struct fixture *fixture) {
  fixture_open(fixture);
  ledger_wait_entered(fixture->store);
}

// Waiters wait for what was queued before them too. The second entry ends in a proof of the first one's checkpoint.
void ledger_settle(struct store *store) {
  struct store_ledger_status status;
  do {
    sched_yield();
    store_ledger_get_status(store, &status);
    if (status.state != STORE_LEDGER_RUNNING || status.signed_size == status.size) return;
    struct integrity_digest settings;
    integrity_digest_of(base_span_of(&status.size, sizeof status.size), &settings);
    assert_int_equal(store_ledger_note_config(store, &settings, "test", NULL), BASE_OK);
    do {
      sched_yield();
      store_ledger_get_status(store, &status);
    } while (status.state == STORE_LEDGER_RUNNING && status.signed_size < status.size);
  } while (status.signed_size < status.size);
}

// Reading.

static struct base_buffer read_file(const char *root, const char *name, bool is_needed) {
  char path[PATH_MAX];
  struct base_buffer bytes;
  snprintf(path, sizeof path, "%s/ledger/%s", root, name);
  const enum base_result result = base_file_read(path, 1 << 24, &bytes, NULL);
  if (is_needed) assert_int_equal(result, BASE_OK);
  if (result != BASE_OK) base_buffer_init(&bytes, 0);
  return bytes;
}

static struct ledger_line *line_at(const struct ledger_view *view, uint64_t index) {
  assert_in_range(index, view->first, view->size - 1);
  return &view->lines[index - view->first];
}

bool ledger_is_unknown(const struct ledger_line *line) {
  static const struct integrity_digest zeros;
  return strcmp(line->subject.tenant, INTEGRITY_SUBJECT_UNKNOWN_TENANT) == 0 &&
         integrity_digest_equal(&line->subject.object, &zeros);
}

static void check_end(struct ledger_view *view, const struct ledger_line *line) {
  assert_int_not_equal(line->entry.refers, INTEGRITY_ENTRY_NONE);
  if (line->entry.refers < view->first) return;
  struct ledger_line *ended = line_at(view, line->entry.refers);
  assert_true(ended->entry.kind == INTEGRITY_ENTRY_PUT || ended->entry.kind == INTEGRITY_ENTRY_DERIVE);
  if (!ledger_is_unknown(line)) {
    assert_string_equal(ended->subject.tenant, line->subject.tenant);
    assert_true(integrity_digest_equal(&ended->subject.object, &line->subject.object));
  }
  // Ended before, and only said once more.
  assert_true(!ended->is_dead || line->entry.renews != INTEGRITY_ENTRY_NONE);
  ended->is_dead = true;
}

static void check_line(struct ledger_view *view, struct ledger_line *line, uint64_t index) {
  const struct integrity_entry *entry = &line->entry;
  assert_true(entry->refers == INTEGRITY_ENTRY_NONE || entry->refers < index);
  assert_true(entry->renews == INTEGRITY_ENTRY_NONE || entry->renews < index);
  for (uint64_t i = view->first; entry->renews != INTEGRITY_ENTRY_NONE && i < index; i++) {
    struct ledger_line *older = line_at(view, i);
    const uint64_t first = older->entry.renews == INTEGRITY_ENTRY_NONE ? i : older->entry.renews;
    if (first != entry->renews) continue;
    assert_true(integrity_digest_equal(&older->entry.commitment, &entry->commitment));
    older->is_dead = true;
  }
  if (entry->kind == INTEGRITY_ENTRY_DERIVE && entry->refers != INTEGRITY_ENTRY_NONE && entry->refers >= view->first) {
    const struct ledger_line *put = line_at(view, entry->refers);
    assert_int_equal(put->entry.kind, INTEGRITY_ENTRY_PUT);
    assert_true(integrity_digest_equal(&put->subject.object, &line->subject.original));
    assert_string_equal(put->subject.tenant, line->subject.tenant);
  }
  if (entry->kind == INTEGRITY_ENTRY_EVICT || entry->kind == INTEGRITY_ENTRY_PURGE) check_end(view, line);
  if (entry->kind == INTEGRITY_ENTRY_EVICT) line->is_dead = true;
}

static void read_bundle(struct ledger_view *view, struct base_span rest, size_t *capacity) {
  struct store_ledger_record record;
  enum base_result result;
  while ((result = store_ledger_record_next(&rest, &record, NULL)) == BASE_OK) {
    if (view->size - view->first == *capacity) {
      *capacity = 2 * *capacity + 64;
      view->lines = realloc(view->lines, *capacity * sizeof *view->lines);
      view->roots = realloc(view->roots, (*capacity + 1) * sizeof *view->roots);
      assert_true(view->lines && view->roots);
    }
    struct ledger_line *line = &view->lines[view->size++ - view->first];
    *line = (struct ledger_line){.is_dead = false};
    assert_int_equal(store_ledger_record_check(&record, &line->entry, &line->subject, NULL), BASE_OK);
    struct integrity_digest leaf;
    integrity_entry_leaf(record.entry, &leaf);
    assert_int_equal(store_ledger_tree_add(&view->tree, &leaf, NULL), BASE_OK);
    store_ledger_tree_root(&view->tree, &view->roots[view->size - view->first]);
  }
  assert_int_equal(result, BASE_NOT_FOUND);  // no torn end
}

void ledger_read(const char *root, struct ledger_view *out) {
  *out = (struct ledger_view){0};
  store_ledger_tree_init(&out->tree);
  struct base_buffer bytes = read_file(root, "vkey", true);
  struct base_span vkey = base_buffer_span(&bytes);
  assert_int_equal(integrity_note_key_parse(base_span_cut(&vkey, '\n'), &out->key, NULL), BASE_OK);
  base_buffer_finish(&bytes);
  bytes = read_file(root, "checkpoint", true);
  assert_int_equal(integrity_checkpoint_open(base_buffer_span(&bytes), &out->key, &out->head, NULL), BASE_OK);
  base_buffer_finish(&bytes);
  bytes = read_file(root, "pruned", false);
  if (bytes.bytes > 0) {
    assert_int_equal(store_ledger_tree_read_pruned(&out->tree, base_buffer_span(&bytes), NULL), BASE_OK);
  }
  base_buffer_finish(&bytes);
  out->first = out->size = out->tree.size;
  out->roots = malloc(sizeof *out->roots);
  assert_non_null(out->roots);
  store_ledger_tree_root(&out->tree, &out->roots[0]);
  size_t capacity = 0;
  while (out->size % INTEGRITY_TILE_WIDTH == 0) {
    char name[INTEGRITY_TILE_MAX_PATH + 1];
    integrity_tile_path(&(struct integrity_tile){INTEGRITY_TILE_ENTRIES, out->size / INTEGRITY_TILE_WIDTH, 256}, name);
    bytes = read_file(root, name, false);
    const size_t there = bytes.bytes;
    if (there > 0) read_bundle(out, base_buffer_span(&bytes), &capacity);
    base_buffer_finish(&bytes);
    if (there == 0) break;
  }
  assert_in_range(out->head.size, out->first, out->size);
  assert_true(ledger_begins_with(out, out->head.size, &out->head.root));
  for (uint64_t i = out->first; i < out->size; i++) check_line(out, line_at(out, i), i);
}

void ledger_free(struct ledger_view *view) {
  free(view->lines);
  free(view->roots);
  store_ledger_tree_finish(&view->tree);
}

bool ledger_begins_with(const struct ledger_view *view, uint64_t size, const struct integrity_digest *root) {
  if (size < view->first) return true;
  return size <= view->size && integrity_digest_equal(&view->roots[size - view->first], root);
}

size_t ledger_count(const struct ledger_view *view, enum integrity_entry_kind kind) {
  size_t count = 0;
  for (uint64_t i = view->first; i < view->size; i++) {
    const struct ledger_line *line = line_at(view, i);
    if (line->entry.kind == kind && !line->is_dead) count++;
  }
  return count;
}

// By what is served of it.

static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  struct base_buffer bytes;
  base_buffer_init(&bytes, INTEGRITY_TILE_BYTES);
  const enum base_result result = store_ledger_tile(self, tile, &bytes, fault);
  if (result == BASE_OK) {
    assert_int_equal(bytes.bytes, tile->width * sizeof *out);
    memcpy(out, bytes.data, bytes.bytes);
  }
  base_buffer_finish(&bytes);
  return result;
}

struct integrity_tile_source ledger_tiles(struct store *store) {
  return (struct integrity_tile_source){.read = read_tile, .self = store};
}

bool ledger_continues(struct store *store, uint64_t old_size, const struct integrity_digest *old_root) {
  struct store_ledger_status status;
  store_ledger_get_status(store, &status);
  const struct integrity_tile_source source = ledger_tiles(store);
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS];
  size_t nodes;
  const enum base_result result =
      integrity_tiles_consistency(&source, old_size, status.signed_size, path, &nodes, NULL);
  if (result == BASE_NOT_FOUND) return false;
  assert_int_equal(result, BASE_OK);
  assert_true(integrity_merkle_is_consistent(old_size, old_root, status.signed_size, &status.root, path, nodes));
  return true;
}

// Against the store.

struct search {
  struct store *store;
  const struct ledger_view *view;
  size_t originals, variants;
};

static struct ledger_line *find_line(const struct search *search, enum integrity_entry_kind kind, const char *tenant,
                                     const struct integrity_digest *object, const char *recipe) {
  for (uint64_t i = search->view->first; i < search->view->size; i++) {
    struct ledger_line *line = line_at(search->view, i);
    if (line->is_dead || line->entry.kind != kind || strcmp(line->subject.tenant, tenant) != 0) continue;
    if (!integrity_digest_equal(&line->subject.object, object)) continue;
    if (!recipe || strcmp(recipe, line->subject.recipe) == 0) return line;
  }
  return NULL;
}

static bool has_variant(void *argument, const struct store_variant *variant) {
  struct search *search = argument;
  const struct ledger_line *line =
      find_line(search, INTEGRITY_ENTRY_DERIVE, variant->tenant, &variant->digest, variant->recipe);
  if (!line) fail_msg("the ledger knows nothing of the variant %s", variant->recipe);
  assert_int_equal(line->subject.bytes, variant->bytes);
  assert_true(integrity_digest_equal(&line->subject.original, &variant->original));
  search->variants++;
  return true;
}

static bool has_original(void *argument, const struct store_original *original) {
  struct search *search = argument;
  const struct ledger_line *line = find_line(search, INTEGRITY_ENTRY_PUT, original->tenant, &original->id, NULL);
  if (!line) fail_msg("the ledger knows nothing of the original %s", original->name);
  assert_int_equal(line->subject.bytes, original->bytes);
  search->originals++;
  assert_int_equal(store_variant_list(search->store, original->tenant, &original->id, has_variant, search, NULL),
                   BASE_OK);
  return true;
}

void ledger_expect_match(struct fixture *fixture, const char *tenant) {
  ledger_wait_entered(fixture->store);
  ledger_settle(fixture->store);
  const struct store_ledger_status status = ledger_status(fixture);
  if (status.state != STORE_LEDGER_RUNNING) fail_msg("the ledger is halted: %s", status.reason);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(view.head.size, status.signed_size);
  assert_int_equal(view.size, status.size);
  assert_int_equal(view.first, status.first);
  struct search search = {.store = fixture->store, .view = &view};
  assert_int_equal(store_original_list(fixture->store, tenant, NULL, SIZE_MAX, has_original, &search, NULL), BASE_OK);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PUT), search.originals);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_DERIVE), search.variants);
  ledger_free(&view);
}
