#include "metadata/exif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libexif/exif-data.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "exif_scan.h"

enum {
  TYPE_ASCII = 2,
  TAG_MAKER_NOTE = 0x927c,
  TAG_USER_COMMENT = 0x9286,
  TAG_XP_TITLE = 0x9c9b,
  TAG_XP_SUBJECT = 0x9c9f,
  TAG_NOBODY = 0xfe,  // twice that byte is in no table of libexif
};

static const uint8_t exif_mark[6] = {'E', 'x', 'i', 'f', 0, 0};

static struct base_span without_mark(struct base_span exif) {
  bool has_mark = exif.bytes >= sizeof exif_mark && memcmp(exif.data, exif_mark, sizeof exif_mark) == 0;
  return has_mark ? base_span_slice(exif, sizeof exif_mark, exif.bytes) : exif;
}

// Maker notes lose their tag, so that libexif does not parse them: a dozen undocumented formats that nobody here reads.
static void blank_maker_note(void *block, const struct metadata_exif_entry *entry) {
  if (entry->tag == TAG_MAKER_NOTE) memset((uint8_t *)block + entry->at, TAG_NOBODY, 2);
}

// NULL when it can not be read. Unreferenced by the caller.
static ExifData *load(struct base_span exif) {
  exif = without_mark(exif);
  if (exif.bytes == 0 || exif.bytes > METADATA_MAX_EXIF_BYTES) return NULL;
  // libexif wants the mark in front even where the container (PNG, WebP, HEIC) leaves it out.
  size_t bytes = sizeof exif_mark + exif.bytes;
  uint8_t *marked = malloc(bytes);
  ExifData *data = NULL;
  if (!marked) return NULL;
  memcpy(marked, exif_mark, sizeof exif_mark);
  memcpy(marked + sizeof exif_mark, exif.data, exif.bytes);
  uint8_t *block = marked + sizeof exif_mark;
  if (metadata_exif_scan(base_span_of(block, exif.bytes), blank_maker_note, block)) data = exif_data_new();
  if (data) {
    // As it lies there: nothing corrected, nothing left out. A new ExifData has no log, so nothing is printed.
    exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_unset_option(data, EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS);
    exif_data_load_data(data, marked, (unsigned)bytes);
  }
  free(marked);
  return data;
}

// 0 when the tag is not there or is no number.
static uint32_t number_of(ExifData *data, ExifIfd ifd, ExifTag tag) {
  ExifEntry *entry = exif_content_get_entry(data->ifd[ifd], tag);
  if (!entry || !entry->data || entry->components < 1) return 0;
  ExifByteOrder order = exif_data_get_byte_order(data);
  if (entry->format == EXIF_FORMAT_SHORT && entry->size >= 2) return exif_get_short(entry->data, order);
  if (entry->format == EXIF_FORMAT_LONG && entry->size >= 4) return exif_get_long(entry->data, order);
  return 0;
}

// Empty when the tag is not there or is no text; without the NULs and spaces that cameras fill it up with.
static struct base_span text_of(ExifData *data, ExifIfd ifd, ExifTag tag) {
  ExifEntry *entry = exif_content_get_entry(data->ifd[ifd], tag);
  if (!entry || !entry->data || entry->format != EXIF_FORMAT_ASCII) return base_span_of(NULL, 0);
  size_t bytes = strnlen((const char *)entry->data, entry->size);
  while (bytes > 0 && entry->data[bytes - 1] == ' ') bytes--;
  return base_span_of(entry->data, bytes);
}

static uint32_t orientation_of(ExifData *data) { return number_of(data, EXIF_IFD_0, EXIF_TAG_ORIENTATION); }

uint8_t metadata_exif_orientation(struct base_span exif) {
  ExifData *data = load(exif);
  if (!data) return METADATA_UPRIGHT;
  uint32_t value = orientation_of(data);
  exif_data_unref(data);
  return value >= 1 && value <= 8 ? (uint8_t)value : METADATA_UPRIGHT;
}

// Cameras with an unset clock write blanks or zeros.
bool metadata_exif_is_time(struct base_span text) {
  static const char pattern[] = "0000:00:00 00:00:00";
  if (text.bytes != sizeof pattern - 1) return false;
  bool is_set = false;
  for (size_t i = 0; i < text.bytes; i++) {
    bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
    if (is_digit != (pattern[i] == '0') || (!is_digit && text.data[i] != (uint8_t)pattern[i])) return false;
    is_set = is_set || (is_digit && text.data[i] != '0');
  }
  return is_set;
}

static void read_time(ExifData *data, char out[20]) {
  struct base_span texts[] = {
      text_of(data, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL),
      text_of(data, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_DIGITIZED),
      text_of(data, EXIF_IFD_0, EXIF_TAG_DATE_TIME),
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (!metadata_exif_is_time(texts[i])) continue;
    base_utf8_copy_plain(texts[i], out, 20);
    return;
  }
}

// A latitude or longitude that is not all zeros: cameras without a receiver write empty ones.
static bool has_place(ExifData *data) {
  static const ExifTag tags[] = {EXIF_TAG_GPS_LATITUDE, EXIF_TAG_GPS_LONGITUDE, EXIF_TAG_GPS_DEST_LATITUDE,
                                 EXIF_TAG_GPS_DEST_LONGITUDE};
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_GPS], tags[i]);
    for (unsigned byte = 0; entry && entry->data && byte < entry->size; byte++) {
      if (entry->data[byte] != 0) return true;
    }
  }
  return false;
}

static void read_facts(ExifData *data, struct metadata_exif *out) {
  out->orientation = orientation_of(data);
  out->colour_space = (uint16_t)number_of(data, EXIF_IFD_EXIF, EXIF_TAG_COLOR_SPACE);
  out->width = number_of(data, EXIF_IFD_EXIF, EXIF_TAG_PIXEL_X_DIMENSION);
  out->height = number_of(data, EXIF_IFD_EXIF, EXIF_TAG_PIXEL_Y_DIMENSION);
  out->has_place = has_place(data);
  out->has_thumbnail = data->data && data->size > 0;
  struct base_span interoperability = text_of(data, EXIF_IFD_INTEROPERABILITY, EXIF_TAG_INTEROPERABILITY_INDEX);
  out->is_adobe_rgb = base_span_is(interoperability, "R03");
  read_time(data, out->taken);
  base_utf8_copy_plain(text_of(data, EXIF_IFD_0, EXIF_TAG_MAKE), out->maker, sizeof out->maker);
  base_utf8_copy_plain(text_of(data, EXIF_IFD_0, EXIF_TAG_MODEL), out->model, sizeof out->model);
  base_utf8_copy_plain(text_of(data, EXIF_IFD_0, EXIF_TAG_SOFTWARE), out->software, sizeof out->software);
}

bool metadata_exif_read(struct base_span exif, struct metadata_exif *out) {
  memset(out, 0, sizeof *out);
  out->bytes = (uint32_t)base_min_u64(without_mark(exif).bytes, UINT32_MAX);
  ExifData *data = load(exif);
  if (!data) return false;
  bool is_empty = true;
  for (int ifd = 0; ifd < EXIF_IFD_COUNT; ifd++) is_empty = is_empty && data->ifd[ifd]->count == 0;
  if (!is_empty) read_facts(data, out);
  exif_data_unref(data);
  return !is_empty;
}

struct text_visit {
  void (*visit)(void *argument, const char *tag, struct base_span text);
  void *argument;
  uint64_t left;  // bytes of text that are still visited: entries may share them
};

static void visit_text(void *argument, const struct metadata_exif_entry *entry) {
  struct text_visit *texts = argument;
  bool is_text = entry->type == TYPE_ASCII || entry->tag == TAG_USER_COMMENT ||
                 (entry->tag >= TAG_XP_TITLE && entry->tag <= TAG_XP_SUBJECT);
  const struct base_span text = base_span_slice(entry->value, 0, (size_t)base_min_u64(texts->left, entry->value.bytes));
  if (!is_text || text.bytes == 0) return;
  texts->left -= text.bytes;
  char number[8];
  const char *name = exif_tag_get_name((ExifTag)entry->tag);
  if (!name) snprintf(number, sizeof number, "0x%04x", entry->tag);
  texts->visit(texts->argument, name ? name : number, text);
}

void metadata_exif_texts(struct base_span exif, void (*visit)(void *argument, const char *tag, struct base_span text),
                         void *argument) {
  struct text_visit texts = {visit, argument, METADATA_MAX_EXIF_TEXTS};
  bool is_whole = metadata_exif_scan(without_mark(exif), visit_text, &texts);
  (void)is_whole;  // what was found until then has been visited
}
