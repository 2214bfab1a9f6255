// ISO base media files (ISO/IEC 14496-12) with pictures in them (HEIF, ISO/IEC 23008-12; AVIF): boxes and items.
#ifndef INSPECT_BMFF_H
#define INSPECT_BMFF_H

#include "cover.h"

#define BMFF_CODE(text) \
  ((uint32_t)(text)[0] << 24 | (uint32_t)(text)[1] << 16 | (uint32_t)(text)[2] << 8 | (uint32_t)(text)[3])

// What is held of one file; the tables below are all the memory that its boxes can take.
enum {
  BMFF_MAX_ITEMS = 2048,  // a 200 megapixel phone picture has some 500
  BMFF_MAX_EXTENTS = 8192,
  BMFF_MAX_PROPERTIES = 4096,
  BMFF_MAX_LINKS = 16384,  // between items and properties
  BMFF_MAX_REFERENCES = 16384,
  BMFF_MAX_REGIONS = 64,  // media data boxes
};

struct bmff_box {
  uint32_t type;
  uint64_t offset, bytes;  // in the file, with its head
  struct base_span body;
};

// Big-endian numbers one after the other. Behind the end they are 0 and is_cut is set.
struct bmff_cursor {
  struct base_span rest;
  bool is_cut;
};
uint64_t inspect_bmff_take(struct bmff_cursor *cursor, unsigned bytes);

struct bmff_item {
  uint32_t id, type;
  bool is_hidden;
  bool is_xmp;  // type 'mime' with XMP's media type
  bool is_elsewhere;
  uint32_t first_extent, extents;
};
struct bmff_link {
  uint32_t item;      // its ID
  uint32_t property;  // from 1
};
struct bmff_reference {
  uint32_t type, from, to;  // item IDs
};

struct bmff {
  struct inspect_walk *walk;
  bool is_partial;  // a table was full: what is in none of them may nevertheless be reached
  bool has_meta, has_movie;
  uint32_t primary;  // 0: none
  uint32_t samples;  // of the track that has the most
  uint64_t sample_bytes;
  struct bmff_box idat, iinf, iloc, iref, iprp;  // type 0: not there
  uint32_t region_count, item_count, extent_count, property_count, link_count, reference_count;
  struct inspect_extent regions[BMFF_MAX_REGIONS];
  struct bmff_item items[BMFF_MAX_ITEMS];
  struct inspect_extent extents[BMFF_MAX_EXTENTS];
  struct bmff_box properties[BMFF_MAX_PROPERTIES];
  struct bmff_link links[BMFF_MAX_LINKS];
  struct bmff_reference references[BMFF_MAX_REFERENCES];
};

// --- bmff.c ---
// Takes the next box off `rest`; false at its end, and with a finding when the box can not be.
bool inspect_bmff_next(struct bmff *bmff, struct base_span *rest, struct bmff_box *out, const char *place) BASE_CHECKED;
// Cuts version and flags off a full box; false with a finding when they are missing.
bool inspect_bmff_full(struct bmff *bmff, struct bmff_box *box, uint8_t *version, uint32_t *flags,
                       const char *place) BASE_CHECKED;
void inspect_bmff_damaged(struct bmff *bmff, const struct bmff_box *box, const char *place, const char *format, ...)
    BASE_PRINTF(4, 5);
// A table is full.
void inspect_bmff_too_many(struct bmff *bmff, const struct bmff_box *box, const char *place, int limit);

// --- bmff_items.c: the children of 'meta' into the tables ---
void inspect_bmff_items(struct bmff *bmff);
// A picture that is coded in itself, not made of others.
bool inspect_bmff_is_coded(uint32_t type);
// NULL when there is none, or when the file has cost too much already.
struct bmff_item *inspect_bmff_item(struct bmff *bmff, uint32_t id);

// --- bmff_picture.c: what the tables say ---
// Facts of the primary item, its colours, EXIF and XMP; whether derived pictures fit together; frames.
void inspect_bmff_picture(struct bmff *bmff);

// --- bmff_cover.c ---
// Whether every extent lies in media data, none half over another, and no media data is out of reach.
void inspect_bmff_cover(struct bmff *bmff);

#endif
