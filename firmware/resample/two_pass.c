// Vertical, then horizontal, through an intermediate in device memory (shaders/resample_pass.comp and
// shaders/resample_plane.comp).
#include <string.h>

#include "resample_push.h"
#include "unit.h"

static uint32_t divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

// Planes: 4 columns a word, each with a pair of words a block in between. Pixels: one column a word, 4 pixels a block.
static bool is_plane(const struct resample_unit *unit) { return unit->kind == RESAMPLE_KIND_PLANE; }

// From one source column's intermediate to the next, in texels.
static uint32_t middle_pitch(const struct resample_unit *unit, const struct resample_band *band) {
  return is_plane(unit) ? band->blocks : band->blocks * RESAMPLE_BLOCK;
}

static struct gpu_dispatch finish_dispatch(const struct resample_vulkan *vulkan, const struct gpu_kernel *kernel,
                                           const struct resample_place *place, struct gpu_buffer *in,
                                           struct gpu_buffer *out, const struct resample_pass_push *push,
                                           uint32_t blocks) {
  struct gpu_dispatch made = {.kernel = kernel,
                              .buffers = {in, out, place->table},
                              .groups = {divide_up(push->lanes, vulkan->lanes), blocks, 1}};
  memcpy(made.push, push, sizeof(*push));
  return made;
}

struct gpu_dispatch resample_first_pass(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                        const struct resample_band *band, const struct resample_place *place,
                                        uint32_t words) {
  const uint32_t pitch = middle_pitch(unit, band);
  const uint32_t columns = is_plane(unit) ? RESAMPLE_PLANE_WORD : 1;  // a word
  const uint32_t lane_words = resample_unit_lane_words(unit);
  const uint32_t word = place->source_word > unit->word ? place->source_word : unit->word;
  const uint32_t base = (place->source_base + (word - place->source_word)) / lane_words;
  const uint32_t source_pitch = place->source_pitch / lane_words;
  const struct resample_pass_push push = {
      .lanes = words / lane_words,
      .taps = unit->y_blocks.taps,
      .table_first = place->table_base,
      .block_first = band->block,
      .in_base = base,
      .in_start = place->source_top,
      .in_pitch = source_pitch,
      .in_last = base + (place->source_last - place->source_top) * source_pitch,
      .out_base = place->middle_base + (word - unit->word) * columns * pitch,
      .out_lane = columns * lane_words * pitch,
      .out_block = is_plane(unit) ? 1 : RESAMPLE_BLOCK,
      .out_step = is_plane(unit) ? pitch : 1,
  };
  return finish_dispatch(vulkan, vulkan->first_pass[unit->kind], place, place->source, place->middle, &push,
                         band->blocks);
}

static struct resample_pass_push second_push(const struct resample_unit *unit, const struct resample_band *band,
                                             const struct resample_place *place) {
  const struct resample_span *span = &unit->x.span;
  const uint32_t pitch = middle_pitch(unit, band);
  const uint32_t first = is_plane(unit) ? unit->word * RESAMPLE_PLANE_WORD : span->first;  // column of the intermediate
  return (struct resample_pass_push){
      .taps = unit->x_blocks.taps,
      .table_first = place->table_base + (uint32_t)resample_blocks_texels(&unit->y_blocks),
      .block_first = 0,
      .in_base = place->middle_base,
      .in_start = first,
      .in_pitch = pitch,
      .in_last = place->middle_base + (span->first + span->length - 1 - first) * pitch,
      .outputs = span->outputs,
      .swaps = unit->work->swaps,
      // The sums are still in the fixed point of the intermediate.
      .gain = unit->part->gain / (float)RESAMPLE_MIDDLE_SCALE,
      .bias = unit->part->bias - unit->part->gain * (float)(RESAMPLE_MIDDLE_ZERO / RESAMPLE_MIDDLE_SCALE)};
}

struct gpu_dispatch resample_second_pass(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                         const struct resample_band *band, const struct resample_place *place) {
  const bool swaps = unit->work->swaps;
  struct resample_pass_push push = second_push(unit, band, place);
  struct gpu_buffer *out;
  uint32_t pitch;
  resample_result_output(unit, band, place, &out, &push.out_base, &pitch);
  if (is_plane(unit)) {
    push.lanes = band->blocks;
    push.lane_end = band->outputs;
    push.out_lane = swaps ? 1 : RESAMPLE_BLOCK * pitch;
    push.out_block = swaps ? RESAMPLE_BLOCK * pitch : 1;
    push.out_step = pitch;
  } else {
    push.lanes = band->outputs;
    push.out_lane = swaps ? 1 : pitch;
    push.out_step = swaps ? pitch : 1;
    push.out_block = RESAMPLE_BLOCK * push.out_step;
  }
  return finish_dispatch(vulkan, vulkan->second_pass[unit->kind], place, place->middle, out, &push,
                         unit->x_blocks.blocks);
}
