#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "resample_push.h"

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Common window of the outputs of one block, in source samples.
static void block_window(const struct resample_axis *axis, uint32_t block, uint32_t *out_start, uint32_t *out_end) {
  uint32_t first = block * RESAMPLE_BLOCK;
  uint32_t end = min_u32(first + RESAMPLE_BLOCK, axis->span.outputs);
  *out_start = UINT32_MAX;
  *out_end = 0;
  for (uint32_t i = first; i < end; i++) {
    const struct resample_taps *taps = &axis->taps[i];
    if (taps->start < *out_start) *out_start = taps->start;
    if (taps->start + taps->count > *out_end) *out_end = taps->start + taps->count;
  }
}

enum base_result resample_blocks_init(struct resample_blocks *blocks, const struct resample_axis *axis,
                                      struct base_fault *fault) {
  *blocks =
      (struct resample_blocks){.blocks = (axis->span.outputs + RESAMPLE_BLOCK - 1) / RESAMPLE_BLOCK, .axis = axis};
  blocks->starts = calloc(blocks->blocks, sizeof(*blocks->starts));
  if (!blocks->starts) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling tables");
  for (uint32_t i = 0; i < blocks->blocks; i++) {
    uint32_t end;
    block_window(axis, i, &blocks->starts[i], &end);
    if (end - blocks->starts[i] > blocks->taps) blocks->taps = end - blocks->starts[i];
  }
  blocks->taps += blocks->taps % 2;  // the kernels take two a turn
  uint32_t last_start = axis->span.first + (axis->span.length > blocks->taps ? axis->span.length - blocks->taps : 0);
  for (uint32_t i = 0; i < blocks->blocks; i++) blocks->starts[i] = min_u32(blocks->starts[i], last_start);
  return BASE_OK;
}

void resample_blocks_finish(struct resample_blocks *blocks) {
  free(blocks->starts);
  *blocks = (struct resample_blocks){0};
}

void resample_blocks_range(const struct resample_blocks *blocks, uint32_t first, uint32_t end, uint32_t *out_start,
                           uint32_t *out_count) {
  uint32_t start = UINT32_MAX;
  uint32_t last = 0;
  for (uint32_t i = first; i < end; i++) {
    if (blocks->starts[i] < start) start = blocks->starts[i];
    if (blocks->starts[i] > last) last = blocks->starts[i];
  }
  *out_start = start;
  const uint32_t axis_end = blocks->axis->span.first + blocks->axis->span.length;
  *out_count = min_u32(last + blocks->taps, axis_end) - start;
}

uint32_t resample_blocks_most(const struct resample_blocks *blocks, uint32_t group) {
  uint32_t most = 0;
  for (uint32_t first = 0; first < blocks->blocks; first += group) {
    uint32_t start, count;
    resample_blocks_range(blocks, first, min_u32(first + group, blocks->blocks), &start, &count);
    if (count > most) most = count;
  }
  return most;
}

size_t resample_blocks_texels(const struct resample_blocks *blocks) {
  return (size_t)blocks->blocks * (blocks->taps + 1);
}

void resample_blocks_pack(const struct resample_blocks *blocks, struct resample_texel *out) {
  const struct resample_axis *axis = blocks->axis;
  memset(out, 0, resample_blocks_texels(blocks) * sizeof(*out));
  for (uint32_t i = 0; i < blocks->blocks; i++) {
    struct resample_texel *record = out + (size_t)i * (blocks->taps + 1);
    uint32_t start = blocks->starts[i];
    record->values[0] = (float)start;  // exact: RESAMPLE_MAX_SIDE is far below 2^24
    for (uint32_t r = 0; r < RESAMPLE_BLOCK && i * RESAMPLE_BLOCK + r < axis->span.outputs; r++) {
      const struct resample_taps *taps = &axis->taps[i * RESAMPLE_BLOCK + r];
      struct resample_texel *weights = record + 1 + (taps->start - start);
      for (uint32_t k = 0; k < taps->count; k++) weights[k].values[r] = (float)axis->weights[taps->offset + k];
    }
  }
}

uint32_t resample_singles_texels_each(const struct resample_axis *axis) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < axis->span.outputs; i++) {
    if (axis->taps[i].count > most) most = axis->taps[i].count;
  }
  return 1 + (most + 3) / 4;
}

void resample_singles_pack(const struct resample_axis *axis, struct resample_texel *out) {
  uint32_t each = resample_singles_texels_each(axis);
  memset(out, 0, (size_t)each * axis->span.outputs * sizeof(*out));
  for (uint32_t i = 0; i < axis->span.outputs; i++) {
    const struct resample_taps *taps = &axis->taps[i];
    struct resample_texel *record = out + (size_t)i * each;
    record->values[0] = (float)taps->start;
    for (uint32_t k = 0; k < taps->count; k++) record[1 + k / 4].values[k % 4] = (float)axis->weights[taps->offset + k];
  }
}
