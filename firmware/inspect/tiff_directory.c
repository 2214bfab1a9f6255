// One directory of a TIFF file: its entries (TIFF 6.0, section 2; EXIF 2.32, 4.6).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "photoshop.h"
#include "tiff_parts.h"

enum {
  TYPE_ASCII = 2,

  SUBFILE_TYPE = 254,
  WIDTH = 256,
  HEIGHT = 257,
  BITS = 258,
  COMPRESSION = 259,
  PHOTOMETRIC = 262,
  MAKE = 271,
  MODEL = 272,
  STRIP_OFFSETS = 273,
  ORIENTATION = 274,
  SAMPLES = 277,
  ROWS_PER_STRIP = 278,
  STRIP_COUNTS = 279,
  PLANAR = 284,
  SOFTWARE = 305,
  DATE_TIME = 306,
  TILE_WIDTH = 322,
  TILE_HEIGHT = 323,
  TILE_OFFSETS = 324,
  TILE_COUNTS = 325,
  SUB_DIRECTORIES = 330,
  EXTRA_SAMPLES = 338,
  JPEG_OFFSET = 513,
  JPEG_BYTES = 514,
  XMP = 700,
  IPTC = 33723,
  PHOTOSHOP = 34377,
  EXIF_DIRECTORY = 34665,
  PROFILE = 34675,
  GPS_DIRECTORY = 34853,
  DNG_VERSION = 50706,

  DATE_TIME_ORIGINAL = 36867,
  DATE_TIME_DIGITIZED = 36868,
  USER_COMMENT = 37510,
  XP_TITLE = 40091,
  XP_SUBJECT = 40095,
  COLOUR_SPACE = 40961,
  PIXEL_WIDTH = 40962,
  PIXEL_HEIGHT = 40963,
  INTEROPERABILITY_DIRECTORY = 40965,

  GPS_LATITUDE = 2,
  GPS_LONGITUDE = 4,
  INTEROPERABILITY_INDEX = 1,
};

struct entry {
  uint16_t tag, type;
  struct tiff_values values;
  char place[16];  // "IFD/270"
};

// Without what fills it up; the first of a long one.
static struct base_span text_of(const struct entry *entry) {
  enum { ENOUGH_BYTES = 1024 };
  struct base_span text = base_span_slice(entry->values.values, 0, ENOUGH_BYTES);
  if (text.bytes) text.bytes = strnlen((const char *)text.data, text.bytes);
  while (text.bytes > 0 && text.data[text.bytes - 1] == ' ') text.bytes--;
  return text;
}

static void keep_text(const struct entry *entry, char *out, size_t capacity) {
  if (entry->type == TYPE_ASCII && out[0] == '\0') base_utf8_copy_plain(text_of(entry), out, capacity);
}

// A text is looked at where it lies.
static void read_text(struct tiff *tiff, const struct entry *entry, const char *place) {
  struct base_span text = entry->values.values;
  if (text.bytes > 0) inspect_text(tiff->walk, text, place);
}

static void add_directories(struct tiff *tiff, const struct entry *entry, enum tiff_kind kind, unsigned depth) {
  for (uint64_t i = 0; i < entry->values.count && i < TIFF_MAX_DIRECTORIES; i++) {
    uint64_t offset = inspect_tiff_value(tiff, &entry->values, i);
    if (tiff->walk->is_spent) return;
    if (offset != 0) inspect_tiff_add(tiff, offset, kind, depth + 1);
  }
}

static uint32_t number_of(const struct tiff *tiff, const struct entry *entry) {
  return (uint32_t)base_min_u64(inspect_tiff_value(tiff, &entry->values, 0), UINT32_MAX);
}

static void read_time(struct tiff *tiff, const struct entry *entry) {
  struct base_span text = text_of(entry);
  bool is_better = entry->tag == DATE_TIME_ORIGINAL || tiff->exif.taken[0] == '\0';
  if (is_better && metadata_exif_is_time(text)) {
    base_utf8_copy_plain(text, tiff->exif.taken, sizeof tiff->exif.taken);
  }
}

static void read_profile(struct tiff *tiff, const struct entry *entry) {
  if (tiff->profile.bytes > 0) return;
  tiff->profile = entry->values.values;
}

// What describes the picture.
static void read_picture_entry(struct tiff *tiff, const struct entry *entry) {
  struct tiff_picture *picture = &tiff->now;
  const struct {
    uint16_t tag;
    uint32_t *number;
  } numbers[] = {
      {SUBFILE_TYPE, &picture->subfile},    {WIDTH, &picture->width},
      {HEIGHT, &picture->height},           {BITS, &picture->bits},
      {COMPRESSION, &picture->compression}, {PHOTOMETRIC, &picture->photometric},
      {SAMPLES, &picture->samples},         {ROWS_PER_STRIP, &picture->rows_per_strip},
      {PLANAR, &picture->planar},           {TILE_WIDTH, &picture->tile_width},
      {TILE_HEIGHT, &picture->tile_height}, {EXTRA_SAMPLES, &picture->extra_kind},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (numbers[i].tag == entry->tag) *numbers[i].number = number_of(tiff, entry);
  }
  if (entry->tag == WIDTH) picture->is_there = true;
  if (entry->tag == EXTRA_SAMPLES) picture->extra_samples = (uint32_t)base_min_u64(entry->values.count, UINT32_MAX);
  if (entry->tag == STRIP_OFFSETS || entry->tag == TILE_OFFSETS) picture->offsets = entry->values;
  if (entry->tag == STRIP_COUNTS || entry->tag == TILE_COUNTS) picture->counts = entry->values;
  if (entry->tag == JPEG_OFFSET) picture->jpeg_offset = number_of(tiff, entry);
  if (entry->tag == JPEG_BYTES) picture->jpeg_bytes = number_of(tiff, entry);
}

static void read_main_entry(struct tiff *tiff, const struct entry *entry, unsigned depth) {
  struct metadata_exif *exif = &tiff->exif;
  read_picture_entry(tiff, entry);
  switch (entry->tag) {
    case MAKE:
      keep_text(entry, exif->maker, sizeof exif->maker);
      break;
    case MODEL:
      keep_text(entry, exif->model, sizeof exif->model);
      break;
    case SOFTWARE:
      keep_text(entry, exif->software, sizeof exif->software);
      break;
    case ORIENTATION:
      if (exif->orientation == 0) exif->orientation = number_of(tiff, entry);
      break;
    case DATE_TIME:
      read_time(tiff, entry);
      break;
    case SUB_DIRECTORIES:
      add_directories(tiff, entry, TIFF_SUB, depth);
      break;
    case EXIF_DIRECTORY:
      tiff->has_exif = true;
      add_directories(tiff, entry, TIFF_EXIF, depth);
      break;
    case GPS_DIRECTORY:
      tiff->has_exif = true;
      add_directories(tiff, entry, TIFF_GPS, depth);
      break;
    case XMP:
      tiff->walk->report->has_xmp = true;
      read_text(tiff, entry, "XMP");
      break;
    case IPTC:
      read_text(tiff, entry, "IPTC");
      break;
    case PHOTOSHOP: {
      struct inspect_photoshop state = {0};
      if (entry->values.values.bytes == 0) break;
      inspect_photoshop(tiff->walk, &state, entry->values.values, entry->place);
      inspect_photoshop_conclude(tiff->walk, &state, entry->place);
      break;
    }
    case PROFILE:
      read_profile(tiff, entry);
      break;
    case DNG_VERSION:
      tiff->is_raw = true;
      break;
    default:
      break;
  }
}

static void read_exif_entry(struct tiff *tiff, const struct entry *entry, unsigned depth) {
  struct metadata_exif *exif = &tiff->exif;
  switch (entry->tag) {
    case DATE_TIME_ORIGINAL:
    case DATE_TIME_DIGITIZED:
      read_time(tiff, entry);
      break;
    case COLOUR_SPACE:
      exif->colour_space = (uint16_t)number_of(tiff, entry);
      break;
    case PIXEL_WIDTH:
      exif->width = number_of(tiff, entry);
      break;
    case PIXEL_HEIGHT:
      exif->height = number_of(tiff, entry);
      break;
    case INTEROPERABILITY_DIRECTORY:
      add_directories(tiff, entry, TIFF_INTEROPERABILITY, depth);
      break;
    default:
      break;
  }
}

static void read_entry(struct tiff *tiff, const struct tiff_pending *pending, const struct entry *entry) {
  bool is_text =
      entry->type == TYPE_ASCII || entry->tag == USER_COMMENT || (entry->tag >= XP_TITLE && entry->tag <= XP_SUBJECT);
  if (is_text && pending->kind != TIFF_GPS) read_text(tiff, entry, entry->place);
  switch (pending->kind) {
    case TIFF_MAIN:
    case TIFF_SUB:
      read_main_entry(tiff, entry, pending->depth);
      break;
    case TIFF_EXIF:
      read_exif_entry(tiff, entry, pending->depth);
      break;
    case TIFF_GPS:
      if ((entry->tag == GPS_LATITUDE || entry->tag == GPS_LONGITUDE) && entry->values.values.bytes > 0) {
        tiff->exif.has_place = tiff->exif.has_place || !inspect_is_zeros(base_span_slice(entry->values.values, 0, 24));
      }
      break;
    case TIFF_INTEROPERABILITY:
      if (entry->tag == INTEROPERABILITY_INDEX) tiff->exif.is_adobe_rgb = base_span_is(text_of(entry), "R03");
      break;
  }
}

// False with a finding when its values lie outside of the file.
static bool parse_entry(struct tiff *tiff, const uint8_t *at, struct entry *out) {
  static const uint8_t widths[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
  const unsigned number = tiff->is_big ? 8 : 4;
  memset(out, 0, sizeof *out);
  out->tag = (uint16_t)inspect_tiff_number(tiff, at, 2);
  out->type = (uint16_t)inspect_tiff_number(tiff, at + 2, 2);
  snprintf(out->place, sizeof out->place, "IFD/%u", out->tag);
  uint64_t count = inspect_tiff_number(tiff, at + 4, number), bytes;
  unsigned width = out->type < sizeof widths ? widths[out->type] : 0;
  if (width == 0) return true;  // readers pass over types that they do not know (TIFF 6.0, section 2)
  const uint8_t *value = at + 4 + number;
  if (__builtin_mul_overflow(count, width, &bytes)) bytes = UINT64_MAX;
  if (bytes > number) {
    uint64_t offset = inspect_tiff_number(tiff, value, number);
    if (!inspect_tiff_reach(tiff, offset, bytes, false, out->place)) return false;
    value = tiff->walk->file.data + offset;
  }
  out->values = (struct tiff_values){.values = base_span_of(value, bytes), .count = count, .width = width};
  return true;
}

// Readers take a tag's first entry (the specification has no second one), and so does this.
static bool is_first_of_tag(struct tiff *tiff, const struct entry *entry, uint64_t at) {
  uint8_t *seen = &tiff->tags_seen[entry->tag / 8], bit = (uint8_t)(1u << entry->tag % 8);
  const bool is_first = !(*seen & bit);
  *seen |= bit;
  if (!is_first) {
    image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, at, 0, entry->place,
                      "a directory has more than one entry of this tag");
  }
  return is_first;
}

static void conclude_picture(struct tiff *tiff, const struct tiff_pending *pending) {
  struct tiff_picture *picture = &tiff->now;
  const bool is_first = tiff->next_pending == 0, is_reduced = picture->subfile & 1, is_mask = picture->subfile & 4;
  if (is_first) tiff->first = *picture;
  if (pending->kind == TIFF_MAIN && (is_first || (picture->is_there && !is_reduced && !is_mask))) tiff->frames++;
  if (!is_first && (is_reduced || picture->jpeg_bytes > 0)) tiff->walk->report->has_thumbnail = true;
  inspect_tiff_data(tiff, picture, pending->kind == TIFF_MAIN ? "IFD" : "SubIFD");
}

void inspect_tiff_directory(struct tiff *tiff, const struct tiff_pending *pending) {
  struct inspect_walk *walk = tiff->walk;
  const unsigned number = tiff->is_big ? 8 : 4, count_bytes = tiff->is_big ? 8 : 2, entry_bytes = 4 + 2 * number;
  if (!inspect_next_part(walk, pending->offset)) return;
  if (!inspect_has(walk->file, pending->offset, count_bytes)) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, pending->offset, 0, "IFD",
                      "a directory lies outside of the file");
    return;
  }
  uint64_t entries = inspect_tiff_number(tiff, walk->file.data + pending->offset, count_bytes);
  uint64_t at = pending->offset + count_bytes, room = (walk->file.bytes - at) / entry_bytes;
  if (entries > room) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, pending->offset, 0, "IFD",
                      "a directory says that it has %" PRIu64 " entries, there is room for %" PRIu64, entries, room);
    entries = room;
  }
  if (!inspect_tiff_reach(tiff, pending->offset, count_bytes + entries * entry_bytes, false, "IFD")) return;
  tiff->now = (struct tiff_picture){.bits = 1, .compression = 1, .samples = 1, .planar = 1, .photometric = UINT32_MAX};
  memset(tiff->tags_seen, 0, sizeof tiff->tags_seen);
  for (uint64_t i = 0; i < entries; i++, at += entry_bytes) {
    struct entry entry;
    if (!inspect_next_part(walk, at)) return;
    const bool is_inside = parse_entry(tiff, walk->file.data + at, &entry);
    if (is_first_of_tag(tiff, &entry, at) && is_inside) read_entry(tiff, pending, &entry);
  }
  if (pending->kind <= TIFF_SUB) conclude_picture(tiff, pending);
  if (!inspect_has(walk->file, at, number)) {
    if (pending->kind == TIFF_MAIN) {
      image_report_find(walk->report, IMAGE_RULE_STRUCTURE, pending->offset, 0, "IFD", "a directory does not end");
    }
    return;
  }
  bool is_reached = inspect_tiff_reach(tiff, at, number, false, "IFD");
  uint64_t next = inspect_tiff_number(tiff, walk->file.data + at, number);
  if (is_reached && next != 0 && pending->kind == TIFF_MAIN) inspect_tiff_add(tiff, next, TIFF_MAIN, 1);
}
