// EXIF through libexif (its only home).
#ifndef CODEC_METADATA_H
#define CODEC_METADATA_H

#include "base/span.h"
#include "image/geometry.h"

// The orientation that an EXIF block states, with or without the "Exif\0\0" in front; IMAGE_UPRIGHT when it states
// none, a wrong one, or can not be read: a picture is not refused for its metadata.
enum image_orientation codec_exif_orientation(struct base_span exif);

#endif
