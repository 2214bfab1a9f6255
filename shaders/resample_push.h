// What the resampling kernels are told, shared by C and GLSL: 4-byte scalars only.
#ifndef RESAMPLE_PUSH_H
#define RESAMPLE_PUSH_H

#ifdef VULKAN  // GLSL
#define RESAMPLE_UINT uint
#define RESAMPLE_FLOAT float
#else
#include <stdint.h>
#define RESAMPLE_UINT uint32_t
#define RESAMPLE_FLOAT float
#endif

// Outputs one thread makes along the filtered axis.
#define RESAMPLE_BLOCK 4

// Outputs of one workgroup of the tile kernel.
#define RESAMPLE_TILE_WIDTH 32
#define RESAMPLE_TILE_HEIGHT 32

// Between the passes an opaque sample is a 16-bit number, -128 .. 554 in 1/96 steps: finer than half floats over the
// whole range, and cheap to convert on devices without hardware for halves. The widest filter leaves 0..255 by less
// than 70.
#define RESAMPLE_MIDDLE_SCALE 96.0
#define RESAMPLE_MIDDLE_ZERO 12288.0

// resample_pass.comp and resample_plane.comp. Indices count elements of the buffer they are for: words of the source
// (planes: pairs of words) and of the target, pixels or groups of four samples of what lies between the passes.
struct resample_pass_push {
  RESAMPLE_UINT lanes;        // positions along the axis that is not filtered
  RESAMPLE_UINT taps;         // source samples a block
  RESAMPLE_UINT table_first;  // texel of block 0's record
  RESAMPLE_UINT block_first;  // block of workgroup row 0
  RESAMPLE_UINT in_base;      // where lane 0 of sample in_start lies
  RESAMPLE_UINT in_start;     // number of a sample of the filtered axis
  RESAMPLE_UINT in_pitch;     // from one sample of the filtered axis to the next
  RESAMPLE_UINT in_last;      // where lane 0 of the last sample of the filtered axis lies
  RESAMPLE_UINT out_base;     // where lane 0 of block_first goes
  RESAMPLE_UINT out_lane;     // from one lane to the next
  RESAMPLE_UINT out_block;    // from one block to the next
  RESAMPLE_UINT out_step;     // from one element of a block to the next
  // Of second passes:
  RESAMPLE_UINT outputs;   // along the filtered axis; what a block has beyond them is not stored
  RESAMPLE_UINT lane_end;  // planes: samples along the axis that is not filtered, of which a lane has four
  RESAMPLE_UINT swaps;     // planes: neighbouring samples of the target are those of a lane, not those of a block
  RESAMPLE_FLOAT gain;     // planes: what the sums are multiplied by, and what is then added
  RESAMPLE_FLOAT bias;
};

// resample_tile.comp. x and y are the source's axes.
struct resample_tile_push {
  RESAMPLE_UINT x_outputs;    // outputs along x
  RESAMPLE_UINT x_texels;     // texels of one x record
  RESAMPLE_UINT x_first;      // texel of output 0's record
  RESAMPLE_UINT y_taps;       // source rows a block
  RESAMPLE_UINT y_first;      // texel of block 0's record
  RESAMPLE_UINT y_blocks;     // end of the blocks that are made
  RESAMPLE_UINT y_outputs;    // end of the outputs along y
  RESAMPLE_UINT block_first;  // block of workgroup row 0
  RESAMPLE_UINT tops_first;   // texel of the first tile's top row
  RESAMPLE_UINT chunks;       // times the shared rows are filled
  RESAMPLE_UINT in_base;      // word of source column in_left, row in_top
  RESAMPLE_UINT in_left;
  RESAMPLE_UINT in_top;
  RESAMPLE_UINT in_pitch;
  RESAMPLE_UINT in_columns;  // that may be read, from in_left and in_top
  RESAMPLE_UINT in_rows;
  RESAMPLE_UINT out_base;  // word of output 0 of block_first
  RESAMPLE_UINT out_x;     // from one output along x to the next
  RESAMPLE_UINT out_y;     // from one output along y to the next
};

// resample_convert.comp. Bases and pitches count words.
struct resample_convert_push {
  RESAMPLE_UINT width;  // of the picture, in pixels
  RESAMPLE_UINT height;
  RESAMPLE_UINT block_x;  // pixels a chroma sample covers: 1 or 2
  RESAMPLE_UINT block_y;
  RESAMPLE_UINT in_base;
  RESAMPLE_UINT in_pitch;
  RESAMPLE_UINT y_base;
  RESAMPLE_UINT y_pitch;
  RESAMPLE_UINT u_base;
  RESAMPLE_UINT v_base;
  RESAMPLE_UINT chroma_pitch;
  RESAMPLE_UINT has_alpha;  // also stores an alpha plane
  RESAMPLE_UINT a_base;
  RESAMPLE_UINT a_pitch;
  RESAMPLE_FLOAT y_gain;  // range of the target
  RESAMPLE_FLOAT y_bias;
  RESAMPLE_FLOAT chroma_gain;
};

#ifndef VULKAN
_Static_assert(sizeof(struct resample_pass_push) == 68, "as in the kernel");
_Static_assert(sizeof(struct resample_tile_push) == 76, "as in the kernel");
_Static_assert(sizeof(struct resample_convert_push) == 68, "as in the kernel");
#endif

#endif
