#include "decoders.h"

#include <stddef.h>

// In the order they are asked: formats with a strong signature first, TGA (which has none) last.
static const struct codec_decoder *const decoders[] = {
    &codec_jpeg_decoder, &codec_png_decoder,  &codec_webp_decoder, &codec_gif_decoder,
    &codec_avif_decoder, &codec_heic_decoder, &codec_tiff_decoder, &codec_psd_decoder,
    &codec_bmp_decoder,  &codec_pnm_decoder,  &codec_tga_decoder,
};

const struct codec_decoder *codec_decoder_for(struct base_span file) {
  for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
    if (decoders[i]->matches(file)) return decoders[i];
  }
  return NULL;
}

enum base_result codec_inspect(struct base_span file, const struct image_limits *limits,
                               const struct codec_decoder **decoder, struct image_header *out,
                               struct base_fault *fault) {
  *decoder = NULL;
  *out = (struct image_header){0};
  if (file.bytes > limits->max_file_bytes) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_file_bytes",
                     "the file has %zu bytes; at most %llu are accepted (max_file_bytes)", file.bytes,
                     (unsigned long long)limits->max_file_bytes);
  }
  const struct codec_decoder *found = codec_decoder_for(file);
  if (!found) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "format",
                     "the content is none of JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF, BMP, TGA, PSD and PNM");
  }
  enum base_result result = found->inspect(file, out, fault);
  if (result == BASE_OK) result = image_header_check(out, limits, fault);
  if (result == BASE_OK) *decoder = found;
  return result;
}

enum base_result codec_plan_rgba(struct base_span file, const struct image_header *header, struct codec_picture *out,
                                 struct base_fault *fault) {
  (void)file, (void)header, (void)fault;
  *out = (struct codec_picture){.format = IMAGE_RGBA8};
  return BASE_OK;
}
