// One pass of the separable resampler on a plane of 8-bit samples; tables, passes and edges as in resample_pass.comp.
//
// The first pass (FIRST) reads pairs of words, eight neighbouring columns: a lane is such a pair. It stores one pair of
// words a column and block: the block's 4 outputs, rows from now on, in 16-bit fixed point. In the second pass a lane
// is such a group of 4 rows; it makes 4 outputs along x of each and stores words of four neighbouring samples of the
// target: of one row or (push.swaps) of one output. Gain and bias undo the fixed point and change the range.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "resample_push.h"

layout(local_size_x_id = 0) in;

#include "resample_access.glsl"

layout(push_constant) uniform Push { resample_pass_push push; };

TABLE(table, 2)

// Words of a lane: what a fetch of weights serves, and how many sums fit the registers, weigh against each other.
#ifdef FIRST
const uint GROUPS = 2u;
#else
const uint GROUPS = 1u;
#endif

INPUT_PAIRS(source, 0)

#ifdef FIRST
void load(uint index, out vec4 samples[GROUPS]) {
  uvec2 words = FETCH_PAIR(source, index);
  samples[0] = unpack_bytes(words.x);
  samples[1] = unpack_bytes(words.y);
}
layout(std430, binding = 1) writeonly buffer target_buffer { uvec2 target[]; };
#else
void load(uint index, out vec4 samples[GROUPS]) {
  uvec2 words = FETCH_PAIR(source, index);
  samples[0] = vec4(unpack_middle_pair(words.x), unpack_middle_pair(words.y));
}
layout(std430, binding = 1) writeonly buffer target_buffer { uint target[]; };
#endif

// Sums of output r of the block, for a group of four columns or rows.
struct group {
  vec4 sums[RESAMPLE_BLOCK];
};

#ifdef FIRST
void store(uint at, group columns) {
  for (uint c = 0u; c < 4u; c++) {
    target[at + c * push.out_step] = uvec2(pack_middle_pair(columns.sums[0][c], columns.sums[1][c]),
                                           pack_middle_pair(columns.sums[2][c], columns.sums[3][c]));
  }
}
#else
void store(uint at, uint lane, uint block, group rows) {
  uvec4 samples[RESAMPLE_BLOCK];
  for (uint r = 0u; r < RESAMPLE_BLOCK; r++) samples[r] = round_bytes(rows.sums[r] * push.gain + push.bias);
  bool swaps = push.swaps != 0u;
  uint count = swaps ? push.outputs - block * RESAMPLE_BLOCK : push.lane_end - lane * 4u;
  for (uint i = 0u; i < 4u; i++) {
    uvec4 across = uvec4(samples[0][i], samples[1][i], samples[2][i], samples[3][i]);
    if (i < count) target[at + i * push.out_step] = pack_bytes(swaps ? samples[i] : across);
  }
}
#endif

// Adds one sample a column or row.
void add(inout group groups[GROUPS], uint index, vec4 weights) {
  vec4 samples[GROUPS];
  load(index, samples);
  for (uint g = 0u; g < GROUPS; g++) {
    for (uint r = 0u; r < RESAMPLE_BLOCK; r++) groups[g].sums[r] += weights[r] * samples[g];
  }
}

void main() {
  uint lane = gl_GlobalInvocationID.x;
  if (lane >= push.lanes) return;
  uint block = push.block_first + gl_WorkGroupID.y;
  uint record = push.table_first + block * (push.taps + 1u);
  uint start = uint(FETCH_TABLE(table, record).x);
  uint row = push.in_base + (start - push.in_start) * push.in_pitch;
  group groups[GROUPS];
  for (uint g = 0u; g < GROUPS; g++) {
    for (uint r = 0u; r < RESAMPLE_BLOCK; r++) groups[g].sums[r] = vec4(0.0);
  }
  for (uint k = 0u; k < push.taps; k += 2u) {
    uint next_row = min(row + push.in_pitch, push.in_last);
    add(groups, row + lane, FETCH_TABLE(table, record + 1u + k));
    add(groups, next_row + lane, FETCH_TABLE(table, record + 2u + k));
    row = next_row + push.in_pitch;
  }
  uint at = push.out_base + lane * push.out_lane + gl_WorkGroupID.y * push.out_block;
#ifdef FIRST
  for (uint g = 0u; g < GROUPS; g++) store(at + g * 4u * push.out_step, groups[g]);
#else
  store(at, lane, block, groups[0]);
#endif
}
