// Geometry: orientation, fit and crop as pure arithmetic. No pixels here.
//
// Coordinates: pixel edges are integers, x to the right, y down; a picture of width w spans [0, w].
#ifndef IMAGE_GEOMETRY_H
#define IMAGE_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "image/limits.h"

// The eight EXIF orientations (Exif 2.3, tag 0x0112): how the stored picture must be turned to stand upright.
enum image_orientation {
  IMAGE_UPRIGHT = 1,
  IMAGE_FLIP_H = 2,
  IMAGE_ROTATE_180 = 3,
  IMAGE_FLIP_V = 4,
  IMAGE_TRANSPOSE = 5,
  IMAGE_ROTATE_90 = 6,  // clockwise
  IMAGE_TRANSVERSE = 7,
  IMAGE_ROTATE_270 = 8,
};

// `second` applied after `first`.
enum image_orientation image_orientation_compose(enum image_orientation first, enum image_orientation second);
enum image_orientation image_orientation_inverse(enum image_orientation orientation);
// True when width and height change places (5..8).
bool image_orientation_swaps(enum image_orientation orientation);

struct image_rect {
  double x, y, width, height;
};

// `rect` of a stored picture of stored_width x stored_height, seen after `orientation` was applied.
struct image_rect image_rect_orient(struct image_rect rect, enum image_orientation orientation, double stored_width,
                                    double stored_height);

enum image_fit { IMAGE_FIT_INSIDE, IMAGE_FIT_COVER, IMAGE_FIT_CONTAIN, IMAGE_FIT_FILL, IMAGE_FIT_OUTSIDE };

// What is wanted of an upright original. Zero width or height: not given.
struct image_wish {
  uint32_t width, height;  // target box in CSS pixels
  double dpr;              // multiplies the box; 1 when not given
  enum image_fit fit;
  double focus_x, focus_y;  // 0..1, for cover: which part survives
  bool has_crop;
  uint32_t crop_x, crop_y, crop_width, crop_height;  // upright pixels, before the fit; clipped to the picture
  enum image_orientation turn;  // rot and flip options, applied after EXIF orientation and crop, before the fit
  uint32_t pad_top, pad_right, pad_bottom, pad_left;  // CSS pixels added to what the fit gives
};

// Where the pixels come from and go to.
struct image_layout {
  struct image_rect source;              // in stored pixels of the full-size original
  enum image_orientation orientation;    // stored -> result: EXIF and turn composed
  uint32_t width, height;                // of the resampled picture, after orientation
  uint32_t canvas_width, canvas_height;  // of the result; larger than width x height only for `contain` and pads
  // Of the resampled picture on the canvas: behind the left and top pads, in the middle of what `contain` leaves,
  // rounded down to even there. Even, where chroma blocks begin, unless a pad is odd: pads are exact.
  uint32_t x, y;
};

// inside: fits the box, never larger than the (cropped) original; cover: fills the box, cropping at the focus, exact
// box size; contain: fits the box and pads to it (may upscale); fill: exact box, distorts; outside: smallest that
// covers the box (may upscale). With only one of width and height the other follows from the aspect ratio (then cover,
// contain, fill and outside all mean that size). Without both: the (cropped) original times dpr, `inside` never
// upscaling. Pads times dpr, each rounded to nearest, come around the result. Sides round to nearest, at least 1. The
// box is rounded to whole physical pixels first. The focus is meant in the turned picture. Errors: BASE_UNPROCESSABLE,
// subject "size": over IMAGE_MAX_RESULT_SIDE or IMAGE_MAX_RESULT_PIXELS, naming the limit (a given side times dpr is
// held to the side limit even when `inside` would stay below it, whatever the original); BASE_BAD_INPUT, subject
// "crop": the crop has no pixel of the picture; subjects "dpr", "pos": not a usable number.
enum base_result image_layout_plan(const struct image_wish *wish, uint32_t stored_width, uint32_t stored_height,
                                   enum image_orientation exif, struct image_layout *out,
                                   struct base_fault *fault) BASE_CHECKED;

// The largest shrink (1, 2, 4 or 8) of a level that still has at least twice the result's pixels along both axes, 1
// meaning the full-size original (pure: the same original and recipe always give the same answer).
unsigned image_layout_shrink(const struct image_layout *layout);

#endif
