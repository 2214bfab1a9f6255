// One pass of the separable resampler on RGBA8: filters along one axis and leaves the other as it is.
//
// The first pass (FIRST) filters source columns along y: lanes are source columns, the input RGBA8 words. The second
// filters along x: lanes are output rows, the input the first pass's result, which was stored transposed, so that both
// passes read neighbouring lanes from neighbouring addresses. Where an output goes (out_lane, out_step) carries the
// transposition of the picture's orientation; its flips are in the order of the table.
//
// Table: for every block of 4 outputs one texel with the first sample's number, then one texel a sample with its
// weights for the 4 outputs; push.taps of them, an even number. Edges are mirrored by the table alone: it names no
// sample outside the picture.
//
// Between the passes pixels are 16-bit fixed point (opaque) or, with ALPHA, premultiplied floats.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "resample_push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool IS_LINEAR = false;

#include "resample_access.glsl"
#include "resample_pixel.glsl"

layout(push_constant) uniform Push { resample_pass_push push; };

TABLE(table, 2)

#ifdef FIRST
INPUT_WORDS(source, 0)
PIXEL load(uint index) { return unpack_source(FETCH_WORD(source, index)); }
#elif defined(ALPHA)
TABLE(source, 0)
PIXEL load(uint index) { return FETCH_TABLE(source, index); }
#else
INPUT_PAIRS(source, 0)
PIXEL load(uint index) { return unpack_middle(FETCH_PAIR(source, index)); }
#endif

#ifndef FIRST
layout(std430, binding = 1) writeonly buffer target_buffer { uint target[]; };
void store(uint index, PIXEL pixel) { target[index] = pack_filtered(pixel); }
#elif defined(ALPHA)
layout(std430, binding = 1) writeonly buffer target_buffer { vec4 target[]; };
void store(uint index, PIXEL pixel) { target[index] = pixel; }
#else
layout(std430, binding = 1) writeonly buffer target_buffer { uvec2 target[]; };
void store(uint index, PIXEL pixel) { target[index] = pack_middle(pixel); }
#endif

void main() {
  uint lane = gl_GlobalInvocationID.x;
  if (lane >= push.lanes) return;
  uint block = push.block_first + gl_WorkGroupID.y;
  uint record = push.table_first + block * (push.taps + 1u);
  uint start = uint(FETCH_TABLE(table, record).x);
  uint row = push.in_base + (start - push.in_start) * push.in_pitch;
  PIXEL sums[RESAMPLE_BLOCK];
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) sums[r] = PIXEL(0.0);
  for (uint k = 0u; k < push.taps; k += 2u) {
    // Two samples a turn: the turns of a loop are dear, and on Mesa's software device counted. In the picture's last
    // turn the second may lie beyond the end; its weights are 0 then.
    uint next_row = min(row + push.in_pitch, push.in_last);
    vec4 weights = FETCH_TABLE(table, record + 1u + k);
    vec4 next_weights = FETCH_TABLE(table, record + 2u + k);
    PIXEL pixel = load(row + lane);
    PIXEL next_pixel = load(next_row + lane);
    for (uint r = 0u; r < RESAMPLE_BLOCK; r++) sums[r] += weights[r] * pixel;
    for (uint r = 0u; r < RESAMPLE_BLOCK; r++) sums[r] += next_weights[r] * next_pixel;
    row = next_row + push.in_pitch;
  }
  uint at = push.out_base + lane * push.out_lane + gl_WorkGroupID.y * push.out_block;
#ifdef FIRST
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) store(at + r * push.out_step, sums[r]);
#else
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) {
    if (block * RESAMPLE_BLOCK + r < push.outputs) store(at + r * push.out_step, sums[r]);
  }
#endif
}
