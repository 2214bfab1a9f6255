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

// Rounded to the nearest step. Alpha 0 means colour 0; colour is divided by the alpha before clamping, so that
// what overshoots together stays in proportion.
uint pack_target(PIXEL pixel) {
#ifdef ALPHA
  uint alpha = uint(clamp(floor(pixel.a + 0.5), 0.0, 255.0));
  if (alpha == 0u) return 0u;
  uvec3 colour = uvec3(clamp(floor(pixel.rgb * (255.0 / pixel.a) + 0.5), 0.0, 255.0));
#else
  uint alpha = 255u;
  uvec3 colour = uvec3(clamp(floor(pixel + 0.5), 0.0, 255.0));
#endif
  return colour.r | (colour.g << 8) | (colour.b << 16) | (alpha << 24);
}
