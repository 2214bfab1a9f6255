#include "metadata.h"

#include <stdlib.h>
#include <string.h>

#include <libexif/exif-data.h>

// An orientation stands near the front; larger blocks carry previews that nobody needs here.
enum { MAX_EXIF_BYTES = 1 << 20 };

static const uint8_t exif_mark[6] = {'E', 'x', 'i', 'f', 0, 0};

static enum image_orientation orientation_of(ExifData *data) {
  ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->components < 1 || entry->size < 2) return IMAGE_UPRIGHT;
  ExifShort value = exif_get_short(entry->data, exif_data_get_byte_order(data));
  if (value < IMAGE_UPRIGHT || value > IMAGE_ROTATE_270) return IMAGE_UPRIGHT;
  return (enum image_orientation)value;
}

enum image_orientation codec_exif_orientation(struct base_span exif) {
  enum image_orientation orientation = IMAGE_UPRIGHT;
  bool has_mark = exif.bytes >= sizeof exif_mark && memcmp(exif.data, exif_mark, sizeof exif_mark) == 0;
  if (has_mark) exif = base_span_slice(exif, sizeof exif_mark, exif.bytes);
  if (exif.bytes == 0 || exif.bytes > MAX_EXIF_BYTES) return IMAGE_UPRIGHT;

  // libexif wants the mark in front even where the container (PNG, WebP) leaves it out.
  size_t bytes = sizeof exif_mark + exif.bytes;
  uint8_t *marked = malloc(bytes);
  ExifData *data = exif_data_new();
  if (!marked || !data) goto out;
  memcpy(marked, exif_mark, sizeof exif_mark);
  memcpy(marked + sizeof exif_mark, exif.data, exif.bytes);
  exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_load_data(data, marked, (unsigned)bytes);
  orientation = orientation_of(data);
out:
  if (data) exif_data_unref(data);
  free(marked);
  return orientation;
}
