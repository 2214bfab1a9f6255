// Levels: a picture box-shrunk by 2, 4 and 8, from which smaller variants are made without the full-size source.
//
// A sample of a level is the mean of its box of source samples, rounded to nearest; boxes over the right and bottom
// edge take mirrored samples. Levels are made from the full-size picture, never from each other's rounded samples, so
// that a level is the same whichever others were made. Of RGBA8 with alpha the means are of premultiplied colour;
// where alpha comes out as 0, so does colour.
#ifndef IMAGE_LEVELS_H
#define IMAGE_LEVELS_H

#include "image/image.h"

enum { IMAGE_LEVELS = 3, IMAGE_MAX_SHRINK = 8 };

// Shrink of level 0, 1, 2.
static inline unsigned image_level_shrink(unsigned level) { return 2u << level; }

// Makes the wanted levels in one sweep over `source` (any format; the levels have the same, with sides rounded up).
// wanted[i]: level i is made; out[i] is NULL otherwise and after a failure. Levels are new images of the caller.
enum base_result image_make_levels(const struct image *source, const bool wanted[IMAGE_LEVELS],
                                   struct image *out[IMAGE_LEVELS]) BASE_CHECKED;

#endif
