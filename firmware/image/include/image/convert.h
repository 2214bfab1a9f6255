// Between RGBA8 and YUV planes on the CPU: BT.601, rounded to the nearest step.
#ifndef IMAGE_CONVERT_H
#define IMAGE_CONVERT_H

#include "image/image.h"

// Y, U and V of a colour.
void image_convert_colour(const uint8_t rgb[3], enum image_range range, uint8_t out_yuv[3]);
// YUV 4:4:4 (or grey; chroma_x = chroma_y = 1, either range) to a new RGBA8 picture of the same size.
enum base_result image_convert_to_rgba(const struct image *yuv, struct image **out) BASE_CHECKED;
// A rectangle of RGBA8 into the planes of `target` at the same place: (x, y) must be multiples of the target's chroma
// block, and the rectangle must lie in both (asserted). A chroma sample is that of the mean colour of its block's
// pixels, weighted by their alpha (128 where nothing is visible); pixels beyond the rectangle do not count. The
// target's alpha plane, if any, is filled. A target without one wants a source without alpha (asserted).
void image_convert_to_yuv(const struct image *rgba, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
                          struct image *target);

#endif
