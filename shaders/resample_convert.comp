// Filtered RGBA8 pixels to the planes of a YUV picture (BT.601, straight alpha).
//
// A thread makes one word, four samples, of each chroma plane and the words of Y and A over the same pixels: 4 or 8
// columns by 1 or 2 rows. A chroma sample is that of the mean colour of its block, weighted by alpha; pixels beyond the
// picture do not count.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "resample_push.h"

layout(local_size_x_id = 0) in;

#include "resample_access.glsl"

layout(push_constant) uniform Push { resample_convert_push push; };

INPUT_WORDS(source, 0)
layout(std430, binding = 1) writeonly buffer target_buffer { uint target[]; };

const vec3 LUMA = vec3(0.299, 0.587, 0.114);
const vec3 U_WEIGHTS = vec3(-0.299 / 1.772, -0.587 / 1.772, 0.5);
const vec3 V_WEIGHTS = vec3(0.5, -0.587 / 1.402, -0.114 / 1.402);

void main() {
  uint column = gl_GlobalInvocationID.x * 4u;  // of the chroma planes
  uint chroma_row = gl_WorkGroupID.y;
  if (column * push.block_x >= push.width) return;
  vec4 sums[4];  // per chroma sample: colour times alpha, and alpha
  for (uint c = 0u; c < 4u; c++) sums[c] = vec4(0.0);
  for (uint dy = 0u; dy < push.block_y; dy++) {
    uint row = chroma_row * push.block_y + dy;
    if (row >= push.height) break;
    for (uint word = 0u; word < push.block_x; word++) {
      uint left = column * push.block_x + word * 4u;
      if (left >= push.width) break;
      vec4 luma, alpha;
      for (uint i = 0u; i < 4u; i++) {
        bool is_inside = left + i < push.width;
        uint from = push.in_base + row * push.in_pitch + min(left + i, push.width - 1u);
        vec4 pixel = unpack_bytes(FETCH_WORD(source, from));
        luma[i] = dot(pixel.rgb, LUMA);
        alpha[i] = pixel.a;
        vec4 weighted = is_inside ? vec4(pixel.rgb * pixel.a, pixel.a) : vec4(0.0);
        if (push.block_x == 1u) {
          sums[i] += weighted;
        } else if (word == 0u) {
          sums[i / 2u] += weighted;
        } else {
          sums[2u + i / 2u] += weighted;
        }
      }
      uint at = left / 4u;
      target[push.y_base + row * push.y_pitch + at] = pack_bytes(round_bytes(luma * push.y_gain + push.y_bias));
      if (push.has_alpha != 0u) target[push.a_base + row * push.a_pitch + at] = pack_bytes(round_bytes(alpha));
    }
  }
  vec4 u, v;
  for (uint c = 0u; c < 4u; c++) {
    vec3 mean = sums[c].rgb / max(sums[c].a, 1.0);
    u[c] = dot(mean, U_WEIGHTS);
    v[c] = dot(mean, V_WEIGHTS);
  }
  uint at = chroma_row * push.chroma_pitch + column / 4u;
  target[push.u_base + at] = pack_bytes(round_bytes(u * push.chroma_gain + 128.0));
  target[push.v_base + at] = pack_bytes(round_bytes(v * push.chroma_gain + 128.0));
}
