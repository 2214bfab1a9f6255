// How the resampling kernels read their buffers. Included after the extensions.

#ifdef STORAGE  // devices whose texel buffers are too small
#define INPUT_WORDS(name, at) layout(std430, binding = at) readonly buffer name##_buffer { uint name[]; };
#define INPUT_PAIRS(name, at) layout(std430, binding = at) readonly buffer name##_buffer { uvec2 name[]; };
#define TABLE(name, at) layout(std430, binding = at) readonly buffer name##_buffer { vec4 name[]; };
#define FETCH_WORD(name, index) name[index]
#define FETCH_PAIR(name, index) name[index]
#define FETCH_TABLE(name, index) name[index]
#else
#define INPUT_WORDS(name, at) layout(binding = at) uniform usamplerBuffer name;
#define INPUT_PAIRS(name, at) layout(binding = at) uniform usamplerBuffer name;
#define TABLE(name, at) layout(binding = at) uniform samplerBuffer name;
#define FETCH_WORD(name, index) texelFetch(name, int(index)).r
#define FETCH_PAIR(name, index) texelFetch(name, int(index)).rg
#define FETCH_TABLE(name, index) texelFetch(name, int(index))
#endif

// The four bytes of a word. Signed on the way: devices convert signed integers at least as fast as unsigned ones.
vec4 unpack_bytes(uint word) {
  return vec4(ivec4(int(word & 255u), int((word >> 8) & 255u), int((word >> 16) & 255u), int(word >> 24)));
}

// Rounded to the nearest step and clamped.
uvec4 round_bytes(vec4 values) { return uvec4(ivec4(clamp(values + 0.5, 0.0, 255.0))); }
uint pack_bytes(uvec4 bytes) { return bytes.x | (bytes.y << 8) | (bytes.z << 16) | (bytes.w << 24); }

// Two samples in the fixed point of what lies between the passes (resample_push.h).
uint pack_middle_pair(float low, float high) {
  ivec2 fixed_point = ivec2(vec2(low, high) * RESAMPLE_MIDDLE_SCALE + (RESAMPLE_MIDDLE_ZERO + 0.5));
  return uint(fixed_point.x | (fixed_point.y << 16));
}
// Still scaled and shifted: filters are linear and their weights sum to 1, so that undoing it can wait for the end.
vec2 unpack_middle_pair(uint word) { return vec2(ivec2(int(word & 65535u), int(word >> 16))); }
