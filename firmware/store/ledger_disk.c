#include "ledger_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_queue.h"

struct store_path store_ledger_path(const char *name) {
  struct store_path path;
  snprintf(path.text, sizeof path.text, STORE_LEDGER_FOLDER "/%s", name);
  return path;
}

struct store_path store_ledger_bundle_path(uint64_t bundle) {
  const struct integrity_tile tile = {.level = INTEGRITY_TILE_ENTRIES, .index = bundle, .width = INTEGRITY_TILE_WIDTH};
  char name[INTEGRITY_TILE_MAX_PATH + 1];
  integrity_tile_path(&tile, name);
  return store_ledger_path(name);
}

// To its end, wherever that is by now: the writer may be at work on it.
static enum base_result read_all(int fd, const char *path, size_t limit, struct base_buffer *out,
                                 struct base_fault *fault) {
  struct stat info;
  if (fstat(fd, &info) != 0) return BASE_FAIL_ERRNO(fault, path, "cannot examine the file");
  if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > limit) {
    return BASE_FAIL(fault, BASE_CORRUPT, path, "no regular file of at most %zu bytes", limit);
  }
  const size_t bytes = (size_t)info.st_size;
  if (base_buffer_reserve(out, bytes) != BASE_OK) return BASE_FAIL(fault, BASE_NO_MEMORY, path, "no memory for it");
  for (size_t at = 0; at < bytes;) {
    const ssize_t got = pread(fd, out->data + out->bytes, bytes - at, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, path, "cannot read the file");
    if (got == 0) break;
    out->bytes += (size_t)got;
    at += (size_t)got;
  }
  return BASE_OK;
}

enum base_result store_ledger_read_file(struct store *store, const char *path, size_t limit, struct base_buffer *out,
                                        struct base_fault *fault) {
  int fd = openat(store->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the file");
  const enum base_result result = read_all(fd, path, limit, out, fault);
  base_fd_close(&fd);
  return result;
}

static enum base_result write_all(int fd, struct base_span content, struct base_fault *fault) {
  for (size_t at = 0; at < content.bytes;) {
    const ssize_t done = pwrite(fd, content.data + at, content.bytes - at, (off_t)at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return BASE_FAIL_ERRNO(fault, "", "cannot write %zu bytes", content.bytes - at);
    at += (size_t)done;
  }
  return BASE_OK;
}

enum base_result store_ledger_replace_file(struct store *store, const char *name, struct base_span content, mode_t mode,
                                           bool is_durable, struct base_fault *fault) {
  const struct store_path path = store_ledger_path(name);
  struct store_path temporary;
  int fd = -1;
  enum base_result result = store_temporary_create(store, &temporary, &fd, fault);
  if (result != BASE_OK) return result;
  if (fchmod(fd, mode) != 0) result = BASE_FAIL_ERRNO(fault, path.text, "cannot set the mode");
  if (result == BASE_OK) result = write_all(fd, content, fault);
  if (result == BASE_OK && fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, path.text, "cannot sync the file");
  base_fd_close(&fd);
  if (result == BASE_OK) result = store_file_rename(store, temporary.text, path.text, fault);
  if (result != BASE_OK) {
    store_file_discard(store, temporary.text);
    return result;
  }
  return is_durable ? store_folder_sync(store, STORE_LEDGER_FOLDER, fault) : BASE_OK;
}

bool store_ledger_is_in_tree(struct store_ledger *ledger, uint64_t bundle, const struct integrity_digest *leaves) {
  struct integrity_merkle tree;
  struct integrity_digest root, tile[INTEGRITY_TILE_WIDTH];
  integrity_merkle_init(&tree);
  for (size_t i = 0; i < INTEGRITY_TILE_WIDTH; i++) integrity_merkle_add(&tree, &leaves[i]);
  integrity_merkle_root(&tree, &root);
  const struct integrity_tile above = {
      .level = 1, .index = bundle / INTEGRITY_TILE_WIDTH, .width = (unsigned)(bundle % INTEGRITY_TILE_WIDTH) + 1};
  pthread_mutex_lock(&ledger->lock);
  const enum base_result result = store_ledger_tree_read(&ledger->tree, &above, tile, NULL);
  pthread_mutex_unlock(&ledger->lock);
  return result != BASE_OK || integrity_digest_equal(&tile[above.width - 1], &root);
}

static enum base_result parse_bundle(struct store_ledger *ledger, uint64_t bundle, unsigned count,
                                     const struct base_buffer *bytes,
                                     struct store_ledger_record records[INTEGRITY_TILE_WIDTH],
                                     struct base_fault *fault) {
  struct base_span rest = base_buffer_span(bytes);
  struct integrity_digest leaves[INTEGRITY_TILE_WIDTH];
  for (unsigned i = 0; i < count; i++) {
    if (store_ledger_record_next(&rest, &records[i], NULL) != BASE_OK) {
      return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "a bundle of the ledger's entries is damaged");
    }
    integrity_entry_leaf(records[i].entry, &leaves[i]);
  }
  if (count < INTEGRITY_TILE_WIDTH || store_ledger_is_in_tree(ledger, bundle, leaves)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "a bundle of the ledger's entries is not the one that was signed");
}

enum base_result store_ledger_read_bundle(struct store_ledger *ledger, uint64_t bundle, unsigned count,
                                          struct base_buffer *bytes,
                                          struct store_ledger_record records[INTEGRITY_TILE_WIDTH],
                                          struct base_fault *fault) {
  base_buffer_init(bytes, STORE_LEDGER_MAX_BUNDLE_BYTES);
  const struct store_path path = store_ledger_bundle_path(bundle);
  enum base_result result =
      store_ledger_read_file(ledger->store, path.text, STORE_LEDGER_MAX_BUNDLE_BYTES, bytes, fault);
  if (result == BASE_OK) result = parse_bundle(ledger, bundle, count, bytes, records, fault);
  pthread_mutex_lock(&ledger->lock);
  const bool is_pruned = bundle * INTEGRITY_TILE_WIDTH < ledger->first;
  pthread_mutex_unlock(&ledger->lock);
  if (is_pruned || result == BASE_OK) return result;
  if (result == BASE_CORRUPT) store_ledger_halt(ledger, true, "the files of its entries were changed from outside");
  if (result == BASE_NOT_FOUND) store_ledger_halt(ledger, true, "a file of its entries is missing");
  return result == BASE_NOT_FOUND ? BASE_CORRUPT : result;
}

enum base_result store_ledger_sign(struct store_ledger *ledger, bool is_durable, struct base_buffer *note,
                                   struct integrity_checkpoint *head, struct base_fault *fault) {
  *head = (struct integrity_checkpoint){.size = ledger->tree.size};
  memcpy(head->origin, ledger->key.name, sizeof head->origin);
  store_ledger_tree_root(&ledger->tree, &head->root);
  enum base_result result = integrity_checkpoint_sign(head, &ledger->key, &ledger->signer, note, fault);
  if (result != BASE_OK) return result;
  return store_ledger_replace_file(ledger->store, "checkpoint", base_buffer_span(note), 0644, is_durable, fault);
}

uint64_t store_ledger_remove_bundles(struct store *store, uint64_t from, uint64_t to) {
  uint64_t removed = 0;
  for (uint64_t bundle = from; bundle < to; bundle++) {
    const struct store_path path = store_ledger_bundle_path(bundle);
    uint64_t bytes;
    if (!store_file_size(store, path.text, &bytes)) continue;
    struct base_fault fault = {0};
    if (store_file_remove(store, path.text, &fault) == BASE_OK) {
      removed += bytes;
    } else {
      base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
    }
  }
  return removed;
}
