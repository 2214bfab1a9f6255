// Header inspection of every format: whatever it accepts must keep its own promises.
#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  const struct codec_decoder *decoder;
  struct image_header header;
  struct base_fault fault = {0};
  enum base_result result = codec_inspect(base_span_of(data, bytes), &limits, &decoder, &header, &fault);
  BASE_ASSERT(result == BASE_OK || result == BASE_UNSUPPORTED || result == BASE_UNPROCESSABLE);
  if (result != BASE_OK) {
    BASE_ASSERT(!decoder && fault.text[0] != '\0');
    return 0;
  }
  BASE_ASSERT(decoder && decoder->format == header.format);
  BASE_ASSERT(header.width > 0 && header.height > 0 && header.bits >= 1 && header.bits <= 16);
  BASE_ASSERT(header.orientation >= IMAGE_UPRIGHT && header.orientation <= IMAGE_ROTATE_270);
  return 0;
}
