// What AVIF and HEIC share: a picture as coded planes (libavif's avifImage, whichever library decoded it), the
// properties that turn and crop it, and the way from the planes to what is delivered.
#ifndef CODEC_CODED_H
#define CODEC_CODED_H

#include <avif/avif.h>

#include "codec/codec.h"

struct coded_rect {
  uint32_t x, y, width, height;
};

// Of an `irot` property, in degrees counter-clockwise; of an `imir` property, `swaps_sides`: left and right change
// places, else top and bottom (ISO/IEC 23008-12, 6.5.10 and 6.5.12).
enum image_orientation codec_coded_rotation(int degrees);
enum image_orientation codec_coded_mirror(bool swaps_sides);
// What a `clap` property leaves of a picture (ISO/IEC 14496-12, 12.1.4): width, height, horizontal and vertical offset,
// each numerator and denominator; rounded to whole pixels. False when it does not lie inside.
bool codec_coded_crop(const int32_t clap[8], uint32_t width, uint32_t height, struct coded_rect *out);

// The colour model that the header states.
enum image_colour codec_coded_colour(const avifImage *image);
// What `image`, whose planes need not be there yet, becomes when `crop` of it is delivered: its planes where they are
// 8 bits of BT.601 in sRGB's colours, without alpha and not cropped; RGBA8 otherwise.
struct codec_picture codec_coded_plan(const avifImage *image, const struct coded_rect *crop, bool has_alpha);
// Fills `out`, which was planned so. Colours by the ICC profile or else the code points; alpha straight; 8 bits.
// BASE_UNSUPPORTED for a matrix that libavif does not know, BASE_NO_MEMORY.
enum base_result codec_coded_deliver(const avifImage *image, const struct coded_rect *crop, struct image *out,
                                     const char *subject, struct base_fault *fault);

#endif
