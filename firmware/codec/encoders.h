// The encoders, one a library, and the checks they share.
#ifndef CODEC_ENCODERS_H
#define CODEC_ENCODERS_H

#include "codec/codec.h"

enum { CODEC_MAX_EFFORT = 6 };

extern const struct codec_encoder codec_webp_encoder;
extern const struct codec_encoder codec_jpeg_encoder;
extern const struct codec_encoder codec_png_encoder;
extern const struct codec_encoder codec_avif_encoder;

// BASE_BAD_INPUT, subject "q".
enum base_result codec_check_quality(const struct codec_encode_options *options, struct base_fault *fault) BASE_CHECKED;
// BASE_UNPROCESSABLE, subject "size".
enum base_result codec_check_side(const struct codec_encoder *encoder, const struct image *image,
                                  struct base_fault *fault) BASE_CHECKED;

// Planes with chroma in blocks of 2 x 2.
bool codec_is_420(const struct image *image, enum image_range range);

#endif
