// Pixels as the resampling kernels see them: loads and stores for both intermediates. Included after the extensions.
//
// Colour: sRGB samples as they are, 0..255. With ALPHA, colour is premultiplied (still 0..255) between load and store.

#ifdef STORAGE  // devices whose texel buffers are too small
#define INPUT_WORDS(name, at) layout(std430, binding = at) readonly buffer name##_buffer { uint name[]; };
#define TABLE(name, at) layout(std430, binding = at) readonly buffer name##_buffer { vec4 name[]; };
#define FETCH_WORD(name, index) name[index]
#define FETCH_TABLE(name, index) name[index]
#else
#define INPUT_WORDS(name, at) layout(binding = at) uniform usamplerBuffer name;
#define TABLE(name, at) layout(binding = at) uniform samplerBuffer name;
#define FETCH_WORD(name, index) texelFetch(name, int(index)).r
#define FETCH_TABLE(name, index) texelFetch(name, int(index))
#endif

#ifdef ALPHA
#define PIXEL vec4
#else
#define PIXEL vec3
#endif

PIXEL unpack_source(uint word) {
  vec3 colour = vec3(float(word & 255u), float((word >> 8) & 255u), float((word >> 16) & 255u));
#ifdef ALPHA
  float alpha = float(word >> 24);
  return vec4(colour * (alpha * (1.0 / 255.0)), alpha);
#else
  return colour;
#endif
}

// Between the passes an opaque pixel is three 16-bit numbers, -128 .. 554 in 1/96 steps: finer than half floats over
// the whole range, and cheap to convert on devices without hardware for halves. The widest filter leaves 0..255 by less
// than 70.
const float MIDDLE_SCALE = 96.0;
const float MIDDLE_ZERO = 128.0 * MIDDLE_SCALE;

uvec2 pack_middle(vec3 pixel) {
  uvec3 fixed_point = uvec3(pixel * MIDDLE_SCALE + (MIDDLE_ZERO + 0.5));
  return uvec2(fixed_point.r | (fixed_point.g << 16), fixed_point.b);
}

// Still scaled and shifted: filters are linear and their weights sum to 1, so that finish_middle can wait for the end.
vec3 unpack_middle(uvec2 words) { return vec3(float(words.x & 65535u), float(words.x >> 16), float(words.y)); }
vec3 finish_middle(vec3 pixel) { return (pixel - MIDDLE_ZERO) * (1.0 / MIDDLE_SCALE); }

// The target's word for a pixel that both filters were applied to, rounded to the nearest step. Alpha 0 means colour 0;
// colour is divided by the alpha before clamping, so that what overshoots together stays in proportion.
uint pack_filtered(PIXEL pixel) {
#ifdef ALPHA
  uint alpha = uint(clamp(floor(pixel.a + 0.5), 0.0, 255.0));
  if (alpha == 0u) return 0u;
  uvec3 colour = uvec3(clamp(floor(pixel.rgb * (255.0 / pixel.a) + 0.5), 0.0, 255.0));
#else
  uint alpha = 255u;
  uvec3 colour = uvec3(clamp(floor(finish_middle(pixel) + 0.5), 0.0, 255.0));
#endif
  return colour.r | (colour.g << 8) | (colour.b << 16) | (alpha << 24);
}
