// Codecs: one interface, one file a library, two visible tables (decoders run only in the sandboxed `decoder`
// program; encoders in pixpopd).
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include "base/span.h"
#include "image/header.h"
#include "image/image.h"
#include "image/limits.h"

// What a decoder makes of a file: a picture of the header's size, in the kind that costs the least to get.
struct codec_picture {
  enum image_format format;
  struct image_yuv yuv;  // IMAGE_YUV
};

// A decoder reads a whole file that lies in memory. Every pointer is borrowed.
struct codec_decoder {
  enum image_file_format format;
  // True when the content begins like this format; looks at bytes, never at names.
  bool (*matches)(struct base_span file);
  // Reads the header only: no pixel is decoded, nothing of the picture's size is allocated. Orientation and ICC
  // presence included. BASE_UNPROCESSABLE for a damaged header.
  enum base_result (*inspect)(struct base_span file, struct image_header *out, struct base_fault *fault);
  // Says what decode will deliver; `header` is what inspect said. JPEG, AVIF and HEIC of 8 bits without alpha whose
  // colours need no conversion (BT.601 of sRGB) come as the planes that are in them, JPEG always in full range;
  // everything else as RGBA8.
  enum base_result (*plan)(struct base_span file, const struct image_header *header, struct codec_picture *out,
                           struct base_fault *fault);
  // Decodes to sRGB; orientation is NOT applied (AVIF's and HEIC's crop is: the header has the size that is left).
  // Converts ICC profiles, code points of ITU-T H.273 (PQ and HLG too), CMYK, palettes and more than 8 bits. The first
  // frame, page or the primary picture. A file that ends early or is damaged is BASE_UNPROCESSABLE. The caller has
  // created `out` as planned.
  enum base_result (*decode)(struct base_span file, const struct image_header *header, struct image *out,
                             struct base_fault *fault);
};

// The decoder whose `matches` says yes, or NULL.
const struct codec_decoder *codec_decoder_for(struct base_span file);
// Finds the decoder, reads the header, checks every limit (max_file_bytes too). BASE_UNSUPPORTED for content no decoder
// knows and for kinds of a known format that are not read (compressed BMP, CMYK PSD, TIFF of floats). `*decoder` is
// NULL on failure.
enum base_result codec_inspect(struct base_span file, const struct image_limits *limits,
                               const struct codec_decoder **decoder, struct image_header *out,
                               struct base_fault *fault) BASE_CHECKED;

enum codec_output { CODEC_WEBP, CODEC_JPEG, CODEC_PNG, CODEC_AVIF, CODEC_OUTPUT_COUNT };

struct codec_encode_options {
  int quality;     // 1..100
  bool lossless;   // WebP, AVIF; PNG always is; JPEG refuses it (BASE_BAD_INPUT)
  bool sharp_yuv;  // WebP lossy: slower, sharper chroma
  int effort;      // 0..6 for WebP, default 4; PNG's zlib level follows it
  int avif_speed;  // 1..10, 10 is fastest; 0: the default, 8
};

struct codec_encoder {
  enum codec_output output;
  const char *name;        // "webp"
  const char *media_type;  // "image/webp"
  bool keeps_alpha;
  bool has_lossless;
  uint32_t max_side;
  // Appends the file to `out`, which is as before on failure; no metadata is written. BASE_TOO_LARGE and
  // BASE_NO_MEMORY from the buffer, BASE_UNPROCESSABLE over max_side, BASE_BAD_INPUT for options out of range.
  // `image` is sRGB RGBA8 (flattened for JPEG) or, for lossy WebP without sharp_yuv, YUV 4:2:0 of limited range, for
  // lossy AVIF and for JPEG YUV 4:2:0 of full range, JPEG's without alpha (all asserted). Planes go to the library
  // where they lie; WebP's with alpha must be the caller's alone (asserted) and are spent: they are flattened in place
  // where nothing is visible. The same q looks about the same in WebP and AVIF.
  enum base_result (*encode)(const struct image *image, const struct codec_encode_options *options,
                             struct base_buffer *out, struct base_fault *fault);
};

const struct codec_encoder *codec_encoder_for(enum codec_output output);

#endif
