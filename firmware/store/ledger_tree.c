#include <string.h>

#include "base/checked.h"
#include "ledger_number.h"
#include "store/ledger_file.h"

static const uint8_t magic[STORE_LEDGER_NUMBER_BYTES] = {'p', 'x', 'p', 'r', 'u', 'n', 'e', 0x01};

static const struct integrity_digest *hashes_of(const struct store_ledger_tree *tree, unsigned level) {
  return (const struct integrity_digest *)(const void *)tree->levels[level].hashes.data;
}

static size_t count_of(const struct store_ledger_tree *tree, unsigned level) {
  return tree->levels[level].hashes.bytes / sizeof(struct integrity_digest);
}

// How many hashes `level` has in a tree of `size` entries.
static uint64_t hashes_at(unsigned level, uint64_t size) { return level * 8 < 64 ? size >> level * 8 : 0; }

static void root_of(const struct integrity_digest *hashes, size_t count, struct integrity_digest *out) {
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (size_t i = 0; i < count; i++) integrity_merkle_add(&tree, &hashes[i]);
  integrity_merkle_root(&tree, out);
}

void store_ledger_tree_init(struct store_ledger_tree *tree) {
  tree->size = 0;
  integrity_merkle_init(&tree->peaks);
  for (unsigned level = 0; level < INTEGRITY_TILE_LEVELS; level++) {
    tree->levels[level].first = 0;
    base_buffer_init(&tree->levels[level].hashes, SIZE_MAX / 2);
  }
}

void store_ledger_tree_finish(struct store_ledger_tree *tree) {
  for (unsigned level = 0; level < INTEGRITY_TILE_LEVELS; level++) base_buffer_finish(&tree->levels[level].hashes);
}

// Room in every level that a new entry may add to, so that adding it can not stop half-way.
static enum base_result reserve(struct store_ledger_tree *tree, struct base_fault *fault) {
  for (unsigned level = 0; level < INTEGRITY_TILE_LEVELS; level++) {
    const enum base_result result = base_buffer_reserve(&tree->levels[level].hashes, sizeof(struct integrity_digest));
    if (result != BASE_OK) return BASE_FAIL(fault, result, "", "no memory for the ledger's tree");
    if (hashes_at(level, tree->size + 1) % INTEGRITY_TILE_WIDTH != 0) break;
  }
  return BASE_OK;
}

enum base_result store_ledger_tree_add(struct store_ledger_tree *tree, const struct integrity_digest *leaf,
                                       struct base_fault *fault) {
  enum base_result result = reserve(tree, fault);
  if (result != BASE_OK) return result;
  integrity_merkle_add(&tree->peaks, leaf);
  tree->size++;
  struct integrity_digest hash = *leaf;
  for (unsigned level = 0; level < INTEGRITY_TILE_LEVELS; level++) {
    struct base_buffer *hashes = &tree->levels[level].hashes;
    BASE_ASSERT(base_buffer_append(hashes, &hash, sizeof hash) == BASE_OK);
    if (hashes_at(level, tree->size) % INTEGRITY_TILE_WIDTH != 0) break;
    root_of(hashes_of(tree, level) + count_of(tree, level) - INTEGRITY_TILE_WIDTH, INTEGRITY_TILE_WIDTH, &hash);
    if (level > 0) continue;
    hashes->bytes = 0;  // leaves are in the bundles
    tree->levels[0].first = tree->size;
  }
  return BASE_OK;
}

void store_ledger_tree_root(const struct store_ledger_tree *tree, struct integrity_digest *out) {
  integrity_merkle_root(&tree->peaks, out);
}

enum base_result store_ledger_tree_read(const struct store_ledger_tree *tree, const struct integrity_tile *tile,
                                        struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  const unsigned level = (unsigned)tile->level;
  const uint64_t begin = tile->index * INTEGRITY_TILE_WIDTH;
  if (tile->level < 0 || level >= INTEGRITY_TILE_LEVELS || tile->width > INTEGRITY_TILE_WIDTH ||
      tile->index > UINT64_MAX / INTEGRITY_TILE_WIDTH || begin < tree->levels[level].first ||
      begin - tree->levels[level].first + tile->width > count_of(tree, level)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "tile", "the ledger has no such tile");
  }
  memcpy(out, hashes_of(tree, level) + (begin - tree->levels[level].first), tile->width * sizeof *out);
  return BASE_OK;
}

// Pruning.

// Of a tree of `size` entries: what its partial tile of that level has.
static size_t partial_at(unsigned level, uint64_t size) {
  return (size_t)(hashes_at(level, size) % INTEGRITY_TILE_WIDTH);
}

enum base_result store_ledger_tree_write_pruned(const struct store_ledger_tree *tree, uint64_t first,
                                                struct base_buffer *out, struct base_fault *fault) {
  BASE_ASSERT(first % INTEGRITY_TILE_WIDTH == 0 && first <= tree->size);
  const size_t start = out->bytes;
  uint8_t number[STORE_LEDGER_NUMBER_BYTES];
  store_ledger_number_put(number, first);
  enum base_result result = base_buffer_append(out, magic, sizeof magic);
  if (result == BASE_OK) result = base_buffer_append(out, number, sizeof number);
  for (unsigned level = 1; level < INTEGRITY_TILE_LEVELS && result == BASE_OK; level++) {
    const size_t count = partial_at(level, first);
    const uint64_t begin = hashes_at(level, first) - count;
    BASE_ASSERT(count == 0 || begin >= tree->levels[level].first);
    if (count == 0) continue;
    result = base_buffer_append(out, hashes_of(tree, level) + (begin - tree->levels[level].first),
                                count * sizeof(struct integrity_digest));
  }
  struct integrity_digest check;
  if (result == BASE_OK) {
    integrity_digest_of(base_span_of(out->data + start, out->bytes - start), &check);
    result = base_buffer_append(out, check.bytes, sizeof check.bytes);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory to prune the ledger");
}

void store_ledger_tree_prune(struct store_ledger_tree *tree, uint64_t first) {
  for (unsigned level = 1; level < INTEGRITY_TILE_LEVELS; level++) {
    const uint64_t begin = hashes_at(level, first) - partial_at(level, first);
    if (begin <= tree->levels[level].first) continue;
    const size_t dropped = (size_t)(begin - tree->levels[level].first);
    base_buffer_consume(&tree->levels[level].hashes, dropped * sizeof(struct integrity_digest));
    tree->levels[level].first = begin;
  }
}

// The peaks of a tree whose full tiles' hashes lie in the levels: those of one level stand for as many subtrees as its
// partial tile's width has bits.
static void make_peaks(struct store_ledger_tree *tree) {
  size_t peaks = 0;
  for (unsigned level = INTEGRITY_TILE_LEVELS; level-- > 0;) {
    const struct integrity_digest *hash = hashes_of(tree, level);
    for (size_t part = INTEGRITY_TILE_WIDTH / 2; part > 0; part /= 2) {
      if (!(partial_at(level, tree->size) & part)) continue;
      root_of(hash, part, &tree->peaks.peaks[peaks++]);
      hash += part;
    }
  }
  tree->peaks.leaves = tree->size;
}

enum base_result store_ledger_tree_read_pruned(struct store_ledger_tree *tree, struct base_span file,
                                               struct base_fault *fault) {
  BASE_ASSERT(tree->size == 0);
  static const char damaged[] = "the list of what was pruned is damaged";
  struct integrity_digest check;
  const size_t head_bytes = sizeof magic + STORE_LEDGER_NUMBER_BYTES;
  if (file.bytes < head_bytes + sizeof check || memcmp(file.data, magic, sizeof magic) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", damaged);
  }
  const size_t checked = file.bytes - sizeof check;
  integrity_digest_of(base_span_of(file.data, checked), &check);
  const uint64_t first = store_ledger_number_at(file.data + sizeof magic);
  size_t hashes = 0;
  for (unsigned level = 1; level < INTEGRITY_TILE_LEVELS; level++) hashes += partial_at(level, first);
  if (memcmp(check.bytes, file.data + checked, sizeof check.bytes) != 0 || first % INTEGRITY_TILE_WIDTH != 0 ||
      checked != head_bytes + hashes * sizeof(struct integrity_digest)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", damaged);
  }
  size_t at = head_bytes;
  for (unsigned level = 0; level < INTEGRITY_TILE_LEVELS; level++) {
    const size_t count = partial_at(level, first), bytes = count * sizeof(struct integrity_digest);
    tree->levels[level].first = hashes_at(level, first) - count;
    if (count == 0) continue;
    if (base_buffer_append(&tree->levels[level].hashes, file.data + at, bytes) != BASE_OK) {
      return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the ledger's tree");
    }
    at += bytes;
  }
  tree->size = first;
  make_peaks(tree);
  return BASE_OK;
}
