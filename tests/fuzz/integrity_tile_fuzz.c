// Names of tiles, as they come in requests.
#include "integrity/tiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span input = base_span_of(data, bytes);
  struct integrity_tile tile;
  if (!integrity_tile_parse(input, &tile)) return 0;
  char path[INTEGRITY_TILE_MAX_PATH + 1];
  integrity_tile_path(&tile, path);
  BASE_ASSERT(base_span_is(input, path));
  BASE_ASSERT(integrity_tile_width(tile.level, tile.index, UINT64_MAX) <= INTEGRITY_TILE_WIDTH);
  return 0;
}
