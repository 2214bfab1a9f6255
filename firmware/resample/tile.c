// Both passes in one dispatch through shared memory (shaders/resample_tile.comp).
#include <string.h>

#include "base/checked.h"
#include "resample_push.h"
#include "unit.h"

_Static_assert(RESAMPLE_TILE_BLOCKS == RESAMPLE_TILE_HEIGHT / RESAMPLE_BLOCK, "as in the kernel");

enum {
  MOST_TURNS = 60000  // see RESAMPLE_MAX_SIDE: here the turns of all loops of a thread add up
};

static uint32_t tile_rows_of(const struct resample_unit *unit) {
  return (unit->y_blocks.blocks + RESAMPLE_TILE_BLOCKS - 1) / RESAMPLE_TILE_BLOCKS;
}

static size_t x_texels(const struct resample_unit *unit) {
  return (size_t)resample_singles_texels_each(&unit->x) * unit->x.span.outputs;
}

size_t resample_tile_texels(const struct resample_unit *unit) {
  return resample_blocks_texels(&unit->y_blocks) + x_texels(unit) + tile_rows_of(unit);
}

// Times the shared rows are filled.
static uint32_t chunks_of(const struct resample_vulkan *vulkan, const struct resample_unit *unit) {
  const uint32_t rows = vulkan->tile_rows[unit->kind];
  return (resample_blocks_most(&unit->y_blocks, RESAMPLE_TILE_BLOCKS) + rows - 1) / rows;
}

// Over all loops; the loop over one texel's weights counts as if it were not unrolled.
bool resample_tile_takes(const struct resample_vulkan *vulkan, const struct resample_unit *unit) {
  const uint64_t x_turns = (uint64_t)resample_singles_texels_each(&unit->x) * (1 + RESAMPLE_BLOCK) + 1;
  const uint64_t rows = vulkan->tile_rows[unit->kind] / RESAMPLE_TILE_BLOCKS + 1;
  return chunks_of(vulkan, unit) * (rows * x_turns + 1) + unit->y_blocks.taps <= MOST_TURNS;
}

void resample_tile_pack(const struct resample_unit *unit, struct resample_texel *table) {
  resample_singles_pack(&unit->x, table);
  table += x_texels(unit);
  for (uint32_t tile = 0; tile < tile_rows_of(unit); tile++) {
    const struct resample_band band = resample_unit_band(unit, tile * RESAMPLE_TILE_BLOCKS, RESAMPLE_TILE_BLOCKS);
    table[tile] = (struct resample_texel){{(float)band.top}};
  }
}

struct gpu_dispatch resample_tile(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                  const struct resample_band *band, const struct resample_place *place) {
  const struct resample_span *x = &unit->x.span;
  const uint32_t x_first = place->table_base + (uint32_t)resample_blocks_texels(&unit->y_blocks);
  const bool swaps = unit->work->swaps;
  struct gpu_buffer *out;
  uint32_t out_base, pitch;
  resample_result_output(unit, band, place, &out, &out_base, &pitch);
  const struct resample_tile_push push = {
      .x_outputs = x->outputs,
      .x_texels = resample_singles_texels_each(&unit->x),
      .x_first = x_first,
      .y_taps = unit->y_blocks.taps,
      .y_first = place->table_base,
      .y_blocks = band->block + band->blocks,
      .y_outputs = band->output + band->outputs,
      .block_first = band->block,
      .tops_first = x_first + (uint32_t)x_texels(unit),
      .chunks = chunks_of(vulkan, unit),
      .in_base = place->source_base,
      .in_left = place->source_word,
      .in_top = place->source_top,
      .in_pitch = place->source_pitch,
      .in_columns = x->first + x->length - place->source_word,
      .in_rows = place->source_last + 1 - place->source_top,
      .out_base = out_base,
      .out_x = swaps ? pitch : 1,
      .out_y = swaps ? 1 : pitch,
  };
  struct gpu_dispatch made = {.kernel = vulkan->tile[unit->kind],
                              .buffers = {place->source, out, place->table},
                              .groups = {(x->outputs + RESAMPLE_TILE_WIDTH - 1) / RESAMPLE_TILE_WIDTH,
                                         (band->blocks + RESAMPLE_TILE_BLOCKS - 1) / RESAMPLE_TILE_BLOCKS, 1}};
  memcpy(made.push, &push, sizeof(push));
  return made;
}
