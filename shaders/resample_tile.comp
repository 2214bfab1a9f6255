// Both passes of the separable resampler in one dispatch: a workgroup makes a tile of outputs, 32 x 32.
//
// Its threads (32 x 8) filter source rows along x into shared memory, ROWS rows at a time; after a barrier each
// filters that along y for its column and its block of 4 rows. Where a tile needs more source rows than fit, the two
// steps repeat (push.chunks) and the sums stay in registers.
//
// Tables: y as in resample_pass.comp; x has a record an output: the first sample's number, then its weights four
// to a texel; then the top source row of every row of tiles. Edges are mirrored by the tables alone.
//
// Shared pixels are 16-bit fixed point (opaque) or, with ALPHA, premultiplied floats, in separate arrays against bank
// conflicts.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "resample_push.h"

const uint BLOCKS = RESAMPLE_TILE_HEIGHT / RESAMPLE_BLOCK;

layout(local_size_x = RESAMPLE_TILE_WIDTH, local_size_y = RESAMPLE_TILE_HEIGHT / RESAMPLE_BLOCK) in;
layout(constant_id = 0) const uint ROWS = 32;  // source rows held in shared memory
layout(constant_id = 1) const bool IS_LINEAR = false;

#include "resample_access.glsl"
#include "resample_pixel.glsl"

layout(push_constant) uniform Push { resample_tile_push push; };

INPUT_WORDS(source, 0)
layout(std430, binding = 1) writeonly buffer target_buffer { uint target[]; };
TABLE(table, 2)

#ifdef ALPHA
shared float middle_r[ROWS * RESAMPLE_TILE_WIDTH];
shared float middle_g[ROWS * RESAMPLE_TILE_WIDTH];
shared float middle_b[ROWS * RESAMPLE_TILE_WIDTH];
shared float middle_a[ROWS * RESAMPLE_TILE_WIDTH];
void keep(uint index, PIXEL pixel) {
  middle_r[index] = pixel.r;
  middle_g[index] = pixel.g;
  middle_b[index] = pixel.b;
  middle_a[index] = pixel.a;
}
PIXEL recall(uint index) { return vec4(middle_r[index], middle_g[index], middle_b[index], middle_a[index]); }
#else
shared uint middle_rg[ROWS * RESAMPLE_TILE_WIDTH];
shared uint middle_b[ROWS * RESAMPLE_TILE_WIDTH];
void keep(uint index, PIXEL pixel) {
  uvec2 words = pack_middle(pixel);
  middle_rg[index] = words.x;
  middle_b[index] = words.y;
}
PIXEL recall(uint index) { return unpack_middle(uvec2(middle_rg[index], middle_b[index])); }
#endif

// One source row, `row` counted from the front of the input, filtered along x for the output of `record`.
PIXEL filter_x(uint row, uint record) {
  uint left = uint(FETCH_TABLE(table, record).x) - push.in_left;
  PIXEL sum = PIXEL(0.0);
  for (uint t = 1u; t < push.x_texels; t++) {
    vec4 weights = FETCH_TABLE(table, record + t);
    for (uint k = 0u; k < 4u; k++) {
      // The last texel may have weights of 0 for samples beyond the row.
      uint column = min(left + (t - 1u) * 4u + k, push.in_columns - 1u);
      sum += weights[k] * unpack_source(FETCH_WORD(source, push.in_base + row * push.in_pitch + column));
    }
  }
  return sum;
}

void main() {
  uint x = gl_WorkGroupID.x * RESAMPLE_TILE_WIDTH + gl_LocalInvocationID.x;
  uint x_record = push.x_first + min(x, push.x_outputs - 1u) * push.x_texels;
  uint block = push.block_first + gl_WorkGroupID.y * BLOCKS + gl_LocalInvocationID.y;
  uint y_record = push.y_first + min(block, push.y_blocks - 1u) * (push.y_taps + 1u);
  uint tile = push.block_first / BLOCKS + gl_WorkGroupID.y;
  uint top = uint(FETCH_TABLE(table, push.tops_first + tile).x);
  uint start = uint(FETCH_TABLE(table, y_record).x) - top;
  PIXEL sums[RESAMPLE_BLOCK];
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) sums[r] = PIXEL(0.0);
  for (uint chunk = 0u; chunk < push.chunks; chunk++) {
    uint chunk_row = chunk * ROWS;
    for (uint row = gl_LocalInvocationID.y; row < ROWS; row += BLOCKS) {
      uint input_row = top - push.in_top + chunk_row + row;
      if (input_row < push.in_rows) {
        keep(row * RESAMPLE_TILE_WIDTH + gl_LocalInvocationID.x, filter_x(input_row, x_record));
      }
    }
    barrier();
    uint end = min(min(start + push.y_taps, chunk_row + ROWS), push.in_rows - (top - push.in_top));
    for (uint row = max(start, chunk_row); row < end; row++) {
      vec4 weights = FETCH_TABLE(table, y_record + 1u + row - start);
      PIXEL pixel = recall((row - chunk_row) * RESAMPLE_TILE_WIDTH + gl_LocalInvocationID.x);
      for (uint r = 0u; r < RESAMPLE_BLOCK; r++) sums[r] += weights[r] * pixel;
    }
    barrier();
  }
  if (x >= push.x_outputs || block >= push.y_blocks) return;
  uint at = push.out_base + x * push.out_x + (block - push.block_first) * RESAMPLE_BLOCK * push.out_y;
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) {
    if (block * RESAMPLE_BLOCK + r < push.y_outputs) target[at + r * push.out_y] = pack_filtered(sums[r]);
  }
}
