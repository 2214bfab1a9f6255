// EXIF blocks: facts by libexif, checked against the picture.
#include "exif.h"

#include <stdio.h>
#include <string.h>

enum { COLOUR_SPACE_SRGB = 1, COLOUR_SPACE_ADOBE_RGB = 2 };

struct text_visit {
  struct inspect_walk *walk;
  const char *place;
};

static void visit_text(void *argument, const char *tag, struct base_span text) {
  const struct text_visit *visit = argument;
  char place[IMAGE_FINDING_PLACE + 1];
  snprintf(place, sizeof place, "%s/%s", visit->place, tag);
  inspect_text(visit->walk, text, place);
}

static void check_colour(struct inspect_walk *walk, const struct metadata_exif *exif) {
  if (exif->is_adobe_rgb && exif->colour_space == COLOUR_SPACE_SRGB) {
    inspect_colour_says(walk, IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF);
  }
  if (exif->is_adobe_rgb || exif->colour_space == COLOUR_SPACE_ADOBE_RGB) {
    inspect_colour_says(walk, IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_EXIF);
  } else if (exif->colour_space == COLOUR_SPACE_SRGB) {
    inspect_colour_says(walk, IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF);
  }
}

// Its size is that of the upright picture or of the stored one, depending on who wrote it.
static bool is_size_right(const struct image_report *report, const struct metadata_exif *exif) {
  if (exif->width == 0 || exif->height == 0 || report->width == 0 || report->height == 0) return true;
  return (exif->width == report->width && exif->height == report->height) ||
         (exif->width == report->height && exif->height == report->width);
}

void inspect_exif_facts(struct inspect_walk *walk, const struct metadata_exif *exif, struct base_span part,
                        const char *place) {
  struct image_report *report = walk->report;
  uint64_t offset = inspect_offset(walk, part);
  struct image_report_exif *facts = &report->exif;
  *facts = (struct image_report_exif){
      .is_present = true, .is_readable = true, .has_gps = exif->has_place, .bytes = exif->bytes};
  if (exif->orientation <= IMAGE_ROTATE_270) facts->orientation = (uint8_t)exif->orientation;
  _Static_assert(sizeof facts->taken == sizeof exif->taken && sizeof facts->maker == sizeof exif->maker &&
                     sizeof facts->model == sizeof exif->model && sizeof facts->software == sizeof exif->software,
                 "texts of a block are those of a report");
  memcpy(facts->taken, exif->taken, sizeof facts->taken);
  memcpy(facts->maker, exif->maker, sizeof facts->maker);
  memcpy(facts->model, exif->model, sizeof facts->model);
  memcpy(facts->software, exif->software, sizeof facts->software);
  report->has_thumbnail = report->has_thumbnail || exif->has_thumbnail;
  check_colour(walk, exif);
  if (exif->orientation > IMAGE_ROTATE_270) {
    image_report_find(report, IMAGE_RULE_EXIF, offset, part.bytes, place, "orientation %u: there are 1 to 8",
                      exif->orientation);
  }
  if (!is_size_right(report, exif)) {
    image_report_find(report, IMAGE_RULE_EXIF, offset, part.bytes, place, "it says %u x %u, the picture is %u x %u",
                      exif->width, exif->height, report->width, report->height);
  }
  if (exif->has_place) {
    image_report_find(report, IMAGE_RULE_GPS, offset, part.bytes, place, "it says where the picture was taken");
  }
}

void inspect_exif(struct inspect_walk *walk, struct base_span part, const char *place) {
  enum { LIBEXIF_STEPS = 1 << 18 };  // it goes through a directory's entries for each that it adds
  struct image_report *report = walk->report;
  uint64_t offset = inspect_offset(walk, part);
  struct metadata_exif exif;
  if (!inspect_spend(walk, LIBEXIF_STEPS + part.bytes)) return;
  if (metadata_exif_read(part, &exif)) {
    inspect_exif_facts(walk, &exif, part, place);
  } else {
    report->exif = (struct image_report_exif){.is_present = true, .bytes = exif.bytes};
    if (part.bytes > METADATA_MAX_EXIF_BYTES) {
      image_report_find(report, IMAGE_RULE_CHUNK_SIZE, offset, part.bytes, place,
                        "an EXIF block of %zu bytes; at most %d are read", part.bytes, METADATA_MAX_EXIF_BYTES);
    } else {
      image_report_find(report, IMAGE_RULE_EXIF, offset, part.bytes, place, "the EXIF block can not be read");
    }
  }
  // Also of a block that libexif could not read: whoever reads it may be less strict.
  struct text_visit visit = {walk, place};
  metadata_exif_texts(part, visit_text, &visit);
}
