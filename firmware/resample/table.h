// An axis packed for the kernels: float weights and starts as RGBA32F texels. The layouts are described where the
// kernels read them (shaders/resample_pass.comp and shaders/resample_tile.comp).
#ifndef RESAMPLE_TABLE_H
#define RESAMPLE_TABLE_H

#include "axis.h"

struct resample_texel {
  float values[4];
};

// Outputs taken four by four (RESAMPLE_BLOCK): a record a block with `taps` samples from a common start, each with
// its four weights. The last block is filled up with zero weights.
struct resample_blocks {
  uint32_t blocks;
  uint32_t taps;  // the same for every block, so that the loop is uniform
  const struct resample_axis *axis;
  uint32_t *starts;  // one a block; all taps lie in the axis, but for one at its end when its length is odd
};

enum base_result resample_blocks_init(struct resample_blocks *blocks, const struct resample_axis *axis,
                                      struct base_fault *fault) BASE_CHECKED;
void resample_blocks_finish(struct resample_blocks *blocks);
size_t resample_blocks_texels(const struct resample_blocks *blocks);
// Smallest range of source samples that holds the blocks [first, end).
void resample_blocks_range(const struct resample_blocks *blocks, uint32_t first, uint32_t end, uint32_t *out_start,
                           uint32_t *out_count);
// Largest such range of any `group` neighbouring blocks, counted from the first.
uint32_t resample_blocks_most(const struct resample_blocks *blocks, uint32_t group);
// The axis must have its weights.
void resample_blocks_pack(const struct resample_blocks *blocks, struct resample_texel *out);

// One record an output: the start, then its weights four to a texel.
uint32_t resample_singles_texels_each(const struct resample_axis *axis);
void resample_singles_pack(const struct resample_axis *axis, struct resample_texel *out);

#endif
