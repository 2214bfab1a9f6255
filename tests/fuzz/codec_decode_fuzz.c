// Decoding of small pictures of every format, shrunk where the format can.
#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct image_limits limits = {.max_file_bytes = 1 << 20, .max_pixels = 1 << 14, .max_side = 1 << 12};
  const struct codec_decoder *decoder;
  struct image_header header;
  struct image *image;
  struct base_span file = base_span_of(data, bytes);
  if (codec_inspect(file, &limits, &decoder, &header, NULL) != BASE_OK) return 0;
  unsigned shrink = header.can_shrink ? 1u << (bytes & 3) : 1;
  enum base_result created = image_create(image_shrunk_side(header.width, shrink),
                                          image_shrunk_side(header.height, shrink), header.has_alpha, &image);
  BASE_ASSERT(created == BASE_OK);
  enum base_result result = decoder->decode(file, &header, shrink, image, NULL);
  BASE_ASSERT(result == BASE_OK || result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED ||
              result == BASE_NO_MEMORY);
  image_unref(&image);
  return 0;
}
