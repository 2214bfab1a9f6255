// Which colours a picture has, out of everything that speaks of them.
#include "structure.h"

static const char *source_words(enum image_space_source source) {
  switch (source) {
    case IMAGE_SPACE_FROM_ICC:
      return "the ICC profile";
    case IMAGE_SPACE_FROM_CICP:
      return "the colour box";
    case IMAGE_SPACE_FROM_CHUNK:
      return "a colour chunk";
    case IMAGE_SPACE_FROM_EXIF:
      return "EXIF";
    default:
      return "the format";
  }
}

void inspect_colour_says(struct inspect_walk *walk, enum image_colour_space space, enum image_space_source source) {
  uint8_t *said = &walk->colour_said[source];
  if (space == IMAGE_SPACE_UNKNOWN || *said == space) return;
  if (*said == IMAGE_SPACE_UNKNOWN) {
    *said = (uint8_t)space;
    return;
  }
  image_report_find(walk->report, IMAGE_RULE_COLOUR, 0, 0, "", "%s says both %s and %s", source_words(source),
                    image_colour_space_name((enum image_colour_space) * said), image_colour_space_name(space));
}

// What the pixels themselves must be for `space`; palettes hold RGB.
static enum image_colour colour_of(enum image_colour_space space) {
  if (space == IMAGE_SPACE_GREY) return IMAGE_COLOUR_GREY;
  return space == IMAGE_SPACE_CMYK ? IMAGE_COLOUR_CMYK : IMAGE_COLOUR_RGB;
}

static enum image_colour pixel_colour(const struct image_report *report) {
  return report->colour == IMAGE_COLOUR_PALETTE ? IMAGE_COLOUR_RGB : (enum image_colour)report->colour;
}

// EXIF of a grey picture says sRGB every day, and a grey profile under a colour picture says nothing of its colours.
static bool contradict(enum image_colour_space strong, enum image_space_source source, enum image_colour_space weak) {
  if (strong == weak) return false;
  return source != IMAGE_SPACE_FROM_EXIF || strong != IMAGE_SPACE_GREY || weak == IMAGE_SPACE_CMYK;
}

// False with a finding when pixels of this colour can not be in `space`.
static bool check_pixels(struct inspect_walk *walk, enum image_colour_space space, enum image_space_source source) {
  enum image_colour pixels = pixel_colour(walk->report);
  if (space == IMAGE_SPACE_LAB || colour_of(space) == pixels) return true;
  // sRGB of a grey picture is its curve; before the size nothing is known of the pixels.
  if ((source != IMAGE_SPACE_FROM_ICC && pixels == IMAGE_COLOUR_GREY) || walk->report->width == 0) return true;
  image_report_find(walk->report, IMAGE_RULE_COLOUR, 0, 0, "", "%s is for %s, the pixels are %s", source_words(source),
                    image_colour_space_name(space), image_colour_name(pixels));
  return false;
}

void inspect_colour_conclude(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  int strongest = IMAGE_SPACE_ASSUMED;
  for (int source = IMAGE_SPACE_FROM_ICC; source < IMAGE_SPACE_ASSUMED; source++) {
    enum image_colour_space space = (enum image_colour_space)walk->colour_said[source];
    if (space == IMAGE_SPACE_UNKNOWN) continue;
    if (strongest == IMAGE_SPACE_ASSUMED) {
      if (check_pixels(walk, space, (enum image_space_source)source)) strongest = source;
      continue;
    }
    enum image_colour_space strong = (enum image_colour_space)walk->colour_said[strongest];
    if (!contradict(strong, (enum image_space_source)source, space)) continue;
    image_report_find(report, IMAGE_RULE_COLOUR, 0, 0, "", "%s says %s, %s says %s",
                      source_words((enum image_space_source)strongest), image_colour_space_name(strong),
                      source_words((enum image_space_source)source), image_colour_space_name(space));
  }
  report->space_source = (uint8_t)strongest;
  report->space = walk->colour_said[strongest];
  if (strongest != IMAGE_SPACE_ASSUMED || report->width == 0) return;
  enum image_colour pixels = pixel_colour(report);
  report->space = pixels == IMAGE_COLOUR_GREY   ? IMAGE_SPACE_GREY
                  : pixels == IMAGE_COLOUR_CMYK ? IMAGE_SPACE_CMYK
                                                : IMAGE_SPACE_SRGB;
}
