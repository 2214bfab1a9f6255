// ICC profiles to sRGB through lcms2 (its only home), and CMYK without a profile.
#ifndef CODEC_COLOUR_H
#define CODEC_COLOUR_H

#include <stdbool.h>

#include "base/span.h"
#include "image/header.h"

// How the pixels lie that a conversion reads. Grey pictures come as RGBA with three equal channels.
enum colour_layout {
  COLOUR_RGBA8,
  COLOUR_RGBA16,     // host byte order
  COLOUR_CMYK8,      // 255 is full ink
  COLOUR_CMYK8_REV,  // 0 is full ink, as Adobe writes JPEG
};

struct colour_conversion;

// A conversion from `profile` to sRGB: relative colorimetric with black point compensation. NULL when there is
// nothing to do: no profile, sRGB itself, a profile for another kind of picture, or one that can not be used.
struct colour_conversion *codec_colour_create(struct base_span profile, enum colour_layout layout);
void codec_colour_destroy(struct colour_conversion **conversion);
// Writes R, G and B of `width` pixels; alpha bytes are left alone. `in` may be `rgba` for COLOUR_RGBA8.
void codec_colour_row(const struct colour_conversion *conversion, const void *in, uint8_t *rgba, uint32_t width);

// The plain formula, R = (1 - C)(1 - K), for CMYK without a usable profile; writes alpha 255.
void codec_cmyk_row(const uint8_t *cmyk, bool is_reversed, uint8_t *rgba, uint32_t width);

#endif
