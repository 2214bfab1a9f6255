#include "verify_ledger.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum {
  MAX_READ_TRIES = 4,  // while the box prunes what is being read
  MAX_PRUNED_BYTES = INTEGRITY_TILE_LEVELS * INTEGRITY_TILE_BYTES,
};

static const struct integrity_digest *leaves_of(const struct verify_ledger *ledger) {
  return (const void *)ledger->leaves.data;
}

static struct verify_entry *entries_of(const struct verify_ledger *ledger) { return (void *)ledger->entries.data; }

static enum base_result read_file(const char *store, const char *name, size_t limit, struct base_buffer *out,
                                  struct base_fault *fault) {
  char path[PATH_MAX];
  const int length = snprintf(path, sizeof(path), "%s/ledger/%s", store, name);
  base_buffer_init(out, limit);
  if (length < 0 || length >= PATH_MAX) return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the path is too long");
  return base_file_read(path, limit, out, fault);
}

// --- reading ---

static enum base_result read_pruned(const char *store, struct verify_ledger *ledger, struct base_fault *fault) {
  struct base_buffer file;
  struct base_fault cause = {0};
  enum base_result result = read_file(store, "pruned", MAX_PRUNED_BYTES, &file, &cause);
  if (result == BASE_OK)
    result = store_ledger_tree_read_pruned(&ledger->tree, base_buffer_span(&file), fault);
  else if (result == BASE_NOT_FOUND)
    result = BASE_OK;
  else
    result = BASE_FAIL(fault, result, "", "ledger/pruned: %s", cause.text);
  ledger->first = ledger->size = ledger->tree.size;
  base_buffer_finish(&file);
  return result;
}

void verify_ledger_whose(const char *tenant, const struct integrity_digest *original, const char *recipe,
                         struct integrity_digest *out) {
  const struct base_span pieces[] = {
      base_span_of(tenant, strlen(tenant) + 1),
      original != NULL ? base_span_of(original->bytes, sizeof(original->bytes)) : base_span_of(NULL, 0),
      base_span_text(recipe),
  };
  integrity_digest_pieces(pieces, sizeof(pieces) / sizeof(*pieces), out->bytes);
}

static struct verify_entry entry_of(const struct integrity_entry *entry, const struct integrity_subject *subject) {
  struct verify_entry out = {.kind = entry->kind,
                             .bytes = subject->bytes,
                             .object = subject->object,
                             .root = subject->root,
                             .original = entry->kind == INTEGRITY_ENTRY_DERIVE ? subject->original : subject->object};
  if (entry->kind == INTEGRITY_ENTRY_PUT)
    verify_ledger_whose(subject->tenant, NULL, NULL, &out.whose);
  else if (entry->kind == INTEGRITY_ENTRY_DERIVE)
    verify_ledger_whose(subject->tenant, &subject->original, subject->recipe, &out.whose);
  return out;
}

static enum base_result add_record(struct verify_ledger *ledger, const struct store_ledger_record *record,
                                   struct base_fault *fault) {
  struct integrity_entry entry;
  struct integrity_subject subject;
  struct integrity_digest leaf;
  enum base_result result = store_ledger_record_check(record, &entry, &subject, fault);
  if (result != BASE_OK) return result;
  const bool ends = entry.kind == INTEGRITY_ENTRY_EVICT || entry.kind == INTEGRITY_ENTRY_PURGE;
  if (ends && entry.refers != INTEGRITY_ENTRY_NONE && entry.refers >= ledger->size)
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "an entry refers to one that is not before it");
  const struct verify_entry added = entry_of(&entry, &subject);
  integrity_entry_leaf(record->entry, &leaf);
  result = base_buffer_append(&ledger->entries, &added, sizeof(added));
  if (result == BASE_OK) result = base_buffer_append(&ledger->leaves, leaf.bytes, sizeof(leaf.bytes));
  if (result == BASE_OK) result = store_ledger_tree_add(&ledger->tree, &leaf, fault);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "ledger", "no memory for the ledger");
  if (ends && entry.refers != INTEGRITY_ENTRY_NONE && entry.refers >= ledger->first)
    entries_of(ledger)[entry.refers - ledger->first].is_ended = true;
  ledger->size++;
  return BASE_OK;
}

// BASE_NOT_FOUND: there is no such bundle.
static enum base_result read_bundle(const char *store, struct verify_ledger *ledger, struct base_fault *fault) {
  const struct integrity_tile tile = {INTEGRITY_TILE_ENTRIES, ledger->size / INTEGRITY_TILE_WIDTH,
                                      INTEGRITY_TILE_WIDTH};
  char name[INTEGRITY_TILE_MAX_PATH + 1];
  struct base_buffer file;
  struct base_fault cause = {0};
  struct store_ledger_record record;
  integrity_tile_path(&tile, name);
  enum base_result result = read_file(store, name, STORE_LEDGER_MAX_BUNDLE_BYTES, &file, &cause);
  struct base_span rest = base_buffer_span(&file);
  const uint64_t end = (tile.index + 1) * INTEGRITY_TILE_WIDTH;
  while (result == BASE_OK && rest.bytes > 0 && ledger->size < end) {
    result = store_ledger_record_next(&rest, &record, &cause);
    if (result == BASE_OK) result = add_record(ledger, &record, &cause);
  }
  if (result == BASE_OK && rest.bytes > 0) result = BASE_FAIL(&cause, BASE_CORRUPT, "", "it has more than 256 entries");
  if (result != BASE_OK && result != BASE_NOT_FOUND)
    result = BASE_FAIL(fault, result, "", "ledger/%s, entry %" PRIu64 ": %s", name, ledger->size, cause.text);
  base_buffer_finish(&file);
  return result;
}

// Up to the first bundle that is missing, not full or damaged.
static enum base_result read_bundles(const char *store, struct verify_ledger *ledger) {
  enum base_result result = BASE_OK;
  for (bool is_full = true; result == BASE_OK && is_full;) {
    const uint64_t before = ledger->size;
    result = read_bundle(store, ledger, &ledger->damage);
    is_full = ledger->size - before == INTEGRITY_TILE_WIDTH - before % INTEGRITY_TILE_WIDTH;
  }
  return result;
}

// --- looking up ---

static int compare(const struct verify_entry *a, const struct verify_entry *b) {
  int order = memcmp(a->object.bytes, b->object.bytes, sizeof(a->object.bytes));
  if (order == 0) order = memcmp(a->whose.bytes, b->whose.bytes, sizeof(a->whose.bytes));
  return order != 0 ? order : (int)a->kind - (int)b->kind;
}

static int compare_places(const void *first, const void *second, void *self) {
  const struct verify_entry *entries = self;
  const uint64_t a = *(const uint64_t *)first, b = *(const uint64_t *)second;
  const int order = compare(&entries[a], &entries[b]);
  return order != 0 ? order : (a > b) - (a < b);
}

static enum base_result put_in_order(struct verify_ledger *ledger, struct base_fault *fault) {
  const struct verify_entry *entries = entries_of(ledger);
  const uint64_t count = ledger->size - ledger->first;
  for (uint64_t i = 0; i < count; i++) {
    if (entries[i].kind != INTEGRITY_ENTRY_PUT && entries[i].kind != INTEGRITY_ENTRY_DERIVE) continue;
    if (base_buffer_append(&ledger->order, &i, sizeof(i)) != BASE_OK)
      return BASE_FAIL(fault, BASE_NO_MEMORY, "ledger", "no memory for the ledger");
  }
  if (ledger->order.bytes > 0)
    qsort_r(ledger->order.data, ledger->order.bytes / sizeof(uint64_t), sizeof(uint64_t), compare_places,
            entries_of(ledger));
  return BASE_OK;
}

struct verify_entry *verify_ledger_find(const struct verify_ledger *ledger, enum integrity_entry_kind kind,
                                        const struct integrity_digest *object, const struct integrity_digest *whose,
                                        uint64_t *index) {
  const struct verify_entry wanted = {.kind = kind, .object = *object, .whose = *whose};
  const uint64_t *order = (const void *)ledger->order.data;
  struct verify_entry *entries = entries_of(ledger);
  size_t low = 0, high = ledger->order.bytes / sizeof(*order);
  while (low < high) {  // the first one behind those that are it
    const size_t middle = low + (high - low) / 2;
    if (compare(&entries[order[middle]], &wanted) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || compare(&entries[order[low - 1]], &wanted) != 0 || entries[order[low - 1]].is_ended) return NULL;
  *index = ledger->first + order[low - 1];
  return &entries[order[low - 1]];
}

struct verify_entry *verify_ledger_next(const struct verify_ledger *ledger, size_t *at) {
  const uint64_t *order = (const void *)ledger->order.data;
  struct verify_entry *entries = entries_of(ledger);
  const size_t count = ledger->order.bytes / sizeof(*order);
  while (*at < count) {
    struct verify_entry *entry = &entries[order[(*at)++]];
    const bool is_newest = *at == count || compare(entry, &entries[order[*at]]) != 0;
    if (is_newest && !entry->is_ended) return entry;
  }
  return NULL;
}

enum base_result verify_ledger_read_tile(void *self, const struct integrity_tile *tile,
                                         struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  const struct verify_ledger *ledger = self;
  if (tile->level != 0) return store_ledger_tree_read(&ledger->tree, tile, out, fault);
  const uint64_t begin = tile->index * INTEGRITY_TILE_WIDTH;
  if (tile->index > UINT64_MAX / INTEGRITY_TILE_WIDTH - 1 || begin < ledger->first ||
      begin + tile->width > ledger->size)
    return BASE_FAIL(fault, BASE_NOT_FOUND, "tile", "the ledger's files do not have these entries");
  memcpy(out, leaves_of(ledger) + (begin - ledger->first), tile->width * sizeof(*out));
  return BASE_OK;
}

// --- the whole ---

static void begin(struct verify_ledger *ledger) {
  *ledger = (struct verify_ledger){0};
  base_buffer_init(&ledger->note, INTEGRITY_NOTE_MAX_BYTES);
  base_buffer_init(&ledger->leaves, SIZE_MAX / 2);
  base_buffer_init(&ledger->entries, SIZE_MAX / 2);
  base_buffer_init(&ledger->order, SIZE_MAX / 2);
  store_ledger_tree_init(&ledger->tree);
}

void verify_ledger_finish(struct verify_ledger *ledger) {
  base_buffer_finish(&ledger->note);
  base_buffer_finish(&ledger->leaves);
  base_buffer_finish(&ledger->entries);
  base_buffer_finish(&ledger->order);
  store_ledger_tree_finish(&ledger->tree);
}

static bool has_entries(const char *store) {
  char path[PATH_MAX];
  bool is_any = false;
  const int length = snprintf(path, sizeof(path), "%s/ledger/entries", store);
  DIR *folder = length > 0 && length < PATH_MAX ? opendir(path) : NULL;
  if (folder == NULL) return false;
  for (const struct dirent *entry = readdir(folder); entry != NULL && !is_any; entry = readdir(folder))
    is_any = entry->d_name[0] != '.';
  closedir(folder);
  return is_any;
}

static bool has_file(const char *store, const char *name) {
  char path[PATH_MAX];
  const int length = snprintf(path, sizeof(path), "%s/ledger/%s", store, name);
  return length > 0 && length < PATH_MAX && access(path, F_OK) == 0;
}

// There was a checkpoint: a box makes all of these after its first one.
static bool has_traces(const char *store) {
  return has_file(store, "vkey") || has_file(store, "pruned") || has_entries(store);
}

static enum base_result read_note(const char *store, struct base_buffer *out, struct base_fault *fault) {
  struct base_fault cause = {0};
  enum base_result result = read_file(store, "checkpoint", INTEGRITY_NOTE_MAX_BYTES, out, &cause);
  if (result == BASE_NOT_FOUND && has_traces(store)) {  // or it came between the two looks
    base_buffer_finish(out);
    base_fault_clear(&cause);
    result = read_file(store, "checkpoint", INTEGRITY_NOTE_MAX_BYTES, out, &cause);
    if (result == BASE_NOT_FOUND)
      return BASE_FAIL(fault, BASE_CORRUPT, "",
                       "ledger/checkpoint is missing, and there was one: other files of the ledger are there. The box "
                       "halts its ledger when it starts so");
  }
  if (result == BASE_NOT_FOUND)
    return BASE_FAIL(fault, BASE_NOT_FOUND, "", "this store has no ledger, or nothing in it has been signed yet");
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "ledger/checkpoint: %s", cause.text);
}

enum base_result verify_ledger_read(const char *store, struct verify_ledger *out, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  bool is_overtaken = true;
  begin(out);
  for (int i = 0; i < MAX_READ_TRIES && result == BASE_OK && is_overtaken; i++) {
    verify_ledger_finish(out);
    begin(out);
    result = read_note(store, &out->note, fault);
    if (result != BASE_OK) return result;
    result = read_pruned(store, out, fault);
    // A box that prunes takes the first bundles away while they are read.
    if (result == BASE_OK) is_overtaken = read_bundles(store, out) == BASE_NOT_FOUND && out->size == out->first;
  }
  return result == BASE_OK ? put_in_order(out, fault) : result;
}
