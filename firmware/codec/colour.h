// Colours to sRGB: ICC profiles through lcms2 (its only home), code points of ITU-T H.273, and CMYK without a profile.
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

// Colour primaries and transfer characteristics as AVIF and HEIC state them (ITU-T H.273, tables 2 and 3).
struct colour_cicp {
  uint16_t primaries, transfer;
};

// A conversion from these code points to sRGB; NULL when there is nothing to do: sRGB, what is unspecified or unknown,
// and no memory. The curves of cameras (BT.601, BT.709, BT.2020) count as sRGB's, as viewers have it for still
// pictures. PQ and HLG: diffuse white (203 cd/m2, ITU-R BT.2408) becomes white, what is brighter is cut off. Layouts:
// RGBA only.
struct colour_conversion *codec_colour_create_cicp(struct colour_cicp cicp, enum colour_layout layout);
// True when 8 bits would show steps before the conversion: PQ, HLG and linear light.
bool codec_colour_cicp_wants_16_bits(struct colour_cicp cicp);
void codec_colour_destroy(struct colour_conversion **conversion);
// Writes R, G and B of `width` pixels; alpha bytes are left alone. `in` may be `rgba` for COLOUR_RGBA8.
void codec_colour_row(const struct colour_conversion *conversion, const void *in, uint8_t *rgba, uint32_t width);

// The plain formula, R = (1 - C)(1 - K), for CMYK without a usable profile; writes alpha 255.
void codec_cmyk_row(const uint8_t *cmyk, bool is_reversed, uint8_t *rgba, uint32_t width);

#endif
