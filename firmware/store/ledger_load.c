#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_disk.h"
#include "ledger_known.h"
#include "ledger_past.h"
#include "ledger_queue.h"

enum { MAX_CHECKPOINT_BYTES = INTEGRITY_NOTE_MAX_BYTES, MAX_PRUNED_BYTES = 128 * 1024, PAGE_BYTES = 4096 };

// What can not go on says why by halting the ledger; BASE_CORRUPT then. Other results are failures of the store.
static enum base_result halt(struct store_ledger *ledger, bool is_damaged, const char *why) {
  store_ledger_halt(ledger, is_damaged, why);
  return BASE_CORRUPT;
}

static enum base_result halt_for(struct store_ledger *ledger, const char *what, const struct base_fault *fault) {
  char why[160];
  snprintf(why, sizeof why, "%s (%.100s)", what, fault->text);
  return halt(ledger, false, why);
}

// Key, verifier key and checkpoint.

static enum base_result note_any(void *argument, const char *name, struct base_fault *fault) {
  (void)name;
  (void)fault;
  *(bool *)argument = true;
  return BASE_OK;
}

static bool has_entries(struct store *store) {
  bool is_any = false;
  return store_folder_visit(store, STORE_LEDGER_FOLDER "/entries", note_any, &is_any, NULL) != BASE_OK || is_any;
}

static bool has(struct store *store, const char *name) {
  struct stat info;
  return fstatat(store->root_fd, store_ledger_path(name).text, &info, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static enum base_result make_key(struct store_ledger *ledger, uint8_t seed[INTEGRITY_SEED_BYTES]) {
  struct base_fault fault = {0};
  struct store *store = ledger->store;
  if (has(store, "vkey") || has(store, "checkpoint") || has(store, "pruned") || has_entries(store)) {
    return halt(ledger, true, "the file of its key is missing");
  }
  const struct store_ledger_config *config = &store->config.ledger;
  if (config->fill_random) {
    config->fill_random(config->random_self, seed, INTEGRITY_SEED_BYTES);
  } else {
    base_random_bytes(seed, INTEGRITY_SEED_BYTES);
  }
  const enum base_result result = store_ledger_replace_file(store, "key", base_span_of(seed, INTEGRITY_SEED_BYTES),
                                                            S_IRUSR | S_IWUSR, true, &fault);
  return result == BASE_OK ? BASE_OK : halt_for(ledger, "its key can not be written", &fault);
}

static enum base_result read_key(struct store_ledger *ledger, uint8_t seed[INTEGRITY_SEED_BYTES]) {
  struct base_fault fault = {0};
  struct base_buffer bytes;
  base_buffer_init(&bytes, INTEGRITY_SEED_BYTES);
  const struct store_path path = store_ledger_path("key");
  enum base_result result = store_ledger_read_file(ledger->store, path.text, INTEGRITY_SEED_BYTES, &bytes, &fault);
  if (result == BASE_NOT_FOUND) {
    result = make_key(ledger, seed);
  } else if (result == BASE_CORRUPT || (result == BASE_OK && bytes.bytes != INTEGRITY_SEED_BYTES)) {
    result = halt(ledger, true, "the file of its key is damaged");
  } else if (result != BASE_OK) {
    result = halt_for(ledger, "its key can not be read", &fault);
  } else {
    memcpy(seed, bytes.data, INTEGRITY_SEED_BYTES);
    explicit_bzero(bytes.data, bytes.bytes);
    if (fchmodat(ledger->store->root_fd, path.text, S_IRUSR | S_IWUSR, 0) != 0) {
      base_log_write(ledger->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                     "cannot make the ledger's key private: %s", path.text);
    }
  }
  base_buffer_finish(&bytes);
  return result;
}

// Derived from the key: wrong or missing, it is written again. It is there once there has been a durable checkpoint: a
// key beside it that has none any more must not begin a second log.
static enum base_result place_vkey(struct store_ledger *ledger) {
  struct base_buffer bytes;
  char text[INTEGRITY_VKEY_MAX_CHARS + 2];
  base_buffer_init(&bytes, sizeof text);
  integrity_note_key_text(&ledger->key, text);
  strcat(text, "\n");
  const struct store_path path = store_ledger_path("vkey");
  struct base_fault fault = {0};
  enum base_result result = BASE_OK;
  if (store_ledger_read_file(ledger->store, path.text, sizeof text, &bytes, NULL) != BASE_OK ||
      !base_span_is(base_buffer_span(&bytes), text)) {
    result = store_ledger_replace_file(ledger->store, "vkey", base_span_text(text), 0644, true, &fault);
  }
  base_buffer_finish(&bytes);
  return result == BASE_OK ? BASE_OK : halt_for(ledger, "its verifier key can not be written", &fault);
}

static enum base_result load_key(struct store_ledger *ledger, struct base_fault *fault) {
  uint8_t seed[INTEGRITY_SEED_BYTES];
  enum base_result result = read_key(ledger, seed);
  if (result != BASE_OK) return result;
  integrity_signer_init(&ledger->signer, seed);
  explicit_bzero(seed, sizeof seed);
  struct integrity_digest digest;
  char hex[9], name[INTEGRITY_NOTE_MAX_NAME + 1];
  integrity_digest_of(base_span_of(ledger->signer.public_key, sizeof ledger->signer.public_key), &digest);
  base_hex_encode(base_span_of(digest.bytes, 4), hex, sizeof hex);
  snprintf(name, sizeof name, "pixpop-%s.local/ledger", hex);
  return integrity_note_key_init(base_span_text(name), ledger->signer.public_key, &ledger->key, fault);
}

static enum base_result begin_checkpoint(struct store_ledger *ledger) {
  struct base_fault fault = {0};
  if (has(ledger->store, "vkey") || has(ledger->store, "pruned") || has_entries(ledger->store)) {
    return halt(ledger, true, "its checkpoint is missing");
  }
  ledger->signed_s = base_clock_wall_s(ledger->store->config.clock);
  const enum base_result result = store_ledger_sign(ledger, true, &ledger->note, &ledger->signed_head, &fault);
  return result == BASE_OK ? BASE_OK : halt_for(ledger, "its checkpoint can not be written", &fault);
}

static enum base_result load_checkpoint(struct store_ledger *ledger) {
  struct base_fault fault = {0};
  const struct store_path path = store_ledger_path("checkpoint");
  enum base_result result =
      store_ledger_read_file(ledger->store, path.text, MAX_CHECKPOINT_BYTES, &ledger->note, &fault);
  if (result == BASE_NOT_FOUND) return begin_checkpoint(ledger);
  if (result != BASE_OK && result != BASE_CORRUPT) return halt_for(ledger, "its checkpoint can not be read", &fault);
  if (result == BASE_OK) {
    result = integrity_checkpoint_open(base_buffer_span(&ledger->note), &ledger->key, &ledger->signed_head, &fault);
  }
  if (result != BASE_OK) {
    ledger->note.bytes = 0;
    return halt(ledger, true, "its checkpoint is not signed by its key, or damaged");
  }
  struct stat info;
  if (fstatat(ledger->store->root_fd, path.text, &info, 0) == 0) ledger->signed_s = info.st_mtim.tv_sec;
  return BASE_OK;
}

static enum base_result load_pruned(struct store_ledger *ledger) {
  struct base_fault fault = {0};
  struct base_buffer bytes;
  base_buffer_init(&bytes, MAX_PRUNED_BYTES);
  const struct store_path path = store_ledger_path("pruned");
  enum base_result result = store_ledger_read_file(ledger->store, path.text, MAX_PRUNED_BYTES, &bytes, &fault);
  if (result == BASE_OK) {
    const bool has_past = store_ledger_past_load(ledger, base_buffer_span(&bytes));
    if (!has_past) result = store_ledger_tree_read_pruned(&ledger->tree, base_buffer_span(&bytes), &fault);
    ledger->base = ledger->first = ledger->size = ledger->tree.size;
    if (!has_past) ledger->leaves_first = ledger->first;
    ledger->disk_bytes += bytes.bytes;
  } else if (result == BASE_NOT_FOUND) {
    result = BASE_OK;
  }
  base_buffer_finish(&bytes);
  if (result == BASE_CORRUPT) return halt(ledger, true, "its list of what was pruned is damaged");
  return result == BASE_OK ? BASE_OK : halt_for(ledger, "its list of what was pruned can not be read", &fault);
}

// Entries.

static bool is_root_right(const struct store_ledger *ledger) {
  struct integrity_digest root;
  store_ledger_tree_root(&ledger->tree, &root);
  return integrity_digest_equal(&root, &ledger->signed_head.root);
}

// The next record of a bundle into the tree and what is known. BASE_NOT_FOUND: there is no whole one. One that is whole
// and can not be read halts it.
static enum base_result take_record(struct store_ledger *ledger, struct store_ledger_known *known,
                                    struct base_span *rest, struct base_fault *fault) {
  struct base_span after = *rest;
  struct store_ledger_record record;
  struct integrity_entry entry;
  struct integrity_subject subject;
  if (store_ledger_record_next(&after, &record, NULL) != BASE_OK) return BASE_NOT_FOUND;
  enum base_result result = store_ledger_record_check(&record, &entry, &subject, NULL);
  if (result == BASE_UNSUPPORTED) return halt(ledger, false, "newer firmware wrote some of its entries");
  if (result != BASE_OK) return halt(ledger, true, "a file of its entries is damaged");
  struct integrity_digest leaf;
  integrity_entry_leaf(record.entry, &leaf);
  result = store_ledger_tree_add(&ledger->tree, &leaf, fault);
  if (result == BASE_OK) result = store_ledger_known_add(ledger, known, &entry, &subject, fault);
  *rest = after;
  return result;
}

static bool is_zero(struct base_span all, uint64_t from, uint64_t to) {
  if (to > all.bytes) return false;
  for (uint64_t at = from; at < to; at++) {
    if (all.data[at] != 0) return false;
  }
  return true;
}

// Whether what does not parse at `at` is the end of a write that was not waited for. That can leave pages unwritten
// before others, which are zero then. Any other record behind it says that this was whole once, and may have been told.
static bool is_torn_end(struct base_span all, uint64_t at) {
  const uint64_t page = (at / PAGE_BYTES + 1) * PAGE_BYTES;
  // No record begins with so many zeros.
  if (page - at >= STORE_LEDGER_RECORD_HEAD_BYTES && is_zero(all, at, page)) return true;
  if (is_zero(all, page, page + PAGE_BYTES)) return true;
  for (uint64_t next = at + 1; next < all.bytes; next++) {
    struct base_span rest = base_span_of(all.data + next, all.bytes - next);
    struct store_ledger_record record;
    if (store_ledger_record_next(&rest, &record, NULL) == BASE_OK) return false;
  }
  return true;
}

// Behind the checkpoint nothing was told to anybody that is not whole.
static enum base_result cut(struct store_ledger *ledger, uint64_t bundle, uint64_t at, uint64_t bytes) {
  struct base_fault fault = {0};
  struct store *store = ledger->store;
  const struct store_path path = store_ledger_bundle_path(bundle);
  int fd = openat(store->root_fd, path.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  enum base_result result = BASE_OK;
  if (fd < 0 || ftruncate(fd, (off_t)at) != 0 || fsync(fd) != 0) {
    result = BASE_FAIL_ERRNO(&fault, path.text, "cannot cut the torn end off");
  }
  base_fd_close(&fd);
  if (result != BASE_OK) return halt_for(ledger, "its torn end can not be cut off", &fault);
  base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                 "the ledger ended in %llu torn bytes that nobody was told of; they are cut off",
                 (unsigned long long)(bytes - at));
  return BASE_OK;
}

// No bundle may lie behind one that is not full: its entries would come back when that one is.
static enum base_result remove_behind(struct store_ledger *ledger, uint64_t bundle) {
  struct base_fault fault = {0};
  uint64_t bytes;
  for (;; bundle++) {
    const struct store_path path = store_ledger_bundle_path(bundle + 1);
    if (!store_file_size(ledger->store, path.text, &bytes)) return BASE_OK;
    if (store_file_remove(ledger->store, path.text, &fault) != BASE_OK) {
      return halt_for(ledger, "files behind its end can not be removed", &fault);
    }
  }
}

static enum base_result take_bundle(struct store_ledger *ledger, struct store_ledger_known *known, uint64_t bundle,
                                    struct base_span all, struct base_fault *fault) {
  const uint64_t end = (bundle + 1) * INTEGRITY_TILE_WIDTH;
  struct base_span rest = all;
  enum base_result result = BASE_OK;
  while (result == BASE_OK && ledger->tree.size < end && rest.bytes > 0) {
    result = take_record(ledger, known, &rest, fault);
    if (result != BASE_OK || ledger->tree.size != ledger->signed_head.size) continue;
    if (!is_root_right(ledger)) return halt(ledger, true, "its entries are not the ones that were signed");
  }
  if (result != BASE_OK && result != BASE_NOT_FOUND) return result;
  ledger->bundle_bytes = all.bytes - rest.bytes;
  ledger->disk_bytes += ledger->bundle_bytes;
  if (rest.bytes == 0) return BASE_OK;
  if (ledger->tree.size < ledger->signed_head.size || ledger->tree.size == end ||
      !is_torn_end(all, ledger->bundle_bytes)) {
    return halt(ledger, true, "a file of its entries is damaged");
  }
  return cut(ledger, bundle, ledger->bundle_bytes, all.bytes);
}

static enum base_result load_entries(struct store_ledger *ledger, struct store_ledger_known *known,
                                     struct base_fault *fault) {
  if (ledger->tree.size > ledger->signed_head.size ||
      (ledger->tree.size == ledger->signed_head.size && !is_root_right(ledger))) {
    return halt(ledger, true, "what was pruned is not what was signed");
  }
  struct base_buffer bytes;
  base_buffer_init(&bytes, STORE_LEDGER_MAX_BUNDLE_BYTES);
  enum base_result result = BASE_OK;
  while (result == BASE_OK && ledger->tree.size % INTEGRITY_TILE_WIDTH == 0) {
    struct base_fault cause = {0};
    const uint64_t bundle = ledger->tree.size / INTEGRITY_TILE_WIDTH;
    const struct store_path path = store_ledger_bundle_path(bundle);
    bytes.bytes = 0;
    ledger->bundle_bytes = 0;
    result = store_ledger_read_file(ledger->store, path.text, STORE_LEDGER_MAX_BUNDLE_BYTES, &bytes, &cause);
    if (result == BASE_NOT_FOUND) break;
    if (result == BASE_CORRUPT)
      result = halt(ledger, true, "a file of its entries is no such file");
    else if (result != BASE_OK)
      result = halt_for(ledger, "its entries can not be read", &cause);
    if (result != BASE_OK) break;
    result = take_bundle(ledger, known, bundle, base_buffer_span(&bytes), fault);
    if (bytes.bytes == 0) break;
  }
  base_buffer_finish(&bytes);
  if (result != BASE_OK && result != BASE_NOT_FOUND) return result;
  if (ledger->tree.size < ledger->signed_head.size) return halt(ledger, true, "entries that were signed are missing");
  return remove_behind(ledger, ledger->tree.size / INTEGRITY_TILE_WIDTH);
}

enum base_result store_ledger_load(struct store_ledger *ledger, struct store_ledger_known **out,
                                   struct base_fault *fault) {
  struct base_fault cause = {0};
  enum base_result result = store_folder_make(ledger->store, STORE_LEDGER_FOLDER, true, &cause);
  *out = NULL;
  if (result != BASE_OK) {
    (void)halt_for(ledger, "it can not be begun", &cause);
    return BASE_OK;
  }
  struct store_ledger_known *known = store_ledger_known_create();
  if (!known) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the ledger");
  result = load_key(ledger, fault);
  if (result == BASE_OK) result = load_checkpoint(ledger);
  if (result == BASE_OK) result = place_vkey(ledger);
  if (result == BASE_OK) result = load_pruned(ledger);
  if (result == BASE_OK) result = load_entries(ledger, known, fault);
  if (result == BASE_OK) result = store_ledger_known_settle(ledger, known, fault);
  if (result != BASE_OK) store_ledger_known_destroy(&known);
  *out = known;
  return ledger->state == STORE_LEDGER_HALTED ? BASE_OK : result;
}
