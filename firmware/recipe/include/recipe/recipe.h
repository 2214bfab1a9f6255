// The recipe: what to do to an original, its canonical text and its key.
//
// URL grammars in `pop` make recipes; `render` follows them. Pure values: copy freely, compare by text.
#ifndef RECIPE_RECIPE_H
#define RECIPE_RECIPE_H

#include "image/geometry.h"
#include "image/header.h"
#include "integrity/digest.h"

enum recipe_format {
  RECIPE_FORMAT_AUTO,
  RECIPE_FORMAT_WEBP,
  RECIPE_FORMAT_AVIF,
  RECIPE_FORMAT_JPEG,
  RECIPE_FORMAT_PNG
};
enum recipe_filter { RECIPE_FILTER_BICUBIC, RECIPE_FILTER_MITCHELL, RECIPE_FILTER_LANCZOS3 };

enum {
  RECIPE_DEFAULT_QUALITY = 80,
  RECIPE_DPR_MIN_MILLI = 500,
  RECIPE_DPR_MAX_MILLI = 4000,
  RECIPE_FOCUS_UNIT = 10000,  // focus coordinates are ten-thousandths
  RECIPE_TEXT_BYTES = 256,    // canonical text with terminator
  RECIPE_MAX_PAD = 4096,
  RECIPE_RENDER_VERSION = 3,  // raised whenever the same recipe gives other pixels
};

// Exact values only (integers), so that equal recipes have equal text. Start from RECIPE_DEFAULT.
struct recipe {
  uint32_t width, height;  // 0: not given
  uint32_t dpr_milli;      // 0: not given (1000)
  enum image_fit fit;
  uint16_t focus_x, focus_y;  // of RECIPE_FOCUS_UNIT; centre 5000
  bool has_crop;
  uint32_t crop_x, crop_y, crop_width, crop_height;
  enum image_orientation turn;  // rot, then flip, composed
  enum recipe_format format;
  // The format is our choice: the original's own file may be the answer, whatever its format, where it is smaller.
  bool or_own;
  uint8_t quality;  // 0: not given (80)
  bool lossless;
  enum recipe_filter filter;
  uint8_t background[3];
  bool grey;                                          // colours are dropped
  uint16_t pad_top, pad_right, pad_bottom, pad_left;  // CSS pixels of background around the result, times dpr
};

#define RECIPE_DEFAULT                      \
  ((struct recipe){.fit = IMAGE_FIT_INSIDE, \
                   .focus_x = 5000,         \
                   .focus_y = 5000,         \
                   .turn = IMAGE_UPRIGHT,   \
                   .background = {255, 255, 255}})

// The geometry part in image terms.
void recipe_to_wish(const struct recipe *recipe, struct image_wish *out);
// Where the pixels come from and go to: image_layout_plan for this recipe of this original, with its errors.
enum base_result recipe_plan(const struct recipe *recipe, const struct image_header *original, struct image_layout *out,
                             struct base_fault *fault) BASE_CHECKED;

// True when size, dpr, format and quality are all explicit: what the URL gives can never change.
bool recipe_is_pinned(const struct recipe *recipe);

// Makes everything explicit: quality 80, `format` for AUTO, and the size. What has no effect goes back to one spelling,
// so that recipes that must give the same bytes share one text:
// - sizes are those of the result in physical pixels (dpr 1), with the simplest fit that gives the same layout:
//   `inside` with one side, `fill` with one side or both, else the wanted fit; w=400&dpr=2 and w=800 are one recipe, so
//   are all boxes that `inside` does not fill. What no URL can say so (a side over IMAGE_MAX_BOX_SIDE that the other
//   does not bring along, pads over RECIPE_MAX_PAD) keeps its dpr, and so does what recipe_plan refuses;
// - the focus unless cover cuts something off along its axis, the background unless padding or flattening can happen,
//   the quality when lossless or PNG, the crop clipped or dropped, the grey tone of an original without colours;
// - or_own, which AUTO brings, unless recipe_keeps_picture and recipe_own_format says that there is such a file.
// BASE_BAD_INPUT for a crop outside the picture and for a lossless JPEG.
enum base_result recipe_pin(const struct recipe *wanted, enum recipe_format format, const struct image_header *original,
                            struct recipe *out, struct base_fault *fault) BASE_CHECKED;

// Canonical text: options in the order of their names, "name=value" joined by '&', in the native URL grammar; defaults
// omitted except what recipe_is_pinned needs. E.g. "dpr=1&fm=webp&q=80&w=400". Parsing it as a native URL query gives
// the same recipe. Pads are "pad=top,right,bottom,left", grey is "tone=grey", or_own is "fm=webp,own"; rot and flip are
// the composed turn as "flip=h&rot=90" (rot first, then flip).
void recipe_text(const struct recipe *recipe, char out[RECIPE_TEXT_BYTES]);

// SHA-256 over domain, render version, the tenant and its salt (may be empty), the renderer's profile (see
// recipe/order.h), original and the recipe's text.
void recipe_key(const struct recipe *pinned, const char *tenant, const char *salt,
                const struct integrity_digest *original, const char *profile, struct integrity_digest *out);

// The format of the original's own file where browsers show that rightly as it is, without its metadata: upright 8-bit
// JPEG (not CMYK), PNG and WebP. AUTO for every other original.
enum recipe_format recipe_own_format(const struct image_header *original);
// True when only the encoding changes: the whole picture, upright, at its own size, with its colours.
bool recipe_keeps_picture(const struct recipe *recipe, const struct image_header *original);

const char *recipe_format_name(enum recipe_format format);  // "webp"
const char *recipe_filter_name(enum recipe_filter filter);  // "lanczos3"
const char *recipe_fit_name(enum image_fit fit);            // "cover"

#endif
