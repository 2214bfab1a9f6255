// The tiles of a log's tree (c2sp.org/tlog-tiles): their names, and roots and proofs computed from them.
//
// A tile holds up to 256 consecutive hashes of one tile level; a level is 8 tree levels high. `store` serves them,
// verifiers read them from a box or a folder. Thread-safe: no state but the caller's.
#ifndef INTEGRITY_TILES_H
#define INTEGRITY_TILES_H

#include "integrity/merkle.h"

enum {
  INTEGRITY_TILE_WIDTH = 256,
  INTEGRITY_TILE_BYTES = INTEGRITY_TILE_WIDTH * BASE_DIGEST_BYTES,
  INTEGRITY_TILE_LEVELS = 8,     // enough for 2^64 entries
  INTEGRITY_TILE_ENTRIES = -1,   // the "level" of entry bundles
  INTEGRITY_TILE_MAX_PATH = 64,  // characters of "<L>/<N>[.p/<W>]"
};

struct integrity_tile {
  int level;       // INTEGRITY_TILE_ENTRIES, or 0..INTEGRITY_TILE_LEVELS - 1
  uint64_t index;  // within the level
  unsigned width;  // 1..256 hashes or entries; 256 is a full one
};

// "0/x001/x234/067", "entries/000.p/12": what follows ".../tile/".
void integrity_tile_path(const struct integrity_tile *tile, char out[INTEGRITY_TILE_MAX_PATH + 1]);
// Strict: every tile has one spelling. False for anything else.
bool integrity_tile_parse(struct base_span path, struct integrity_tile *out) BASE_CHECKED;
// How many hashes (or entries) tile `index` of `level` has in a log of `size` entries; 0: there is no such tile.
unsigned integrity_tile_width(int level, uint64_t index, uint64_t size);

// Where tiles come from. `read` fills tile->width hashes; a wider tile than asked for may be at hand, its first hashes
// are the same.
struct integrity_tile_source {
  enum base_result (*read)(void *self, const struct integrity_tile *tile,
                           struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault);
  void *self;
};

// Root of the first `size` entries of a log whose tiles are read as of `tree_size` >= size entries. Errors: read's.
enum base_result integrity_tiles_root(const struct integrity_tile_source *source, uint64_t size, uint64_t tree_size,
                                      struct integrity_digest *out, struct base_fault *fault) BASE_CHECKED;
// The audit path of entry `index` < `size` (RFC 6962 2.1.1).
enum base_result integrity_tiles_inclusion(const struct integrity_tile_source *source, uint64_t index, uint64_t size,
                                           struct integrity_digest out[INTEGRITY_MERKLE_LEVELS], size_t *nodes,
                                           struct base_fault *fault) BASE_CHECKED;
// The consistency proof from `old_size` to `size` (RFC 6962 2.1.2); no nodes when one of them is 0 or both are equal.
enum base_result integrity_tiles_consistency(const struct integrity_tile_source *source, uint64_t old_size,
                                             uint64_t size, struct integrity_digest out[2 * INTEGRITY_MERKLE_LEVELS],
                                             size_t *nodes, struct base_fault *fault) BASE_CHECKED;
// Whether the log of `size` and `root` begins with the one of `old_size` and `old_root` (RFC 9162 2.1.4.2).
bool integrity_merkle_is_consistent(uint64_t old_size, const struct integrity_digest *old_root, uint64_t size,
                                    const struct integrity_digest *root, const struct integrity_digest *path,
                                    size_t path_nodes);

#endif
