#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "inside.h"

enum { SHARDS_PER_TRANSACTION = 64 };

// Work through the shards one by one: what the folder holds against what the index holds, in memory of one shard.
struct scan {
  struct store *store;
  void (*progress)(void *argument, uint64_t done);
  void *argument;
  struct store_reindex_report report;
  struct base_buffer files;  // of struct item, found in the folder
  struct base_buffer rows;   // of struct item, found in the index
  // Where there is a folder, or a row: a young store has few of either, and looking for the others takes its time.
  bool has_originals[STORE_SHARDS], has_variants[STORE_SHARDS];
};

struct item {
  struct integrity_digest digest;  // an original's id or a variant's key
  char tenant[STORE_MAX_TENANT + 1];
  bool is_bytes;  // the original itself, not a sidecar
  bool is_tree;   // of its leaf hashes
  bool is_level;  // of a row
  bool is_known;
};

static struct item *items(const struct base_buffer *list) { return (struct item *)(void *)list->data; }
static size_t item_count(const struct base_buffer *list) { return list->bytes / sizeof(struct item); }

static bool is_same(const struct item *a, const struct item *b) {
  return a->is_bytes == b->is_bytes && a->is_tree == b->is_tree && strcmp(a->tenant, b->tenant) == 0 &&
         memcmp(&a->digest, &b->digest, sizeof a->digest) == 0;
}

static struct item *find(const struct base_buffer *list, const struct item *wanted) {
  for (size_t i = 0; i < item_count(list); i++) {
    if (is_same(&items(list)[i], wanted)) return &items(list)[i];
  }
  return NULL;
}

// After each file: one of them may take a slow disk long.
static void note_done(struct scan *scan) {
  if (scan->progress)
    scan->progress(scan->argument, scan->report.originals + scan->report.variants + scan->report.levels);
}

// A record that is not believed. True when it is of a format that must be left alone.
static bool note_bad_record(struct scan *scan, enum base_result result, const struct base_fault *fault) {
  base_log_fault(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, fault);
  if (result == BASE_UNSUPPORTED) {
    scan->report.unknown++;
    return true;
  }
  scan->report.damaged++;
  return false;
}

// Originals.

static enum base_result note_original_file(void *argument, const char *name, struct base_fault *fault) {
  struct scan *scan = argument;
  struct item item = {.is_bytes = false};
  if (store_name_is_original(name, &item.digest)) {
    item.is_bytes = true;
  } else if (store_name_is_tree(name, &item.digest)) {
    item.is_tree = true;
  } else if (!store_name_is_sidecar(name, &item.digest, item.tenant)) {
    base_log_write(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "a foreign file is left alone: %s", name);
    return BASE_OK;
  }
  const enum base_result result = base_buffer_append(&scan->files, &item, sizeof item);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory to scan the originals");
}

static enum base_result note_original_row(void *argument, const struct integrity_digest *id, const char *tenant) {
  struct scan *scan = argument;
  struct item item = {.digest = *id};
  memcpy(item.tenant, tenant, strlen(tenant) + 1);
  return base_buffer_append(&scan->rows, &item, sizeof item);
}

static enum base_result take_sidecar(struct scan *scan, const struct item *file, struct base_fault *fault) {
  struct store_original original;
  struct base_fault record_fault = {0};
  enum base_result result = store_sidecar_read(scan->store, file->tenant, &file->digest, &original, &record_fault);
  if (result != BASE_OK) {
    // Whatever is wrong with one record must not keep the store from opening. It stays for people to look at.
    (void)note_bad_record(scan, result, &record_fault);
    return BASE_OK;
  }
  result = store_index_original_put(scan->store->index, &original, fault);
  if (result != BASE_OK) return result;
  struct item *row = find(&scan->rows, file);
  if (row) row->is_known = true;
  scan->report.originals++;
  return BASE_OK;
}

static bool has_sidecar(const struct scan *scan, const struct item *of) {
  for (size_t i = 0; i < item_count(&scan->files); i++) {
    const struct item *file = &items(&scan->files)[i];
    if (!file->is_bytes && !file->is_tree && integrity_digest_equal(&file->digest, &of->digest)) return true;
  }
  return false;
}

// Of an original that is not there. A missing tree is no matter: the next whole read makes it.
static enum base_result remove_orphan_tree(struct scan *scan, const struct item *file, struct base_fault *fault) {
  const struct store_path bytes = store_path_original(&file->digest), path = store_path_tree(&file->digest);
  const struct item original = {.digest = file->digest, .is_bytes = true};
  uint64_t size;
  if (has_sidecar(scan, file) && store_file_size(scan->store, bytes.text, &size)) return BASE_OK;
  if (!find(&scan->files, &original)) scan->report.orphans++;  // else it is half of one that is counted
  return store_file_remove(scan->store, path.text, fault);
}

static enum base_result take_original_file(struct scan *scan, const struct item *file, struct base_fault *fault) {
  if (file->is_tree) return remove_orphan_tree(scan, file, fault);
  if (!file->is_bytes) return take_sidecar(scan, file, fault);
  if (has_sidecar(scan, file)) return BASE_OK;
  // An index that was just made does not know whose records were lost: the one on the disk may.
  if (scan->store->is_index_in_memory) return BASE_OK;
  // The upload or the deletion did not get further; nobody was told that it is here.
  const struct store_path path = store_path_original(&file->digest);
  scan->report.orphans++;
  return store_file_remove(scan->store, path.text, fault);
}

// Whoever was told that an original is here has its row. A deletion that got no further than the record was not told to
// anybody: it is undone.
static enum base_result restore_sidecar(struct scan *scan, const struct item *row, struct base_fault *fault) {
  bool is_restored;
  struct base_fault cause = {0};
  if (store_sidecar_restore(scan->store, row->tenant, &row->digest, &is_restored, &cause) != BASE_OK) {
    base_log_fault(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &cause);
    return BASE_OK;
  }
  if (!is_restored) return BASE_OK;
  if (find(&scan->files, row)) {
    scan->report.damaged++;
    base_log_write(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                   "the record of an original was damaged; the index knew it, and it was made again");
    return BASE_OK;
  }
  // No alarm: a kill in the middle of a deletion looks the same.
  base_log_write(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                 "the record of an original was missing; the index knew it, and it was made again");
  const enum base_result result = base_buffer_append(&scan->files, row, sizeof *row);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory to scan the originals");
}

static enum base_result scan_originals(struct scan *scan, unsigned shard, struct base_fault *fault) {
  struct integrity_digest first, last;
  const struct store_path folder = store_path_shard_number(STORE_ORIGINALS, shard, &first, &last);
  enum base_result result = store_folder_visit(scan->store, folder.text, note_original_file, scan, fault);
  if (result == BASE_OK) {
    result = store_index_original_range(scan->store->index, &first, &last, note_original_row, scan, fault);
  }
  for (size_t i = 0; i < item_count(&scan->rows) && result == BASE_OK; i++) {
    result = restore_sidecar(scan, &items(&scan->rows)[i], fault);
    note_done(scan);
  }
  for (size_t i = 0; i < item_count(&scan->files) && result == BASE_OK; i++) {
    result = take_original_file(scan, &items(&scan->files)[i], fault);
    note_done(scan);
  }
  for (size_t i = 0; i < item_count(&scan->rows) && result == BASE_OK; i++) {
    const struct item *row = &items(&scan->rows)[i];
    if (!row->is_known) result = store_index_original_remove(scan->store->index, row->tenant, &row->digest, fault);
  }
  return result;
}

// Variants and levels.

static struct cache_key key_of(const struct item *item) {
  struct cache_key key;
  memcpy(key.bytes, item->digest.bytes, sizeof key.bytes);
  return key;
}

static enum base_result note_variant_file(void *argument, const char *name, struct base_fault *fault) {
  struct scan *scan = argument;
  struct cache_key key;
  if (!store_name_is_variant(name, &key)) {
    base_log_write(scan->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "a foreign file is left alone: %s", name);
    return BASE_OK;
  }
  const struct item item = {.digest = store_digest_of_key(&key)};
  const enum base_result result = base_buffer_append(&scan->files, &item, sizeof item);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory to scan the variants");
}

static enum base_result note_variant_row(void *argument, const struct store_index_variant_row *row) {
  struct scan *scan = argument;
  const struct item item = {.digest = store_digest_of_key(&row->key), .is_level = row->is_level};
  return base_buffer_append(&scan->rows, &item, sizeof item);
}

static bool is_key(const struct cache_key *key, const struct cache_key *wanted) {
  return memcmp(key->bytes, wanted->bytes, sizeof key->bytes) == 0;
}

static enum base_result take_level(struct scan *scan, const struct store_record_file *file, const struct cache_key *key,
                                   struct base_fault *record_fault, struct base_fault *fault) {
  struct store_level level;
  enum base_result result = store_read_level(&file->record, &level, record_fault);
  if (result != BASE_OK) return BASE_OK;
  const struct cache_key expected = store_level_key(&level.original, level.shrink);
  if (!is_key(&level.key, key) || !is_key(&expected, key)) {
    (void)BASE_FAIL(record_fault, BASE_CORRUPT, "level", "the record is not what its name says");
    return BASE_OK;
  }
  scan->report.levels++;
  return store_index_level_put(scan->store->index, &level, file->file_bytes, 0, fault);
}

static enum base_result take_variant(struct scan *scan, const struct store_record_file *file,
                                     const struct cache_key *key, struct base_fault *record_fault,
                                     struct base_fault *fault) {
  struct store_variant variant;
  enum base_result result = store_read_variant(&file->record, &variant, record_fault);
  if (result != BASE_OK) return BASE_OK;
  if (!is_key(&variant.key, key)) {
    (void)BASE_FAIL(record_fault, BASE_CORRUPT, "variant", "the record is not what its name says");
    return BASE_OK;
  }
  scan->report.variants++;
  return store_index_variant_put(scan->store->index, &variant, file->file_bytes, 0, fault);
}

// Puts the record's row into the index. What is wrong with the record itself goes to `record_fault`.
static enum base_result take_record(struct scan *scan, const struct cache_key *key, const struct store_path *path,
                                    struct base_fault *record_fault, struct base_fault *fault) {
  struct store_record_file file;
  if (store_record_open(scan->store, path->text, &file, record_fault) != BASE_OK) return BASE_OK;
  close(file.fd);
  return file.record.kind == STORE_RECORD_LEVEL ? take_level(scan, &file, key, record_fault, fault)
                                                : take_variant(scan, &file, key, record_fault, fault);
}

static enum base_result take_variant_file(struct scan *scan, const struct item *file, struct base_fault *fault) {
  const struct cache_key key = key_of(file);
  struct item *row = find(&scan->rows, file);
  if (row) {  // what the row says was true when it was written, and a torn body shows when it is read
    row->is_known = true;
    *(row->is_level ? &scan->report.levels : &scan->report.variants) += 1;
    return BASE_OK;
  }
  const struct store_path path = store_path_variant(&key);
  struct base_fault record_fault = {0};
  const enum base_result result = take_record(scan, &key, &path, &record_fault, fault);
  if (result != BASE_OK || record_fault.result == BASE_OK) return result;
  if (note_bad_record(scan, record_fault.result, &record_fault)) return BASE_OK;
  return store_file_remove(scan->store, path.text, fault);
}

static enum base_result scan_variants(struct scan *scan, unsigned shard, struct base_fault *fault) {
  struct integrity_digest first, last;
  const struct store_path folder = store_path_shard_number(STORE_VARIANTS, shard, &first, &last);
  enum base_result result = store_folder_visit(scan->store, folder.text, note_variant_file, scan, fault);
  if (result == BASE_OK) {
    result = store_index_variant_range(scan->store->index, &first, &last, note_variant_row, scan, fault);
  }
  for (size_t i = 0; i < item_count(&scan->files) && result == BASE_OK; i++) {
    result = take_variant_file(scan, &items(&scan->files)[i], fault);
    note_done(scan);
  }
  for (size_t i = 0; i < item_count(&scan->rows) && result == BASE_OK; i++) {
    const struct cache_key key = key_of(&items(&scan->rows)[i]);
    if (!items(&scan->rows)[i].is_known) result = store_index_variant_remove(scan->store->index, &key, fault);
  }
  return result;
}

// A deletion that stopped half-way has left variants and levels behind.
static enum base_result remove_homeless(struct scan *scan, struct base_fault *fault) {
  struct store *store = scan->store;
  scan->rows.bytes = 0;
  enum base_result result = store_index_variant_homeless(store->index, note_variant_row, scan, fault);
  if (result == BASE_OK) result = store_index_begin(store->index, fault);
  if (result != BASE_OK) return result;
  for (size_t i = 0; i < item_count(&scan->rows) && result == BASE_OK; i++) {
    const struct cache_key key = key_of(&items(&scan->rows)[i]);
    const struct store_path path = store_path_variant(&key);
    scan->report.orphans++;
    *(items(&scan->rows)[i].is_level ? &scan->report.levels : &scan->report.variants) -= 1;
    result = store_file_remove(store, path.text, fault);
    if (result == BASE_OK) result = store_index_variant_remove(store->index, &key, fault);
    note_done(scan);
  }
  const enum base_result ended = store_index_end(store->index, result == BASE_OK, fault);
  return result == BASE_OK ? ended : result;
}

static enum base_result mark_folder(bool *marks, const char *name) {
  unsigned shard;
  if (store_name_is_shard(name, &shard)) marks[shard] = true;
  return BASE_OK;
}

static enum base_result mark_original_folder(void *argument, const char *name, struct base_fault *fault) {
  struct scan *scan = argument;
  (void)fault;
  return mark_folder(scan->has_originals, name);
}

static enum base_result mark_variant_folder(void *argument, const char *name, struct base_fault *fault) {
  struct scan *scan = argument;
  (void)fault;
  return mark_folder(scan->has_variants, name);
}

static enum base_result mark_original_row(void *argument, const struct integrity_digest *id, const char *tenant) {
  struct scan *scan = argument;
  (void)tenant;
  scan->has_originals[store_shard_of(id)] = true;
  note_done(scan);
  return BASE_OK;
}

static enum base_result mark_variant_row(void *argument, const struct store_index_variant_row *row) {
  struct scan *scan = argument;
  const struct integrity_digest digest = store_digest_of_key(&row->key);
  scan->has_variants[store_shard_of(&digest)] = true;
  note_done(scan);
  return BASE_OK;
}

static enum base_result find_shards(struct scan *scan, struct base_fault *fault) {
  struct store *store = scan->store;
  struct integrity_digest first, last;
  memset(first.bytes, 0x00, sizeof first.bytes);
  memset(last.bytes, 0xff, sizeof last.bytes);
  enum base_result result = store_folder_visit(store, STORE_ORIGINALS, mark_original_folder, scan, fault);
  if (result == BASE_OK) result = store_folder_visit(store, STORE_VARIANTS, mark_variant_folder, scan, fault);
  if (result == BASE_OK) {
    result = store_index_original_range(store->index, &first, &last, mark_original_row, scan, fault);
  }
  if (result == BASE_OK) {
    result = store_index_variant_range(store->index, &first, &last, mark_variant_row, scan, fault);
  }
  return result;
}

static enum base_result scan_shard(struct scan *scan, unsigned shard, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  scan->files.bytes = scan->rows.bytes = 0;
  if (scan->has_originals[shard]) result = scan_originals(scan, shard, fault);
  scan->files.bytes = scan->rows.bytes = 0;
  if (result == BASE_OK && scan->has_variants[shard]) result = scan_variants(scan, shard, fault);
  note_done(scan);
  return result;
}

static enum base_result scan_some(struct scan *scan, unsigned first_shard, struct base_fault *fault) {
  enum base_result result = store_index_begin(scan->store->index, fault);
  if (result != BASE_OK) return result;
  for (unsigned i = 0; i < SHARDS_PER_TRANSACTION && result == BASE_OK; i++) {
    result = scan_shard(scan, first_shard + i, fault);
  }
  const enum base_result ended = store_index_end(scan->store->index, result == BASE_OK, fault);
  return result == BASE_OK ? ended : result;
}

enum base_result store_scan(struct store *store, void (*progress)(void *argument, uint64_t done), void *argument,
                            struct store_reindex_report *out, struct base_fault *fault) {
  struct scan scan = {.store = store, .progress = progress, .argument = argument};
  base_buffer_init(&scan.files, SIZE_MAX / 2);
  base_buffer_init(&scan.rows, SIZE_MAX / 2);
  enum base_result result = find_shards(&scan, fault);
  for (unsigned shard = 0; shard < STORE_SHARDS && result == BASE_OK; shard += SHARDS_PER_TRANSACTION) {
    result = scan_some(&scan, shard, fault);
  }
  if (result == BASE_OK) result = remove_homeless(&scan, fault);
  base_buffer_finish(&scan.files);
  base_buffer_finish(&scan.rows);
  *out = scan.report;
  if (result != BASE_OK) return result;

  base_metric_add(store->meters.damaged, (int64_t)scan.report.damaged);
  base_metric_add(store->meters.unknown, (int64_t)scan.report.unknown);
  base_metric_add(store->meters.orphans, (int64_t)scan.report.orphans);
  return BASE_OK;
}
