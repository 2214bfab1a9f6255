// What a TIFF directory says of its picture, against the data that is there.
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "exif.h"
#include "tiff_parts.h"

enum {
  COMPRESSION_NONE = 1,
  COMPRESSION_OLD_JPEG = 6,
  MIN_IS_WHITE = 0,
  MIN_IS_BLACK = 1,
  RGB = 2,
  PALETTE = 3,
  MASK = 4,
  SEPARATED = 5,
  YCBCR = 6,
  CIELAB = 8,
  ICCLAB = 9,
  ITULAB = 10,
  FILTER_ARRAY = 32803,
  LINEAR_RAW = 34892,
  EXTRA_UNSPECIFIED = 0,
  MAX_FINDINGS = 4,  // a file can have a million strips
};

static void damaged(struct tiff *tiff, const char *place, const char *text) {
  image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, place, "%s", text);
}

static bool is_known_compression(uint32_t compression) {
  static const uint16_t known[] = {1,     2,     3,     4,     5,     6,     7,     8,     9,     10,
                                   32766, 32771, 32773, 32809, 32946, 34661, 34676, 34677, 34712, 34887,
                                   34892, 34925, 34926, 34927, 50000, 50001, 50002, 52546};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (known[i] == compression) return true;
  }
  return false;
}

static uint64_t divide_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

// How many strips or tiles the picture has; 0 when that is not said.
static uint64_t pieces_of(const struct tiff_picture *picture) {
  uint64_t planes = picture->planar == 2 ? picture->samples : 1;
  if (picture->tile_width && picture->tile_height) {
    return divide_up(picture->width, picture->tile_width) * divide_up(picture->height, picture->tile_height) * planes;
  }
  if (picture->rows_per_strip == 0 || picture->rows_per_strip >= picture->height) return planes;
  return divide_up(picture->height, picture->rows_per_strip) * planes;
}

// Plain rows have a size that is known beforehand; subsampled ones less.
static void check_plain_bytes(struct tiff *tiff, const struct tiff_picture *picture, uint64_t bytes,
                              const char *place) {
  uint64_t row_bits, rows = picture->height;
  if (picture->compression != COMPRESSION_NONE || picture->photometric == YCBCR || picture->tile_width) return;
  if (__builtin_mul_overflow((uint64_t)picture->width * picture->bits, picture->samples, &row_bits)) return;
  if (__builtin_mul_overflow(divide_up(row_bits, 8), rows, &rows) || bytes >= rows) return;
  image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, place,
                    "its %u x %u pixels need %" PRIu64 " bytes, there are %" PRIu64, picture->width, picture->height,
                    rows, bytes);
}

void inspect_tiff_data(struct tiff *tiff, const struct tiff_picture *picture, const char *place) {
  if (picture->jpeg_bytes > 0 && !inspect_tiff_reach(tiff, picture->jpeg_offset, picture->jpeg_bytes, true, place)) {
    return;
  }
  if (picture->compression == COMPRESSION_OLD_JPEG) tiff->is_partial = true;  // its tables lie wherever they like
  if (!picture->is_there) return;
  if (!is_known_compression(picture->compression)) {
    image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, place, "compression %u is not known",
                      picture->compression);
  }
  const struct tiff_values *offsets = &picture->offsets, *counts = &picture->counts;
  if (offsets->count == 0) {
    if (picture->jpeg_bytes == 0) damaged(tiff, place, "it does not say where its pixels are");
    return;
  }
  if (counts->count != offsets->count) {
    tiff->is_partial = true;
    damaged(tiff, place, "as many places as sizes of strips or tiles are needed");
  }
  if (offsets->count < pieces_of(picture)) damaged(tiff, place, "it has fewer strips or tiles than it needs");
  uint64_t bytes = 0;
  unsigned outside = 0;
  for (uint64_t i = 0; i < offsets->count && i < counts->count && outside < MAX_FINDINGS; i++) {
    uint64_t piece = inspect_tiff_value(tiff, counts, i);
    if (!inspect_next_part(tiff->walk, 0)) return;
    if (!inspect_tiff_reach(tiff, inspect_tiff_value(tiff, offsets, i), piece, true, place)) {
      outside++;
      continue;
    }
    bytes += piece;
  }
  if (outside == 0 && counts->count == offsets->count) check_plain_bytes(tiff, picture, bytes, place);
}

static enum image_colour colour_of(const struct tiff_picture *picture, uint8_t *channels) {
  switch (picture->photometric) {
    case MIN_IS_WHITE:
    case MIN_IS_BLACK:
    case MASK:
      *channels = 1;
      return IMAGE_COLOUR_GREY;
    case PALETTE:
      *channels = 1;
      return IMAGE_COLOUR_PALETTE;
    case SEPARATED:
      *channels = 4;
      return IMAGE_COLOUR_CMYK;
    default:
      *channels = 3;
      return IMAGE_COLOUR_RGB;
  }
}

static void read_colours(struct tiff *tiff, const struct tiff_picture *picture) {
  struct inspect_walk *walk = tiff->walk;
  if (picture->photometric == SEPARATED) inspect_colour_says(walk, IMAGE_SPACE_CMYK, IMAGE_SPACE_FROM_MARKER);
  if (picture->photometric == CIELAB || picture->photometric == ICCLAB || picture->photometric == ITULAB) {
    inspect_colour_says(walk, IMAGE_SPACE_LAB, IMAGE_SPACE_FROM_MARKER);
  }
  if (tiff->profile.bytes > 0) {
    inspect_profile(walk, tiff->profile, inspect_offset(walk, tiff->profile), "IFD/34675");
  }
  if (picture->photometric == UINT32_MAX && picture->is_there)
    damaged(tiff, "IFD", "it does not say how to read its pixels");
}

// Raw photographs are TIFF files as well; what a reader of pictures finds in them is a preview.
static void check_raw(struct tiff *tiff) {
  struct base_span file = tiff->walk->file;
  const uint32_t photometric = tiff->first.photometric;
  const char *kind = NULL;
  if (tiff->is_raw) {
    kind = "DNG";
  } else if (file.bytes > 10 && memcmp(file.data + 8, "CR", 2) == 0) {
    kind = "CR2";
  } else if (photometric == FILTER_ARRAY || photometric == LINEAR_RAW) {
    kind = "of a sensor's own colours";
  }
  if (!kind) return;
  image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "IFD",
                    "a raw photograph (%s): only its first picture, often a preview, can be used", kind);
}

static bool has_facts(const struct tiff *tiff) {
  const struct metadata_exif *exif = &tiff->exif;
  return tiff->has_exif || exif->orientation || exif->maker[0] || exif->model[0] || exif->taken[0];
}

void inspect_tiff_picture(struct tiff *tiff) {
  struct inspect_walk *walk = tiff->walk;
  const struct tiff_picture *picture = &tiff->first;
  uint8_t channels = 0;
  enum image_colour colour = colour_of(picture, &channels);
  if (!picture->is_there || picture->width == 0 || picture->height == 0) {
    damaged(tiff, "IFD", "its first directory has no picture");
  }
  walk->report->has_alpha = picture->extra_samples > 0 && picture->extra_kind != EXTRA_UNSPECIFIED;
  channels = (uint8_t)(channels + (walk->report->has_alpha ? 1 : 0));
  uint8_t bits = picture->bits <= 64 ? (uint8_t)picture->bits : 64;
  inspect_picture(walk, picture->width, picture->height, bits, channels, colour);
  read_colours(tiff, picture);
  check_raw(tiff);
  if (has_facts(tiff)) inspect_exif_facts(walk, &tiff->exif, base_span_slice(walk->file, 0, 0), "IFD");
  inspect_frames(walk, tiff->frames);
}
