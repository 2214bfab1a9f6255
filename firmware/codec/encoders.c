#include "encoders.h"

static const struct codec_encoder *const encoders[CODEC_OUTPUT_COUNT] = {
    [CODEC_WEBP] = &codec_webp_encoder,
    [CODEC_JPEG] = &codec_jpeg_encoder,
    [CODEC_PNG] = &codec_png_encoder,
    [CODEC_AVIF] = &codec_avif_encoder,
};

const struct codec_encoder *codec_encoder_for(enum codec_output output) {
  BASE_ASSERT((unsigned)output < CODEC_OUTPUT_COUNT);
  return encoders[output];
}

enum base_result codec_check_quality(const struct codec_encode_options *options, struct base_fault *fault) {
  if (options->quality >= 1 && options->quality <= 100) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "q", "q must be 1..100");
}

enum base_result codec_check_side(const struct codec_encoder *encoder, const struct image *image,
                                  struct base_fault *fault) {
  if (image->width <= encoder->max_side && image->height <= encoder->max_side) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size", "%s holds at most %u pixels a side", encoder->name,
                   encoder->max_side);
}

bool codec_is_420(const struct image *image, enum image_range range) {
  const struct image_yuv *yuv = &image->yuv;
  return image->format == IMAGE_YUV && yuv->range == range && yuv->chroma_x == 2 && yuv->chroma_y == 2 && !yuv->is_grey;
}
