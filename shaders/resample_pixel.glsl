// Pixels as the resampling kernels see them: loads and stores for both intermediates. Included after
// resample_access.glsl.
//
// Colour: sRGB samples as they are, 0..255, or (IS_LINEAR) linear light, 0..1. With ALPHA, colour is premultiplied
// between load and store, alpha 0..255. Linear light needs the floats of ALPHA.

#ifdef ALPHA
#define PIXEL vec4
#else
#define PIXEL vec3
#endif

#ifdef ALPHA
// The transfer function of IEC 61966-2-1 and its inverse.
vec3 to_linear(vec3 colour) {
  vec3 encoded = colour * (1.0 / 255.0);
  vec3 power = pow((encoded + 0.055) * (1.0 / 1.055), vec3(2.4));
  return mix(encoded * (1.0 / 12.92), power, greaterThan(encoded, vec3(0.04045)));
}

vec3 to_srgb(vec3 linear) {
  vec3 positive = max(linear, vec3(0.0));
  vec3 power = 1.055 * pow(positive, vec3(1.0 / 2.4)) - 0.055;
  return 255.0 * mix(positive * 12.92, power, greaterThan(positive, vec3(0.0031308)));
}
#endif

PIXEL unpack_source(uint word) {
  vec4 bytes = unpack_bytes(word);
#ifdef ALPHA
  vec3 colour = IS_LINEAR ? to_linear(bytes.rgb) : bytes.rgb;
  return vec4(colour * (bytes.a * (1.0 / 255.0)), bytes.a);
#else
  return bytes.rgb;
#endif
}

#ifndef ALPHA
uvec2 pack_middle(vec3 pixel) {
  return uvec2(pack_middle_pair(pixel.r, pixel.g),
               uint(int(pixel.b * RESAMPLE_MIDDLE_SCALE + (RESAMPLE_MIDDLE_ZERO + 0.5))));
}
vec3 unpack_middle(uvec2 words) { return vec3(unpack_middle_pair(words.x), float(int(words.y))); }
#endif

// The target's word for a pixel that both filters were applied to. Alpha 0 means colour 0; colour is divided by the
// alpha before clamping, so that what overshoots together stays in proportion.
uint pack_filtered(PIXEL pixel) {
#ifdef ALPHA
  if (!(pixel.a >= 0.5)) return 0u;
  vec3 colour = pixel.rgb * (255.0 / pixel.a);
  if (IS_LINEAR) colour = to_srgb(colour);
  return pack_bytes(round_bytes(vec4(colour, pixel.a)));
#else
  vec3 colour = (pixel - RESAMPLE_MIDDLE_ZERO) * (1.0 / RESAMPLE_MIDDLE_SCALE);
  return pack_bytes(round_bytes(vec4(colour, 255.0)));
#endif
}
