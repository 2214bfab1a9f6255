// From the colours that two code points of ITU-T H.273 describe to sRGB: curve, matrix, curve.
#ifndef CODEC_CICP_H
#define CODEC_CICP_H

#include "colour.h"

struct cicp_conversion;

bool codec_cicp_differs_from_srgb(struct colour_cicp cicp);
// NULL without memory. `is_wide`: reads 16 bits a channel in host order instead of 8.
struct cicp_conversion *codec_cicp_create(struct colour_cicp cicp, bool is_wide);
void codec_cicp_destroy(struct cicp_conversion **conversion);
// R, G and B of `width` RGBA pixels; alpha bytes are left alone. `in` may be `rgba` when it is not wide.
void codec_cicp_row(const struct cicp_conversion *conversion, const void *in, uint8_t *rgba, uint32_t width);

#endif
