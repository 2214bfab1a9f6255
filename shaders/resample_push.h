// What the resampling kernels are told, shared by C and GLSL: 4-byte scalars only.
#ifndef RESAMPLE_PUSH_H
#define RESAMPLE_PUSH_H

#ifdef VULKAN  // GLSL
#define RESAMPLE_UINT uint
#else
#include <stdint.h>
#define RESAMPLE_UINT uint32_t
#endif

// Outputs one thread makes along the filtered axis.
#define RESAMPLE_BLOCK 4

// Outputs of one workgroup of the tile kernel.
#define RESAMPLE_TILE_WIDTH 32
#define RESAMPLE_TILE_HEIGHT 32

// resample_pass.comp. Indices count pixels.
struct resample_pass_push {
  RESAMPLE_UINT lanes;        // positions along the axis that is not filtered
  RESAMPLE_UINT taps;         // source samples a block
  RESAMPLE_UINT table_first;  // texel of block 0's record
  RESAMPLE_UINT block_first;  // block of workgroup row 0
  RESAMPLE_UINT in_start;     // sample of the filtered axis that lies at the front of the input
  RESAMPLE_UINT in_pitch;     // from one sample of the filtered axis to the next
  RESAMPLE_UINT in_last;      // where the input's last sample of the filtered axis begins
  RESAMPLE_UINT out_base;     // where lane 0 of block_first goes
  RESAMPLE_UINT out_lane;     // from one lane to the next
  RESAMPLE_UINT out_step;     // from one output to the next
};

// resample_tile.comp. x and y are the source's axes.
struct resample_tile_push {
  RESAMPLE_UINT x_outputs;    // outputs along x
  RESAMPLE_UINT x_texels;     // texels of one x record
  RESAMPLE_UINT x_first;      // texel of output 0's record
  RESAMPLE_UINT y_taps;       // source rows a block
  RESAMPLE_UINT y_first;      // texel of block 0's record
  RESAMPLE_UINT y_blocks;     // blocks in the table
  RESAMPLE_UINT block_first;  // block of workgroup row 0
  RESAMPLE_UINT tops_first;   // texel of the first tile's top row
  RESAMPLE_UINT chunks;       // times the shared rows are filled
  RESAMPLE_UINT in_left;      // source column and row at the front of the input
  RESAMPLE_UINT in_top;
  RESAMPLE_UINT in_pitch;
  RESAMPLE_UINT in_rows;
  RESAMPLE_UINT out_x;  // from one output along x to the next
  RESAMPLE_UINT out_y;  // from one output along y to the next
};

#ifndef VULKAN
_Static_assert(sizeof(struct resample_pass_push) == 40, "as in the kernel");
_Static_assert(sizeof(struct resample_tile_push) == 60, "as in the kernel");
#endif

#endif
