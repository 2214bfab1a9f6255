// Decoding of small pictures of every format, to what its decoder plans.
#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct image_limits limits = {.max_file_bytes = 1 << 20, .max_pixels = 1 << 14, .max_side = 1 << 12};
  const struct codec_decoder *decoder;
  struct image_header header;
  struct codec_picture picture;
  struct image *image;
  struct base_span file = base_span_of(data, bytes);
  if (codec_inspect(file, &limits, &decoder, &header, NULL) != BASE_OK) return 0;
  if (decoder->plan(file, &header, &picture, NULL) != BASE_OK) return 0;
  enum base_result created = picture.format == IMAGE_YUV
                                 ? image_create_yuv(&picture.yuv, &image)
                                 : image_create(header.width, header.height, header.has_alpha, &image);
  BASE_ASSERT(created == BASE_OK);
  enum base_result result = decoder->decode(file, &header, image, NULL);
  BASE_ASSERT(result == BASE_OK || result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED ||
              result == BASE_NO_MEMORY);
  image_unref(&image);
  return 0;
}
