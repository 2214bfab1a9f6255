// The leaves of the entries that the last compaction pruned, 32 bytes each: with them the tiles that lead from a
// checkpoint of before to the newest one can still be had.
//
// The file: 8 bytes "pxpast" 0x00 0x01, u64 first of these entries, u64 the first entry that is kept, bytes as the file
// `pruned` has them for the first number (none for 0), then the leaves. Nothing else says whether it is right: the tree
// that comes of it must be the one of the file `pruned`.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_disk.h"
#include "ledger_number.h"
#include "ledger_past.h"

#define NAME "past"

enum { HEAD_BYTES = 3 * STORE_LEDGER_NUMBER_BYTES, MAX_FILE_BYTES = 80 * 1024 * 1024 };

static const uint8_t magic[STORE_LEDGER_NUMBER_BYTES] = {'p', 'x', 'p', 'a', 's', 't', 0x00, 0x01};

static enum base_result compose(const struct store_ledger *ledger, struct base_buffer *out, struct base_fault *fault) {
  const struct store_ledger_compaction *compaction = &ledger->compaction;
  uint8_t head[HEAD_BYTES];
  memcpy(head, magic, sizeof magic);
  store_ledger_number_put(head + STORE_LEDGER_NUMBER_BYTES, compaction->from);
  store_ledger_number_put(head + 2 * sizeof magic, compaction->cut);
  enum base_result result = base_buffer_append(out, head, sizeof head);
  if (result == BASE_OK && compaction->from > 0) {
    result = store_ledger_tree_write_pruned(&ledger->tree, compaction->from, out, fault);
  }
  if (result == BASE_OK) result = base_buffer_append(out, compaction->leaves.data, compaction->leaves.bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the leaves of what is pruned");
}

uint64_t store_ledger_past_write(struct store_ledger *ledger, uint64_t *file_bytes) {
  const struct store_ledger_compaction *compaction = &ledger->compaction;
  struct base_fault fault = {0};
  struct base_buffer file;
  base_buffer_init(&file, MAX_FILE_BYTES);
  BASE_ASSERT(compaction->leaves.bytes == (compaction->cut - compaction->from) * sizeof(struct integrity_digest));
  enum base_result result = compose(ledger, &file, &fault);
  if (result == BASE_OK) {
    result = store_ledger_replace_file(ledger->store, NAME, base_buffer_span(&file), 0644, true, &fault);
  }
  *file_bytes = result == BASE_OK ? file.bytes : 0;
  base_buffer_finish(&file);
  if (result == BASE_OK) return compaction->from;
  base_log_fault(ledger->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  return compaction->cut;
}

// How many bytes a file `pruned` has for a ledger that begins at `first`.
static size_t pruned_bytes(uint64_t first) {
  size_t hashes = 1;  // its digest
  for (unsigned level = 1; level < INTEGRITY_TILE_LEVELS && level * 8 < 64; level++) {
    hashes += (size_t)((first >> level * 8) % INTEGRITY_TILE_WIDTH);
  }
  return first == 0 ? 0 : 2 * STORE_LEDGER_NUMBER_BYTES + hashes * sizeof(struct integrity_digest);
}

static uint64_t leaves_at(uint64_t from) { return HEAD_BYTES + pruned_bytes(from); }

// The tree of a file. BASE_CORRUPT: it is not one of a ledger that begins at `first`.
static enum base_result read_tree(struct base_span file, uint64_t first, struct store_ledger_tree *tree,
                                  uint64_t *from) {
  if (file.bytes < HEAD_BYTES || memcmp(file.data, magic, sizeof magic) != 0) return BASE_CORRUPT;
  *from = store_ledger_number_at(file.data + STORE_LEDGER_NUMBER_BYTES);
  if (store_ledger_number_at(file.data + 2 * sizeof magic) != first || *from >= first ||
      *from % INTEGRITY_TILE_WIDTH != 0 || first - *from > MAX_FILE_BYTES / sizeof(struct integrity_digest) ||
      file.bytes != leaves_at(*from) + (first - *from) * sizeof(struct integrity_digest)) {
    return BASE_CORRUPT;
  }
  enum base_result result = BASE_OK;
  if (*from > 0) {
    result = store_ledger_tree_read_pruned(tree, base_span_slice(file, HEAD_BYTES, pruned_bytes(*from)), NULL);
  }
  for (size_t at = leaves_at(*from); at < file.bytes && result == BASE_OK; at += sizeof(struct integrity_digest)) {
    struct integrity_digest leaf;
    memcpy(leaf.bytes, file.data + at, sizeof leaf.bytes);
    result = store_ledger_tree_add(tree, &leaf, NULL);
  }
  return result;
}

static bool is_pruned_as(const struct store_ledger_tree *tree, struct base_span pruned) {
  struct base_buffer own;
  base_buffer_init(&own, SIZE_MAX / 2);
  const bool is_same = store_ledger_tree_write_pruned(tree, tree->size, &own, NULL) == BASE_OK &&
                       own.bytes == pruned.bytes && memcmp(own.data, pruned.data, own.bytes) == 0;
  base_buffer_finish(&own);
  return is_same;
}

bool store_ledger_past_load(struct store_ledger *ledger, struct base_span pruned) {
  struct base_fault fault = {0};
  struct base_buffer file;
  struct store_ledger_tree tree;
  uint64_t from = 0;
  const struct store_path path = store_ledger_path(NAME);
  if (pruned.bytes < 2 * STORE_LEDGER_NUMBER_BYTES) return false;
  base_buffer_init(&file, MAX_FILE_BYTES);
  store_ledger_tree_init(&tree);
  enum base_result result = store_ledger_read_file(ledger->store, path.text, MAX_FILE_BYTES, &file, &fault);
  if (result == BASE_OK) {
    result = read_tree(base_buffer_span(&file), store_ledger_number_at(pruned.data + STORE_LEDGER_NUMBER_BYTES), &tree,
                       &from);
    if (result == BASE_OK && !is_pruned_as(&tree, pruned)) result = BASE_CORRUPT;
    if (result != BASE_OK) (void)BASE_FAIL(&fault, result, path.text, "the leaves of what was pruned are not right");
  }
  if (result == BASE_OK) {
    store_ledger_tree_finish(&ledger->tree);
    ledger->tree = tree;
    ledger->leaves_first = from;
    ledger->leaves_bytes = file.bytes;
    ledger->disk_bytes += file.bytes;
  } else {
    store_ledger_tree_finish(&tree);
    if (result != BASE_NOT_FOUND) {
      base_log_fault(ledger->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
    }
  }
  base_buffer_finish(&file);
  return result == BASE_OK;
}

static enum base_result read_at(int fd, uint64_t at, void *out, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = pread(fd, (uint8_t *)out + done, bytes - done, (off_t)(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return BASE_NOT_FOUND;
    done += (size_t)got;
  }
  return BASE_OK;
}

enum base_result store_ledger_past_read(struct store_ledger *ledger, const struct integrity_tile *tile,
                                        struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  const struct store_path path = store_ledger_path(NAME);
  uint8_t head[HEAD_BYTES];
  struct integrity_digest leaves[INTEGRITY_TILE_WIDTH];
  int fd = openat(ledger->store->root_fd, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  enum base_result result = fd < 0 ? BASE_NOT_FOUND : read_at(fd, 0, head, sizeof head);
  if (result == BASE_OK) {
    // What is replaced in between has other numbers; what was changed shows in the tile above.
    const uint64_t from = store_ledger_number_at(head + STORE_LEDGER_NUMBER_BYTES),
                   begin = tile->index * INTEGRITY_TILE_WIDTH;
    result = begin < from || begin >= store_ledger_number_at(head + 2 * sizeof magic)
                 ? BASE_NOT_FOUND
                 : read_at(fd, leaves_at(from) + (begin - from) * sizeof *leaves, leaves, sizeof leaves);
  }
  base_fd_close(&fd);
  if (result == BASE_OK && !store_ledger_is_in_tree(ledger, tile->index, leaves)) result = BASE_NOT_FOUND;
  if (result != BASE_OK) return BASE_FAIL(fault, result, "tile", "the tile has been pruned");
  memcpy(out, leaves, tile->width * sizeof *leaves);
  return BASE_OK;
}
