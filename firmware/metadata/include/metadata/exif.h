// What an EXIF block says, by libexif (its only home). Runs in the decoder. `exif` with or without "Exif\0\0".
#ifndef METADATA_EXIF_H
#define METADATA_EXIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum {
  METADATA_MAX_EXIF_BYTES = 1 << 20,  // larger blocks carry previews that nobody needs here; they are not read
  METADATA_MAX_EXIF_TEXTS = 4 * METADATA_MAX_EXIF_BYTES,  // bytes that metadata_exif_texts visits, all together
  METADATA_EXIF_TEXT = 64,
  METADATA_UPRIGHT = 1,  // the first of the 8 orientations, which are numbered as everywhere
};

// The orientation alone, 1..8; METADATA_UPRIGHT when it is not said or can not be read: a picture is not refused for
// it.
uint8_t metadata_exif_orientation(struct base_span exif);

// Texts are UTF-8 without control characters, and empty when not said.
struct metadata_exif {
  uint32_t bytes;        // of the block without "Exif\0\0"
  uint32_t orientation;  // as it stands there, also when it is none of 1..8; 0: not said
  char taken[20];        // "YYYY:MM:DD hh:mm:ss"
  char maker[METADATA_EXIF_TEXT + 1], model[METADATA_EXIF_TEXT + 1], software[METADATA_EXIF_TEXT + 1];
  uint16_t colour_space;   // EXIF ColorSpace: 1 sRGB, 2 Adobe RGB (by habit), 0xffff uncalibrated; 0: not said
  bool is_adobe_rgb;       // InteroperabilityIndex "R03"
  uint32_t width, height;  // PixelXDimension, PixelYDimension; 0: not said
  bool has_place;          // a latitude or longitude; where it is is not told
  bool has_thumbnail;
};
// False when libexif can not read it; `bytes` is set nevertheless.
bool metadata_exif_read(struct base_span exif, struct metadata_exif *out) BASE_CHECKED;
// Calls `visit` with every text of the block, as it lies in `exif`: ASCII entries, UserComment, XP* titles.
// Of a larger block than is read as well; at most METADATA_MAX_EXIF_TEXTS bytes, whatever the entries share.
void metadata_exif_texts(struct base_span exif, void (*visit)(void *argument, const char *tag, struct base_span text),
                         void *argument);
// "YYYY:MM:DD hh:mm:ss" (EXIF 2.32, 4.6.5.1.5) and not all zeros.
bool metadata_exif_is_time(struct base_span text);

#endif
