// From a TIFF's samples to pixels, row by row.
#ifndef CODEC_TIFF_PIXELS_H
#define CODEC_TIFF_PIXELS_H

#include "colour.h"
#include "tiff_file.h"

// What turns samples into pixels. Two stages: samples into `channels` of four (the colours, then alpha or black), then
// channels into sRGB. Between them a picture of separate planes lies in the result's own memory.
struct tiff_pixels {
  const struct tiff_file *file;
  struct colour_conversion *conversion;
  bool is_wide;    // channels have 16 bits: only where all samples of a pixel come at once
  uint16_t *wide;  // a row of channels, with is_wide
};

// BASE_NO_MEMORY.
enum base_result codec_tiff_pixels_init(struct tiff_pixels *out, const struct tiff_file *file,
                                        struct base_fault *fault) BASE_CHECKED;
void codec_tiff_pixels_finish(struct tiff_pixels *pixels);

// `count` pixels from `samples`, where all samples of a pixel stand together, to `rgba`.
void codec_tiff_pixels_row(struct tiff_pixels *pixels, const uint8_t *samples, uint8_t *rgba, uint32_t count);
// `count` samples of plane `index` into its channel of `channels`.
void codec_tiff_pixels_plane(const struct tiff_pixels *pixels, const uint8_t *samples, unsigned index,
                             uint8_t *channels, uint32_t count);
// Channels, all there now, to pixels, in place.
void codec_tiff_pixels_finish_row(const struct tiff_pixels *pixels, uint8_t *rgba, uint32_t count);
// True when plane `index` matters.
bool codec_tiff_pixels_wants(const struct tiff_pixels *pixels, unsigned index);

#endif
