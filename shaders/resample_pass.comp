// One pass of the separable resampler: filters along one axis and leaves the other as it is.
//
// The first pass (FIRST) filters source columns along y: lanes are source columns, the input RGBA8 words. The second
// filters along x: lanes are output rows, the input the first pass's result, which was stored transposed, so that both
// passes read neighbouring lanes from neighbouring addresses. Where an output goes (out_lane, out_step) carries the
// transposition of the picture's orientation; its flips are in the order of the table.
//
// Table: for every block of 4 outputs one texel with the first sample's number, then one texel a sample with its
// weights for the 4 outputs. Edges are mirrored by the table alone: it names no sample outside the picture.
//
// Between the passes pixels are half floats (opaque) or, with ALPHA, premultiplied floats.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "resample_push.h"
#include "resample_pixel.glsl"

layout(local_size_x_id = 0) in;

layout(push_constant) uniform Push { resample_pass_push push; };

TABLE(table, 2)

#ifdef FIRST
INPUT_WORDS(source, 0)
PIXEL load(uint index) { return unpack_source(FETCH_WORD(source, index)); }
#elif defined(ALPHA)
TABLE(source, 0)
PIXEL load(uint index) { return FETCH_TABLE(source, index); }
#elif defined(STORAGE)
layout(std430, binding = 0) readonly buffer source_buffer { uvec2 source[]; };
PIXEL load(uint index) { return vec3(unpackHalf2x16(source[index].x), unpackHalf2x16(source[index].y).x); }
#else
layout(binding = 0) uniform samplerBuffer source;
PIXEL load(uint index) { return texelFetch(source, int(index)).rgb; }
#endif

#ifndef FIRST
layout(std430, binding = 1) writeonly buffer target_buffer { uint target[]; };
void store(uint index, PIXEL pixel) { target[index] = pack_target(pixel); }
#elif defined(ALPHA)
layout(std430, binding = 1) writeonly buffer target_buffer { vec4 target[]; };
void store(uint index, PIXEL pixel) { target[index] = pixel; }
#else
layout(std430, binding = 1) writeonly buffer target_buffer { uvec2 target[]; };
void store(uint index, PIXEL pixel) {
  target[index] = uvec2(packHalf2x16(pixel.rg), packHalf2x16(vec2(pixel.b, 0.0)));
}
#endif

void main() {
  uint lane = gl_GlobalInvocationID.x;
  if (lane >= push.lanes) return;
  uint record = push.table_first + (push.block_first + gl_WorkGroupID.y) * (push.taps + 1u);
  uint start = uint(FETCH_TABLE(table, record).x);
  uint index = (start - push.in_start) * push.in_pitch + lane;
  PIXEL sum0 = PIXEL(0.0), sum1 = PIXEL(0.0), sum2 = PIXEL(0.0), sum3 = PIXEL(0.0);
  for (uint k = 0u; k < push.taps; k++) {
    vec4 weights = FETCH_TABLE(table, record + 1u + k);
    PIXEL pixel = load(index);
    index += push.in_pitch;
    sum0 += weights.x * pixel;
    sum1 += weights.y * pixel;
    sum2 += weights.z * pixel;
    sum3 += weights.w * pixel;
  }
  uint at = push.out_base + lane * push.out_lane + gl_WorkGroupID.y * RESAMPLE_BLOCK * push.out_step;
  store(at, sum0);
  store(at + push.out_step, sum1);
  store(at + 2u * push.out_step, sum2);
  store(at + 3u * push.out_step, sum3);
}
