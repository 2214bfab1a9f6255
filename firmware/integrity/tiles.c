#include "integrity/tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LEVEL_BITS = 8, GROUP = 1000, MAX_GROUPS = 7 };  // 2^64 has 20 digits

_Static_assert(1 << LEVEL_BITS == INTEGRITY_TILE_WIDTH, "a tile is a subtree of LEVEL_BITS levels");

void integrity_tile_path(const struct integrity_tile *tile, char out[INTEGRITY_TILE_MAX_PATH + 1]) {
  BASE_ASSERT(tile->level >= INTEGRITY_TILE_ENTRIES && tile->level < INTEGRITY_TILE_LEVELS);
  BASE_ASSERT(tile->width >= 1 && tile->width <= INTEGRITY_TILE_WIDTH);
  const size_t capacity = INTEGRITY_TILE_MAX_PATH + 1;
  int at = tile->level == INTEGRITY_TILE_ENTRIES ? snprintf(out, capacity, "entries")
                                                 : snprintf(out, capacity, "%d", tile->level);
  unsigned groups[MAX_GROUPS];
  size_t count = 0;
  uint64_t rest = tile->index;
  do {
    groups[count++] = (unsigned)(rest % GROUP);
    rest /= GROUP;
  } while (rest > 0);
  while (count > 0) {
    count--;
    at += snprintf(out + at, capacity - (size_t)at, count > 0 ? "/x%03u" : "/%03u", groups[count]);
  }
  if (tile->width < INTEGRITY_TILE_WIDTH) snprintf(out + at, capacity - (size_t)at, ".p/%u", tile->width);
}

static bool is_digit(uint8_t character) { return character >= '0' && character <= '9'; }

// "x001/x234/067", up to the end or a '.'.
static bool parse_index(struct base_span *rest, uint64_t *out) {
  uint64_t index = 0;
  for (bool is_first = true;; is_first = false) {
    const bool is_last = rest->bytes == 0 || rest->data[0] != 'x';
    if (!is_last) *rest = base_span_slice(*rest, 1, rest->bytes);
    if (rest->bytes < 3) return false;
    unsigned group = 0;
    for (size_t i = 0; i < 3; i++) {
      if (!is_digit(rest->data[i])) return false;
      group = group * 10 + (unsigned)(rest->data[i] - '0');
    }
    if (is_first && !is_last && group == 0) return false;  // a second spelling
    if (__builtin_mul_overflow(index, GROUP, &index) || __builtin_add_overflow(index, group, &index)) return false;
    *rest = base_span_slice(*rest, 3, rest->bytes);
    if (is_last) break;
    if (rest->bytes == 0 || rest->data[0] != '/') return false;
    *rest = base_span_slice(*rest, 1, rest->bytes);
  }
  *out = index;
  return true;
}

bool integrity_tile_parse(struct base_span path, struct integrity_tile *out) {
  struct base_span rest = path;
  const struct base_span level = base_span_cut(&rest, '/');
  struct integrity_tile tile = {.width = INTEGRITY_TILE_WIDTH};
  if (base_span_is(level, "entries")) {
    tile.level = INTEGRITY_TILE_ENTRIES;
  } else if (level.bytes == 1 && level.data[0] >= '0' && level.data[0] < '0' + INTEGRITY_TILE_LEVELS) {
    tile.level = level.data[0] - '0';
  } else {
    return false;
  }
  if (!parse_index(&rest, &tile.index)) return false;
  if (rest.bytes > 0) {
    uint64_t width;
    if (!base_span_starts_with(rest, ".p/")) return false;
    rest = base_span_slice(rest, 3, rest.bytes);
    if (rest.bytes > 3 || !base_span_to_u64(rest, &width) || rest.data[0] == '0') return false;
    if (width >= INTEGRITY_TILE_WIDTH) return false;
    tile.width = (unsigned)width;
  }
  *out = tile;
  return true;
}

unsigned integrity_tile_width(int level, uint64_t index, uint64_t size) {
  BASE_ASSERT(level >= INTEGRITY_TILE_ENTRIES && level < INTEGRITY_TILE_LEVELS);
  const uint64_t hashes = level > 0 ? size >> (LEVEL_BITS * level) : size;
  const uint64_t full = hashes / INTEGRITY_TILE_WIDTH;
  if (index < full) return INTEGRITY_TILE_WIDTH;
  return index == full ? (unsigned)(hashes % INTEGRITY_TILE_WIDTH) : 0;
}

// Reads tiles of a log of `tree_size` entries; the last one stays, since neighbours are asked for in a row.
struct reader {
  const struct integrity_tile_source *source;
  uint64_t tree_size;
  struct integrity_tile held;  // width 0: none
  struct integrity_digest hashes[INTEGRITY_TILE_WIDTH];
};

static void reader_init(struct reader *reader, const struct integrity_tile_source *source, uint64_t tree_size) {
  reader->source = source;
  reader->tree_size = tree_size;
  reader->held.width = 0;
}

static enum base_result hold_tile(struct reader *reader, int level, uint64_t index, struct base_fault *fault) {
  if (reader->held.width > 0 && reader->held.level == level && reader->held.index == index) return BASE_OK;
  reader->held.width = 0;
  const struct integrity_tile tile = {level, index, integrity_tile_width(level, index, reader->tree_size)};
  BASE_ASSERT(tile.width > 0);
  const enum base_result result = reader->source->read(reader->source->self, &tile, reader->hashes, fault);
  if (result == BASE_OK) reader->held = tile;
  return result;
}

// Root of the full subtree of 2^height entries from `start`, a multiple of that.
static enum base_result full_root(struct reader *reader, uint64_t start, unsigned height, struct integrity_digest *out,
                                  struct base_fault *fault) {
  const int level = (int)(height / LEVEL_BITS);
  const uint64_t first = start >> (LEVEL_BITS * (unsigned)level);
  const size_t count = (size_t)1 << height % LEVEL_BITS;
  const enum base_result result = hold_tile(reader, level, first / INTEGRITY_TILE_WIDTH, fault);
  if (result != BASE_OK) return result;
  BASE_ASSERT(first % INTEGRITY_TILE_WIDTH + count <= reader->held.width);
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (size_t i = 0; i < count; i++) {
    integrity_merkle_add(&tree, &reader->hashes[first % INTEGRITY_TILE_WIDTH + i]);
  }
  integrity_merkle_root(&tree, out);
  return BASE_OK;
}

// MTH of the `count` entries from `start` (RFC 6962 2.1), a range that the recursion over the whole tree comes to: its
// full subtrees, the largest first, are aligned then.
static enum base_result range_root(struct reader *reader, uint64_t start, uint64_t count, struct integrity_digest *out,
                                   struct base_fault *fault) {
  struct integrity_digest peaks[INTEGRITY_MERKLE_LEVELS];
  size_t found = 0;
  for (unsigned height = INTEGRITY_MERKLE_LEVELS; height-- > 0;) {
    if (!(count >> height & 1)) continue;
    const enum base_result result = full_root(reader, start, height, &peaks[found], fault);
    if (result != BASE_OK) return result;
    found++;
    start += UINT64_C(1) << height;
  }
  if (found == 0) {
    integrity_digest_of((struct base_span){0}, out);
    return BASE_OK;
  }
  struct integrity_digest node = peaks[--found];
  while (found > 0) integrity_merkle_node(&peaks[--found], &node, &node);
  *out = node;
  return BASE_OK;
}

enum base_result integrity_tiles_root(const struct integrity_tile_source *source, uint64_t size, uint64_t tree_size,
                                      struct integrity_digest *out, struct base_fault *fault) {
  BASE_ASSERT(size <= tree_size);
  struct reader reader;
  reader_init(&reader, source, tree_size);
  return range_root(&reader, 0, size, out, fault);
}

// Of two or more entries: the largest power of two below their number.
static uint64_t left_of(uint64_t count) { return UINT64_C(1) << (63 - __builtin_clzll(count - 1)); }

static void reverse(struct integrity_digest *digests, size_t count) {
  for (size_t i = 0; i < count / 2; i++) {
    const struct integrity_digest upper = digests[i];
    digests[i] = digests[count - 1 - i];
    digests[count - 1 - i] = upper;
  }
}

enum base_result integrity_tiles_inclusion(const struct integrity_tile_source *source, uint64_t index, uint64_t size,
                                           struct integrity_digest out[INTEGRITY_MERKLE_LEVELS], size_t *nodes,
                                           struct base_fault *fault) {
  BASE_ASSERT(index < size);
  struct reader reader;
  reader_init(&reader, source, size);
  uint64_t start = 0, count = size;
  size_t found = 0;
  while (count > 1) {  // from the root down to the leaf
    const uint64_t left = left_of(count);
    const bool is_left = index - start < left;
    const enum base_result result = is_left ? range_root(&reader, start + left, count - left, &out[found], fault)
                                            : range_root(&reader, start, left, &out[found], fault);
    if (result != BASE_OK) return result;
    found++;
    if (!is_left) start += left;
    count = is_left ? left : count - left;
  }
  reverse(out, found);
  *nodes = found;
  return BASE_OK;
}

enum base_result integrity_tiles_consistency(const struct integrity_tile_source *source, uint64_t old_size,
                                             uint64_t size, struct integrity_digest out[2 * INTEGRITY_MERKLE_LEVELS],
                                             size_t *nodes, struct base_fault *fault) {
  BASE_ASSERT(old_size <= size);
  *nodes = 0;
  if (old_size == 0 || old_size == size) return BASE_OK;
  struct reader reader;
  reader_init(&reader, source, size);
  uint64_t start = 0, count = size, old = old_size;  // SUBPROOF(old, D[start:start + count], start == 0)
  size_t found = 0;
  while (old != count) {
    const uint64_t left = left_of(count);
    const bool is_left = old <= left;
    const enum base_result result = is_left ? range_root(&reader, start + left, count - left, &out[found], fault)
                                            : range_root(&reader, start, left, &out[found], fault);
    if (result != BASE_OK) return result;
    found++;
    if (!is_left) {
      start += left;
      old -= left;
    }
    count = is_left ? left : count - left;
  }
  if (start > 0) {  // else it is the old root itself, which the verifier has
    const enum base_result result = range_root(&reader, start, count, &out[found], fault);
    if (result != BASE_OK) return result;
    found++;
  }
  reverse(out, found);
  *nodes = found;
  return BASE_OK;
}

static bool is_odd(uint64_t number) { return number & 1; }

bool integrity_merkle_is_consistent(uint64_t old_size, const struct integrity_digest *old_root, uint64_t size,
                                    const struct integrity_digest *root, const struct integrity_digest *path,
                                    size_t path_nodes) {
  if (old_size > size) return false;
  if (old_size == size) return path_nodes == 0 && integrity_digest_equal(old_root, root);
  if (old_size == 0) {
    struct integrity_digest nothing;
    integrity_digest_of((struct base_span){0}, &nothing);
    return path_nodes == 0 && integrity_digest_equal(old_root, &nothing);
  }
  uint64_t old_last = old_size - 1, last = size - 1;
  for (; is_odd(old_last); last >>= 1) old_last >>= 1;
  size_t at = 0;
  // The old root begins the proof when the old tree is full: it is not repeated in the path.
  const bool is_full = (old_size & (old_size - 1)) == 0;
  if (!is_full && path_nodes == 0) return false;
  struct integrity_digest old_node = is_full ? *old_root : path[at++], node = old_node;
  for (; at < path_nodes; at++) {
    if (last == 0) return false;
    if (is_odd(old_last) || old_last == last) {
      integrity_merkle_node(&path[at], &old_node, &old_node);
      integrity_merkle_node(&path[at], &node, &node);
      for (; !is_odd(old_last) && old_last != 0; last >>= 1) old_last >>= 1;
    } else {
      integrity_merkle_node(&node, &path[at], &node);
    }
    old_last >>= 1;
    last >>= 1;
  }
  return last == 0 && integrity_digest_equal(&old_node, old_root) && integrity_digest_equal(&node, root);
}
