// Which chunk may stand where, how often and how long (PNG third edition, table 7 and section 11).
#include <string.h>

#include "png.h"

enum rule {
  ONCE = 1,
  BEFORE_PALETTE = 2,  // and before the data
  BEFORE_DATA = 4,
  AFTER_PALETTE = 8,
};

static const struct {
  const char *type;
  unsigned rules;
  uint32_t least_bytes, most_bytes;
} kinds[] = {
    {"IHDR", ONCE | BEFORE_PALETTE, 13, 13},
    {"PLTE", ONCE | BEFORE_DATA, 3, 768},
    {"IDAT", 0, 0, INT32_MAX},
    {"IEND", ONCE, 0, 0},
    {"tRNS", ONCE | BEFORE_DATA | AFTER_PALETTE, 1, 256},
    {"cHRM", ONCE | BEFORE_PALETTE, 32, 32},
    {"gAMA", ONCE | BEFORE_PALETTE, 4, 4},
    {"iCCP", ONCE | BEFORE_PALETTE, 9, INT32_MAX},
    {"sBIT", ONCE | BEFORE_PALETTE, 1, 4},
    {"sRGB", ONCE | BEFORE_PALETTE, 1, 1},
    {"cICP", ONCE | BEFORE_PALETTE, 4, 4},
    {"mDCV", ONCE | BEFORE_PALETTE, 24, 24},
    {"mDCv", ONCE | BEFORE_PALETTE, 24, 24},
    {"cLLI", ONCE | BEFORE_PALETTE, 8, 8},
    {"cLLi", ONCE | BEFORE_PALETTE, 8, 8},
    {"bKGD", ONCE | BEFORE_DATA | AFTER_PALETTE, 1, 6},
    {"hIST", ONCE | BEFORE_DATA | AFTER_PALETTE, 2, 512},
    {"pHYs", ONCE | BEFORE_DATA, 9, 9},
    {"sPLT", BEFORE_DATA, 3, INT32_MAX},
    {"eXIf", ONCE, 4, INT32_MAX},
    {"tIME", ONCE, 7, 7},
    {"tEXt", 0, 2, INT32_MAX},
    {"zTXt", 0, 3, INT32_MAX},
    {"iTXt", 0, 6, INT32_MAX},
    {"acTL", ONCE | BEFORE_DATA, 8, 8},
    {"fcTL", 0, 26, 26},
    {"fdAT", 0, 4, INT32_MAX},
    {"oFFs", ONCE | BEFORE_DATA, 9, 9},
    {"pCAL", ONCE | BEFORE_DATA, 14, 4096},
    {"sCAL", ONCE | BEFORE_DATA, 4, 4096},
    {"sTER", ONCE | BEFORE_DATA, 1, 1},
    {"gIFg", 0, 4, 4},
    {"gIFx", 0, 11, INT32_MAX},
    {"dSIG", 0, 0, 65536},
    {"caBX", ONCE, 0, INT32_MAX},          // C2PA
    {"iDOT", ONCE | BEFORE_DATA, 28, 28},  // Apple
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };
_Static_assert(KIND_COUNT <= 64, "a bit each in png.seen");

static size_t kind_of(const char *type) {
  size_t kind = 0;
  while (kind < KIND_COUNT && strcmp(kinds[kind].type, type) != 0) kind++;
  return kind;
}

static bool has_seen(const struct png *png, const char *type) { return png->seen >> kind_of(type) & 1; }

void inspect_png_damaged(struct png *png, const struct png_chunk *chunk, const char *text) {
  image_report_find(png->walk->report, IMAGE_RULE_STRUCTURE, chunk->offset, chunk->bytes, chunk->type.text, "%s", text);
}

// What the colour type and the depth say of lengths.
static const char *length_problem(const struct png *png, const struct png_chunk *chunk) {
  static const uint8_t significant[] = {1, 0, 3, 3, 2, 0, 4}, background[] = {2, 0, 6, 1, 2, 0, 6};
  const char *type = chunk->type.text;
  size_t bytes = chunk->data.bytes;
  bool is_sound = true;
  if (!png->has_header) return NULL;
  if (strcmp(type, "PLTE") == 0) {
    is_sound = bytes % 3 == 0 && (png->colour != PNG_PALETTE || bytes / 3 <= 1u << png->depth);
  } else if (strcmp(type, "tRNS") == 0) {
    is_sound = png->colour == PNG_PALETTE ? bytes <= png->palette_entries : bytes == (png->colour == PNG_RGB ? 6 : 2);
  } else if (strcmp(type, "hIST") == 0) {
    is_sound = bytes == 2u * png->palette_entries;
  } else if (strcmp(type, "sBIT") == 0) {
    is_sound = bytes == significant[png->colour];
  } else if (strcmp(type, "bKGD") == 0) {
    is_sound = bytes == background[png->colour];
  }
  return is_sound ? NULL : "its length does not go with the colour type";
}

static const char *place_problem(const struct png *png, size_t kind) {
  unsigned rules = kinds[kind].rules;
  const char *type = kinds[kind].type;
  bool is_grey = png->colour == PNG_GREY || png->colour == PNG_GREY_ALPHA;
  if (rules & ONCE && png->seen >> kind & 1) return "it may stand there only once";
  if (rules & (BEFORE_PALETTE | BEFORE_DATA) && png->has_data) return "it may not stand behind the picture's data";
  if (rules & BEFORE_PALETTE && has_seen(png, "PLTE")) return "it may not stand behind the palette";
  if (rules & AFTER_PALETTE && png->colour == PNG_PALETTE && !has_seen(png, "PLTE")) {
    return "it may not stand in front of the palette";
  }
  if (strcmp(type, "PLTE") == 0 && is_grey) return "a grey picture has no palette";
  if (strcmp(type, "PLTE") == 0 && (has_seen(png, "tRNS") || has_seen(png, "bKGD") || has_seen(png, "hIST"))) {
    return "the palette stands behind what refers to it";
  }
  if (strcmp(type, "tRNS") == 0 && (png->colour & 4)) return "the picture has an alpha channel already";
  if (strcmp(type, "IDAT") == 0 && png->is_data_over) return "the picture's data is interrupted by other chunks";
  return NULL;
}

// An unknown chunk that a reader may not skip; letters only; the third is reserved as upper case (section 5.4).
static void check_unknown(struct png *png, const struct png_chunk *chunk) {
  if (!(chunk->type.text[0] & 0x20)) inspect_png_damaged(png, chunk, "an unknown chunk that readers may not skip");
  if (chunk->type.text[2] & 0x20) inspect_png_damaged(png, chunk, "a reserved kind of chunk");
  if (chunk->data.bytes < INSPECT_MAX_UNKNOWN) return;
  inspect_hidden(png->walk, inspect_offset(png->walk, chunk->data), chunk->data.bytes, chunk->type.text);
}

bool inspect_png_rules(struct png *png, const struct png_chunk *chunk) {
  size_t kind = kind_of(chunk->type.text);
  if (!png->has_header && strcmp(chunk->type.text, "IHDR") != 0) {
    if (png->walk->report->parts == 1) inspect_png_damaged(png, chunk, "it does not begin with IHDR");
  }
  if (kind == KIND_COUNT) return check_unknown(png, chunk), false;
  const char *problem = place_problem(png, kind);
  if (!problem) problem = length_problem(png, chunk);
  if (!problem && (chunk->data.bytes < kinds[kind].least_bytes || chunk->data.bytes > kinds[kind].most_bytes)) {
    problem = "its length is not what the format says";
  }
  if (problem) inspect_png_damaged(png, chunk, problem);
  png->seen |= (uint64_t)1 << kind;
  return true;
}

void inspect_png_rules_conclude(struct png *png) {
  struct image_report *report = png->walk->report;
  const char *problem = NULL;
  if (!png->has_header) problem = "it has no header that can be read";
  if (!problem && !png->has_data) problem = "it has no picture data";
  if (!problem && png->colour == PNG_PALETTE && png->palette_entries == 0) problem = "it has no palette";
  if (problem) image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "%s", problem);
  if (png->at >= png->walk->file.bytes && !png->has_end) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, png->at, 0, "", "it ends without IEND");
  }
}
