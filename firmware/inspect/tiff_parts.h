// TIFF 6.0 and BigTIFF: directories of entries, and the picture that the first of them describes.
#ifndef INSPECT_TIFF_PARTS_H
#define INSPECT_TIFF_PARTS_H

#include "cover.h"
#include "metadata/exif.h"

enum {
  TIFF_MAX_DIRECTORIES = 4096,
  TIFF_MAX_EXTENTS_BYTES = 4 << 20,  // of the table that says what is reached
};

enum tiff_kind { TIFF_MAIN, TIFF_SUB, TIFF_EXIF, TIFF_GPS, TIFF_INTEROPERABILITY };

// Where the numbers of an entry lie. No bytes: it is not there.
struct tiff_values {
  struct base_span values;
  uint64_t count;
  unsigned width;  // bytes a number
};

// What describes a picture. Numbers that are not there are 0, or the default of the specification.
struct tiff_picture {
  bool is_there;
  uint32_t width, height, bits, samples, compression, photometric, planar, rows_per_strip, tile_width, tile_height;
  uint32_t extra_samples, extra_kind, subfile;
  struct tiff_values offsets, counts;  // of strips or tiles
  uint64_t jpeg_offset, jpeg_bytes;    // a thumbnail, or old-style JPEG
};

struct tiff_pending {
  uint64_t offset;
  enum tiff_kind kind;
  unsigned depth;
};

struct tiff {
  struct inspect_walk *walk;
  bool is_little, is_big;
  bool is_raw;                 // says of itself that it comes straight from a sensor
  bool is_partial;             // bytes may be reached that are not among the extents
  struct base_buffer extents;  // struct inspect_extent
  uint64_t end;                // of the last byte that anything reaches
  uint32_t pending_count, next_pending, frames;
  struct tiff_pending pending[TIFF_MAX_DIRECTORIES];
  struct tiff_picture first, now;  // of the first directory; of the one that is being read
  struct metadata_exif exif;
  bool has_exif;
  uint8_t tags_seen[65536 / 8];  // a bit each, of the directory that is being read
  struct base_span profile;
};

// --- tiff.c ---
uint64_t inspect_tiff_number(const struct tiff *tiff, const uint8_t *at, unsigned bytes);
uint64_t inspect_tiff_value(const struct tiff *tiff, const struct tiff_values *values, uint64_t index);
// Notes what a part reaches. False with a finding when it lies outside of the file.
bool inspect_tiff_reach(struct tiff *tiff, uint64_t offset, uint64_t bytes, bool is_data,
                        const char *place) BASE_CHECKED;
// Adds a directory to those that are to be read; one that is known already is a circle.
void inspect_tiff_add(struct tiff *tiff, uint64_t offset, enum tiff_kind kind, unsigned depth);

// --- tiff_directory.c ---
void inspect_tiff_directory(struct tiff *tiff, const struct tiff_pending *pending);

// --- tiff_picture.c ---
// Notes the picture's data and checks it against its size.
void inspect_tiff_data(struct tiff *tiff, const struct tiff_picture *picture, const char *place);
// Facts of the file out of its first directory.
void inspect_tiff_picture(struct tiff *tiff);

#endif
