#include "colour.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lcms2.h>

#include "cicp.h"

// The largest real profiles (printing conditions with fine tables) have a few MiB.
enum { MAX_PROFILE_BYTES = 16 << 20 };

struct colour_conversion {
  cmsContext context;
  cmsHTRANSFORM transform;
  // Of a grey profile: R, G, B and an unused byte for each of the 256 or 65536 values. lcms itself would interpolate
  // between 33 points, which is far off in the shadows of a linear profile.
  uint8_t *grey_table;
  struct cicp_conversion *cicp;  // then there is no transform
  bool is_wide;
};

// sRGB's primaries adapted to D50 (ICC, "sRGB.icm"): X, Y, Z of red, green, blue.
static const double srgb_colorants[3][3] = {
    {0.43607, 0.22249, 0.01392},
    {0.38515, 0.71687, 0.09708},
    {0.14307, 0.06061, 0.71410},
};
static const cmsTagSignature colorant_tags[3] = {cmsSigRedColorantTag, cmsSigGreenColorantTag, cmsSigBlueColorantTag};
static const cmsTagSignature curve_tags[3] = {cmsSigRedTRCTag, cmsSigGreenTRCTag, cmsSigBlueTRCTag};

static double srgb_curve(double value) { return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4); }

static bool has_srgb_colorant(cmsHPROFILE profile, int channel) {
  const double tolerance = 0.002;
  const cmsCIEXYZ *colorant = cmsReadTag(profile, colorant_tags[channel]);
  const double *wanted = srgb_colorants[channel];
  return colorant && fabs(colorant->X - wanted[0]) < tolerance && fabs(colorant->Y - wanted[1]) < tolerance &&
         fabs(colorant->Z - wanted[2]) < tolerance;
}

static bool has_srgb_curve(cmsHPROFILE profile, int channel) {
  const double tolerance = 0.004;
  const cmsToneCurve *curve = cmsReadTag(profile, curve_tags[channel]);
  if (!curve) return false;
  for (int i = 0; i <= 16; i++) {
    double value = i / 16.0;
    if (fabs(cmsEvalToneCurveFloat(curve, (cmsFloat32Number)value) - srgb_curve(value)) > tolerance) return false;
  }
  return true;
}

// Judged by the numbers, not the name: many small "sRGB" profiles carry odd names, and names prove nothing.
static bool is_srgb(cmsHPROFILE profile) {
  if (cmsGetColorSpace(profile) != cmsSigRgbData || !cmsIsMatrixShaper(profile)) return false;
  for (int channel = 0; channel < 3; channel++) {
    if (!has_srgb_colorant(profile, channel) || !has_srgb_curve(profile, channel)) return false;
  }
  return true;
}

// How lcms shall read a pixel, or 0 when the profile is for another kind of picture.
static cmsUInt32Number input_format(enum colour_layout layout, cmsColorSpaceSignature space) {
  cmsUInt32Number bytes = layout == COLOUR_RGBA16 ? 2 : 1;
  bool is_cmyk = layout == COLOUR_CMYK8 || layout == COLOUR_CMYK8_REV;
  if (is_cmyk && space == cmsSigCmykData) return layout == COLOUR_CMYK8 ? TYPE_CMYK_8 : TYPE_CMYK_8_REV;
  if (is_cmyk) return 0;
  if (space == cmsSigRgbData) return COLORSPACE_SH(PT_RGB) | CHANNELS_SH(3) | EXTRA_SH(1) | BYTES_SH(bytes);
  if (space == cmsSigGrayData) return COLORSPACE_SH(PT_GRAY) | CHANNELS_SH(1) | BYTES_SH(bytes);
  return 0;
}

static cmsHTRANSFORM create_transform(cmsContext context, cmsHPROFILE profile, enum colour_layout layout) {
  cmsUInt32Number format = input_format(layout, cmsGetColorSpace(profile));
  cmsUInt32Number flags = cmsFLAGS_BLACKPOINTCOMPENSATION;
  // lcms goes from 16 bits to 8 through a coarse table otherwise, which is 3 steps off near black.
  if (layout == COLOUR_RGBA16) flags |= cmsFLAGS_NOOPTIMIZE;
  if (cmsGetColorSpace(profile) == cmsSigGrayData) flags |= cmsFLAGS_NOOPTIMIZE;
  cmsHPROFILE srgb = cmsCreate_sRGBProfileTHR(context);
  cmsHTRANSFORM transform = NULL;
  if (format && srgb) {
    transform = cmsCreateTransformTHR(context, profile, format, srgb, TYPE_RGBA_8, INTENT_RELATIVE_COLORIMETRIC, flags);
  }
  if (srgb) cmsCloseProfile(srgb);
  return transform;
}

// Runs every value there is through the transform, once.
static bool create_grey_table(struct colour_conversion *conversion) {
  uint32_t count = conversion->is_wide ? 1u << 16 : 1u << 8;
  conversion->grey_table = calloc(count, 4);
  if (!conversion->grey_table) return false;
  for (uint32_t value = 0; value < count; value++) {
    uint16_t wide = (uint16_t)value;
    uint8_t narrow = (uint8_t)value;
    const void *in = conversion->is_wide ? (const void *)&wide : (const void *)&narrow;
    cmsDoTransform(conversion->transform, in, conversion->grey_table + (size_t)value * 4, 1);
  }
  return true;
}

static bool conversion_open(struct colour_conversion *conversion, struct base_span bytes, enum colour_layout layout) {
  conversion->is_wide = layout == COLOUR_RGBA16;
  conversion->context = cmsCreateContext(NULL, NULL);
  if (!conversion->context) return false;
  cmsHPROFILE profile = cmsOpenProfileFromMemTHR(conversion->context, bytes.data, (cmsUInt32Number)bytes.bytes);
  if (!profile) return false;
  bool is_grey = cmsGetColorSpace(profile) == cmsSigGrayData;
  if (!is_srgb(profile)) conversion->transform = create_transform(conversion->context, profile, layout);
  cmsCloseProfile(profile);
  if (!conversion->transform) return false;
  return !is_grey || create_grey_table(conversion);
}

struct colour_conversion *codec_colour_create(struct base_span profile, enum colour_layout layout) {
  if (profile.bytes == 0 || profile.bytes > MAX_PROFILE_BYTES) return NULL;
  struct colour_conversion *conversion = calloc(1, sizeof *conversion);
  if (conversion && !conversion_open(conversion, profile, layout)) codec_colour_destroy(&conversion);
  return conversion;
}

struct colour_conversion *codec_colour_create_cicp(struct colour_cicp cicp, enum colour_layout layout) {
  BASE_ASSERT(layout == COLOUR_RGBA8 || layout == COLOUR_RGBA16);
  if (!codec_cicp_differs_from_srgb(cicp)) return NULL;
  struct colour_conversion *conversion = calloc(1, sizeof *conversion);
  if (!conversion) return NULL;
  conversion->is_wide = layout == COLOUR_RGBA16;
  conversion->cicp = codec_cicp_create(cicp, conversion->is_wide);
  if (!conversion->cicp) codec_colour_destroy(&conversion);
  return conversion;
}

void codec_colour_destroy(struct colour_conversion **conversion) {
  struct colour_conversion *gone = *conversion;
  *conversion = NULL;
  if (!gone) return;
  if (gone->transform) cmsDeleteTransform(gone->transform);
  if (gone->context) cmsDeleteContext(gone->context);
  codec_cicp_destroy(&gone->cicp);
  free(gone->grey_table);
  free(gone);
}

static void convert_grey_row(const struct colour_conversion *conversion, const void *in, uint8_t *rgba,
                             uint32_t width) {
  for (size_t x = 0; x < width; x++, rgba += 4) {
    uint16_t value = conversion->is_wide ? ((const uint16_t *)in)[x * 4] : ((const uint8_t *)in)[x * 4];
    memcpy(rgba, conversion->grey_table + (size_t)value * 4, 3);
  }
}

void codec_colour_row(const struct colour_conversion *conversion, const void *in, uint8_t *rgba, uint32_t width) {
  if (conversion->cicp) {
    codec_cicp_row(conversion->cicp, in, rgba, width);
  } else if (conversion->grey_table) {
    convert_grey_row(conversion, in, rgba, width);
  } else {
    cmsDoTransform(conversion->transform, in, rgba, width);
  }
}

static uint8_t unprinted(unsigned ink_free, unsigned black_free) {
  return (uint8_t)((ink_free * black_free + 127) / 255);
}

void codec_cmyk_row(const uint8_t *cmyk, bool is_reversed, uint8_t *rgba, uint32_t width) {
  unsigned flip = is_reversed ? 0 : 255;
  for (uint32_t x = 0; x < width; x++, cmyk += 4, rgba += 4) {
    unsigned black_free = cmyk[3] ^ flip;
    for (int channel = 0; channel < 3; channel++) rgba[channel] = unprinted(cmyk[channel] ^ flip, black_free);
    rgba[3] = 255;
  }
}
