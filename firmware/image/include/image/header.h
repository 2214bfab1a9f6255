// What a file says about itself before it is decoded.
#ifndef IMAGE_HEADER_H
#define IMAGE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "image/geometry.h"

enum image_file_format {
  IMAGE_FILE_UNKNOWN,
  IMAGE_FILE_JPEG,
  IMAGE_FILE_PNG,
  IMAGE_FILE_WEBP,
  IMAGE_FILE_GIF,
  IMAGE_FILE_BMP,
  IMAGE_FILE_TGA,
  IMAGE_FILE_PSD,
  IMAGE_FILE_PNM,
  IMAGE_FILE_TIFF,
  IMAGE_FILE_HEIC,
  IMAGE_FILE_AVIF,
  IMAGE_FILE_FORMAT_COUNT
};

// Short lower-case name ("jpeg") and media type ("image/jpeg"); for UNKNOWN "unknown" and "application/octet-stream".
const char *image_file_format_name(enum image_file_format format);
const char *image_file_format_media_type(enum image_file_format format);
// The inverse of the name; UNKNOWN when there is none.
enum image_file_format image_file_format_parse(const char *name);

enum image_colour { IMAGE_COLOUR_GREY, IMAGE_COLOUR_RGB, IMAGE_COLOUR_CMYK, IMAGE_COLOUR_PALETTE };
const char *image_colour_name(enum image_colour colour);

struct image_header {
  enum image_file_format format;
  uint32_t width, height;  // as stored, before orientation
  // Of what has to be decoded for it, where a crop leaves less (AVIF, HEIC); 0: the same. Limits hold for both.
  uint32_t coded_width, coded_height;
  enum image_orientation orientation;
  enum image_colour colour;
  uint8_t bits;  // a channel
  bool has_alpha;
  bool has_icc;
};

// BASE_UNPROCESSABLE naming the limit in the subject: "max_side", "max_pixels", or "min_side" for a side of zero.
enum base_result image_header_check(const struct image_header *header, const struct image_limits *limits,
                                    struct base_fault *fault) BASE_CHECKED;

// Side of a picture shrunk by 1, 2, 4 or 8: rounded up, as levels are.
static inline uint32_t image_shrunk_side(uint32_t side, unsigned shrink) { return (side + shrink - 1) / shrink; }

#endif
