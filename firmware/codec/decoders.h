// The decoders, one a library or format family, and what they share.
#ifndef CODEC_DECODERS_H
#define CODEC_DECODERS_H

#include "codec/codec.h"

extern const struct codec_decoder codec_jpeg_decoder;
extern const struct codec_decoder codec_png_decoder;
extern const struct codec_decoder codec_webp_decoder;
extern const struct codec_decoder codec_gif_decoder;
extern const struct codec_decoder codec_avif_decoder;
extern const struct codec_decoder codec_heic_decoder;
extern const struct codec_decoder codec_tiff_decoder;
extern const struct codec_decoder codec_bmp_decoder;
extern const struct codec_decoder codec_psd_decoder;
extern const struct codec_decoder codec_pnm_decoder;
extern const struct codec_decoder codec_tga_decoder;

// The plan of decoders that only deliver RGBA8.
enum base_result codec_plan_rgba(struct base_span file, const struct image_header *header, struct codec_picture *out,
                                 struct base_fault *fault);

// 16 bits to 8, rounded to nearest.
static inline uint8_t codec_narrow(uint16_t value) { return (uint8_t)((value * 255u + 32767u) / 65535u); }

// Sets every alpha byte of `width` pixels to 255.
static inline void codec_make_row_opaque(uint8_t *rgba, uint32_t width) {
  for (uint32_t x = 0; x < width; x++) rgba[(size_t)x * 4 + 3] = 255;
}

#endif
