// A TIFF in memory as libtiff (its only home) reads its first directory: what it holds and how it is laid out.
#ifndef CODEC_TIFF_FILE_H
#define CODEC_TIFF_FILE_H

#include <tiffio.h>

#include "codec/codec.h"

// How samples become colours.
enum tiff_kind {
  TIFF_KIND_GREY,     // TIFF_IS_INVERTED: 0 is white
  TIFF_KIND_PALETTE,  //
  TIFF_KIND_RGB,      // also YCbCr in JPEG, which libtiff converts
  TIFF_KIND_CMYK,     //
  TIFF_KIND_LIBRARY,  // YCbCr otherwise and L*a*b*: libtiff makes RGBA of it, strip by strip or tile by tile
};

struct tiff_file {
  struct base_span file;
  size_t position;
  TIFF *tiff;
  char error[200];  // the first error of libtiff, or a warning that means lost pixels
  uint32_t width, height;
  enum tiff_kind kind;
  bool is_inverted;
  uint16_t bits, samples;   // of a pixel; `samples` with the extra ones
  uint16_t colour_samples;  // without
  int alpha;                // index of the sample that is alpha, -1: none
  bool is_associated;       // colours are multiplied with it
  bool is_separate;         // a plane for each sample
  bool is_tiled;
  uint32_t tile_width, tile_height;
  uint32_t strip_rows;
  enum image_orientation orientation;
  struct base_span profile;  // libtiff's memory
  uint16_t *palette[3];      // libtiff's memory, 1 << bits entries
};

// Reads the first directory and refuses what is not read: BASE_UNSUPPORTED for sample formats, photometric kinds and
// compressions, BASE_UNPROCESSABLE for damage. Finish it in every case.
enum base_result codec_tiff_open(struct tiff_file *out, struct base_span file, struct base_fault *fault) BASE_CHECKED;
void codec_tiff_finish(struct tiff_file *file);
// BASE_UNPROCESSABLE with what libtiff said, or `otherwise`.
enum base_result codec_tiff_damaged(const struct tiff_file *file, const char *otherwise, struct base_fault *fault);

#endif
