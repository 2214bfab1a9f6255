// JPEG (ITU-T T.81): every marker segment from SOI to EOI.
#include "jpeg.h"

#include <stdio.h>
#include <string.h>

enum { MARKER_BYTES = 2, LENGTH_BYTES = 2 };

struct jpeg_name inspect_jpeg_name(uint8_t marker) {
  static const struct {
    uint8_t marker;
    const char *name;
  } names[] = {{JPEG_DHT, "DHT"}, {JPEG_JPG, "JPG"}, {JPEG_DAC, "DAC"}, {JPEG_SOI, "SOI"}, {JPEG_EOI, "EOI"},
               {JPEG_SOS, "SOS"}, {JPEG_DQT, "DQT"}, {JPEG_DNL, "DNL"}, {JPEG_DRI, "DRI"}, {JPEG_DHP, "DHP"},
               {JPEG_EXP, "EXP"}, {JPEG_COM, "COM"}, {JPEG_TEM, "TEM"}};
  struct jpeg_name name = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].marker == marker) return memcpy(name.text, names[i].name, strlen(names[i].name)), name;
  }
  if (jpeg_is_frame(marker)) {
    snprintf(name.text, sizeof name.text, "SOF%d", marker - JPEG_SOF0);
  } else if (marker >= JPEG_APP0 && marker <= JPEG_APP15) {
    snprintf(name.text, sizeof name.text, "APP%d", marker - JPEG_APP0);
  } else if (marker >= JPEG_RST0 && marker <= JPEG_RST7) {
    snprintf(name.text, sizeof name.text, "RST%d", marker - JPEG_RST0);
  } else {
    snprintf(name.text, sizeof name.text, "0x%02X", marker);
  }
  return name;
}

// A structure finding about a segment.
static void damaged(struct jpeg *jpeg, uint8_t marker, struct base_span part, const char *text) {
  image_report_find(jpeg->walk->report, IMAGE_RULE_STRUCTURE, inspect_offset(jpeg->walk, part), part.bytes,
                    inspect_jpeg_name(marker).text, "%s", text);
}

// --- tables ---

static void read_quantisation(struct jpeg *jpeg, struct base_span part) {
  for (size_t at = 0; at < part.bytes;) {
    unsigned precision = part.data[at] >> 4, table = part.data[at] & 15;
    size_t bytes = precision == 0 ? 64 : 128;
    if (precision > 1 || table > 3) {
      damaged(jpeg, JPEG_DQT, part, "a quantisation table that can not exist");
      return;
    }
    if (!inspect_has(part, at + 1, bytes)) {
      damaged(jpeg, JPEG_DQT, part, "a quantisation table is cut off");
      return;
    }
    for (size_t i = 0; i < 64; i++) {
      const uint8_t *step = part.data + at + 1 + (i << precision);
      if (step[0] == 0 && (precision == 0 || step[1] == 0)) {
        damaged(jpeg, JPEG_DQT, part, "a quantisation step of zero");
        return;
      }
    }
    jpeg->quantisation |= (uint8_t)(1 << table);
    at += 1 + bytes;
  }
}

// Codes of 1..16 bits: `lengths` says how many of each. Whether that many can be told apart (T.81 annex C).
static bool is_code_possible(const uint8_t lengths[16], size_t *symbols) {
  uint32_t free_codes = 1;
  *symbols = 0;
  for (int i = 0; i < 16; i++) {
    free_codes *= 2;
    if (lengths[i] > free_codes) return false;
    free_codes -= lengths[i];
    *symbols += lengths[i];
  }
  return *symbols >= 1 && *symbols <= 256;
}

static void read_huffman(struct jpeg *jpeg, struct base_span part) {
  for (size_t at = 0; at < part.bytes;) {
    unsigned is_ac = part.data[at] >> 4, table = part.data[at] & 15;
    size_t symbols;
    if (is_ac > 1 || table > 3) {
      damaged(jpeg, JPEG_DHT, part, "a Huffman table that can not exist");
      return;
    }
    if (!inspect_has(part, at + 1, 16)) {
      damaged(jpeg, JPEG_DHT, part, "a Huffman table is cut off");
      return;
    }
    if (!is_code_possible(part.data + at + 1, &symbols)) {
      damaged(jpeg, JPEG_DHT, part, "a Huffman table with more codes than there are");
      return;
    }
    if (!inspect_has(part, at + 17, symbols)) {
      damaged(jpeg, JPEG_DHT, part, "a Huffman table is cut off");
      return;
    }
    *(is_ac ? &jpeg->ac_tables : &jpeg->dc_tables) |= (uint8_t)(1 << table);
    at += 17 + symbols;
  }
}

static void read_restart_interval(struct jpeg *jpeg, struct base_span part) {
  if (part.bytes != 2) {
    damaged(jpeg, JPEG_DRI, part, "a restart interval has two bytes");
    return;
  }
  jpeg->restart_interval = inspect_be16(part.data);
}

static void read_line_count(struct jpeg *jpeg, struct base_span part) {
  if (part.bytes != 2 || inspect_be16(part.data) == 0) {
    damaged(jpeg, JPEG_DNL, part, "a line count that makes no sense");
    return;
  }
  if (jpeg->scans != 1 || jpeg->frame.height != 0) {
    damaged(jpeg, JPEG_DNL, part, "a line count where there may be none");
    return;
  }
  jpeg->frame.height = inspect_be16(part.data);
  if (jpeg->is_main) jpeg->walk->report->height = jpeg->frame.height;
}

// --- frame and scans ---

static bool is_precision_possible(uint8_t sof, unsigned bits) {
  if (jpeg_is_lossless(sof)) return bits >= 2 && bits <= 16;
  return bits == 8 || (bits == 12 && sof != JPEG_SOF0);
}

static const char *frame_problem(const struct jpeg_frame *frame) {
  if (!is_precision_possible(frame->marker, frame->precision)) return "a bit depth that this kind can not have";
  if (frame->width == 0) return "a width of zero";
  if (frame->component_count == 2) return "two components: no known colours have that many";
  for (unsigned i = 0; i < frame->component_count; i++) {
    const struct jpeg_component *component = &frame->components[i];
    if (component->across < 1 || component->across > 4 || component->down < 1 || component->down > 4) {
      return "a sampling factor out of range";
    }
    if (component->quantisation > 3) return "a quantisation table that can not exist";
    for (unsigned k = 0; k < i; k++) {
      if (frame->components[k].id == component->id) return "two components of one name";
    }
  }
  return NULL;
}

static void report_frame(struct jpeg *jpeg) {
  const struct jpeg_frame *frame = &jpeg->frame;
  struct image_report *report = jpeg->walk->report;
  enum image_colour colour = frame->component_count == 4   ? IMAGE_COLOUR_CMYK
                             : frame->component_count == 3 ? IMAGE_COLOUR_RGB
                                                           : IMAGE_COLOUR_GREY;
  uint8_t bits = frame->precision <= 16 ? frame->precision : 16;
  inspect_picture(jpeg->walk, frame->width, frame->height, bits, frame->component_count, colour);
  report->is_progressive = jpeg_is_progressive(frame->marker);
}

static void read_frame(struct jpeg *jpeg, uint8_t marker, struct base_span part) {
  if (jpeg->frame.marker && !jpeg->is_hierarchical) {
    damaged(jpeg, marker, part, "a second frame");
    return;
  }
  if (part.bytes < 6) {
    damaged(jpeg, marker, part, "the frame header is cut off");
    return;
  }
  struct jpeg_frame frame = {
      .marker = marker,
      .precision = part.data[0],
      .height = inspect_be16(part.data + 1),
      .width = inspect_be16(part.data + 3),
      .component_count = part.data[5],
  };
  if (frame.component_count < 1 || frame.component_count > JPEG_MAX_COMPONENTS) {
    damaged(jpeg, marker, part, "a number of components that no picture has");
    return;
  }
  if (part.bytes != 6 + 3u * frame.component_count) {
    damaged(jpeg, marker, part, "a frame header of wrong length");
    return;
  }
  for (unsigned i = 0; i < frame.component_count; i++) {
    const uint8_t *at = part.data + 6 + (size_t)3 * i;
    frame.components[i] = (struct jpeg_component){at[0], at[1] >> 4, at[1] & 15, at[2]};
  }
  const char *problem = frame_problem(&frame);
  if (problem) damaged(jpeg, marker, part, problem);
  bool is_first = jpeg->frame.marker == 0;
  jpeg->frame = frame;
  if (jpeg->is_main && is_first) report_frame(jpeg);
}

// The tables that a scan needs and that no segment has defined.
static const char *missing_table(const struct jpeg *jpeg, const struct jpeg_scan *scan, struct base_span part) {
  const uint8_t *selection = part.data + 1 + (size_t)2 * scan->component_count;
  const struct jpeg_frame *frame = &jpeg->frame;
  bool is_progressive = jpeg_is_progressive(frame->marker), is_lossless = jpeg_is_lossless(frame->marker);
  bool is_refinement = is_progressive && selection[2] >> 4 != 0;
  for (unsigned i = 0; i < scan->component_count; i++) {
    unsigned tables = part.data[2 + (size_t)2 * i], dc = tables >> 4, ac = tables & 15;
    unsigned quantisation = frame->components[scan->indices[i]].quantisation;
    bool needs_dc = !is_progressive || (selection[0] == 0 && !is_refinement);
    bool needs_ac = !is_lossless && (!is_progressive || selection[0] > 0);
    if (!is_lossless && (quantisation > 3 || !(jpeg->quantisation >> quantisation & 1)))
      return "a scan without its quantisation table";
    if (jpeg_is_arithmetic(frame->marker)) continue;
    if (needs_dc && !(jpeg->dc_tables >> dc & 1)) return "a scan without its Huffman table";
    if (needs_ac && !(jpeg->ac_tables >> ac & 1)) return "a scan without its Huffman table";
  }
  return NULL;
}

// T.81 G.1.1.1: what a progressive scan may select. Others carry all 64 coefficients whatever the fields say.
static bool is_selection_possible(const struct jpeg *jpeg, const struct jpeg_scan *scan, const uint8_t *selection) {
  if (!jpeg_is_progressive(jpeg->frame.marker)) return true;
  unsigned first = selection[0], last = selection[1], high = selection[2] >> 4, low = selection[2] & 15;
  if (first > last || last > 63 || low > 13 || (high != 0 && high != low + 1)) return false;
  return first == 0 ? last == 0 : scan->component_count == 1;
}

static bool read_scan_components(const struct jpeg *jpeg, struct base_span part, struct jpeg_scan *out) {
  *out = (struct jpeg_scan){.component_count = part.data[0]};
  unsigned used = 0;
  for (unsigned i = 0; i < out->component_count; i++) {
    unsigned index = 0;
    while (index < jpeg->frame.component_count && jpeg->frame.components[index].id != part.data[1 + 2 * i]) index++;
    if (index == jpeg->frame.component_count || used >> index & 1) return false;
    used |= 1u << index;
    out->indices[i] = (uint8_t)index;
  }
  return true;
}

// False when what follows can not be a scan.
static bool read_scan_header(struct jpeg *jpeg, struct base_span part, struct jpeg_scan *out) {
  const char *problem = NULL;
  *out = (struct jpeg_scan){0};
  if (part.bytes < 1 || part.data[0] < 1 || part.data[0] > JPEG_MAX_COMPONENTS || part.bytes != 4 + 2u * part.data[0]) {
    problem = "a scan header of wrong length";
  } else if (!jpeg->frame.marker) {
    problem = "a scan before any frame";
  } else if (!read_scan_components(jpeg, part, out)) {
    *out = (struct jpeg_scan){0};
    problem = "a scan of a component that the frame does not have";
  } else if (!is_selection_possible(jpeg, out, part.data + 1 + (size_t)2 * out->component_count)) {
    problem = "a scan of coefficients that can not be";
  } else {
    problem = missing_table(jpeg, out, part);
  }
  if (problem) damaged(jpeg, JPEG_SOS, part, problem);
  return jpeg->frame.marker != 0;
}

// --- segments ---

// Moves to the next marker's 0xFF and returns its code; 0 at the end. Fill bytes are legal, others are hidden.
static uint8_t next_marker(struct jpeg *jpeg) {
  struct base_span file = jpeg->file;
  uint64_t start = jpeg->at, at = start;
  while (at + 1 < file.bytes) {
    const uint8_t *found = memchr(file.data + at, 0xFF, file.bytes - at - 1);
    if (!found) break;
    at = (uint64_t)(found - file.data);
    if (found[1] != 0xFF && found[1] != 0) {
      bool is_fill = at == start || (file.data[start] == 0xFF &&
                                     memcmp(file.data + start, file.data + start + 1, at - start - 1) == 0);
      if (!is_fill) {
        inspect_hidden(jpeg->walk, start, at - start, "");
        image_report_find(jpeg->walk->report, IMAGE_RULE_STRUCTURE, start, at - start, "",
                          "bytes between two segments");
      }
      jpeg->at = at;
      return found[1];
    }
    at++;
  }
  jpeg->at = file.bytes;
  return 0;
}

static void read_segment(struct jpeg *jpeg, uint8_t marker, struct base_span part) {
  if (jpeg_is_frame(marker)) {
    read_frame(jpeg, marker, part);
    return;
  }
  if ((marker >= JPEG_APP0 && marker <= JPEG_APP15) || marker == JPEG_COM) {
    inspect_jpeg_app(jpeg, marker, part);
    return;
  }
  switch (marker) {
    case JPEG_DQT:
      read_quantisation(jpeg, part);
      return;
    case JPEG_DHT:
      read_huffman(jpeg, part);
      return;
    case JPEG_DRI:
      read_restart_interval(jpeg, part);
      return;
    case JPEG_DNL:
      read_line_count(jpeg, part);
      return;
    case JPEG_DHP:
      jpeg->is_hierarchical = true;
      return;
    case JPEG_DAC:
    case JPEG_EXP:
      return;
    default:
      damaged(jpeg, marker, part, "a segment that no JPEG picture has");
      return;
  }
}

static bool stands_alone(uint8_t marker) { return marker == JPEG_TEM || (marker >= JPEG_RST0 && marker <= JPEG_SOI); }

// One segment, and the coded data behind a scan's header. False at the end of the picture.
static bool walk_segment(struct jpeg *jpeg) {
  struct image_report *report = jpeg->walk->report;
  uint8_t marker = next_marker(jpeg);
  if (marker == 0) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, jpeg->at, 0, "", "it ends without an end marker");
    return false;
  }
  if (!inspect_next_part(jpeg->walk, jpeg->at)) return jpeg->at = jpeg->file.bytes, false;
  uint64_t start = jpeg->at;
  jpeg->at += MARKER_BYTES;
  if (marker == JPEG_EOI) return false;
  if (stands_alone(marker)) {
    damaged(jpeg, marker, base_span_slice(jpeg->file, start, MARKER_BYTES), "a marker where it may not be");
    return true;
  }
  uint16_t length = inspect_has(jpeg->file, jpeg->at, LENGTH_BYTES) ? inspect_be16(jpeg->file.data + jpeg->at) : 0;
  if (length < LENGTH_BYTES || !inspect_has(jpeg->file, jpeg->at, length)) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, start, jpeg->file.bytes - start, inspect_jpeg_name(marker).text,
                      length == 1 ? "a segment of impossible length" : "a segment reaches behind the end");
    jpeg->at = jpeg->file.bytes;
    return false;
  }
  struct base_span part = base_span_slice(jpeg->file, jpeg->at + LENGTH_BYTES, length - LENGTH_BYTES);
  jpeg->at += length;
  if (marker != JPEG_SOS) return read_segment(jpeg, marker, part), true;
  struct jpeg_scan scan;
  if (!read_scan_header(jpeg, part, &scan)) return true;
  jpeg->scans++;
  if (inspect_jpeg_scan(jpeg, &scan)) return true;
  image_report_find(report, IMAGE_RULE_STRUCTURE, jpeg->at, 0, "", "it ends without an end marker");
  return false;
}

static void walk_picture(struct jpeg *jpeg) {
  jpeg->at += MARKER_BYTES;
  while (walk_segment(jpeg)) {
  }
  struct image_report *report = jpeg->walk->report;
  if (!jpeg->frame.marker) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "it has no frame header");
  } else if (jpeg->scans == 0) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "it has no picture data");
  } else if (jpeg->frame.height == 0) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "nothing says how high it is");
  }
  inspect_jpeg_app_conclude(jpeg);
}

static uint64_t walk_further_picture(struct inspect_walk *walk, uint64_t start, uint64_t bytes) {
  struct jpeg jpeg = {.walk = walk, .file = base_span_slice(walk->file, 0, start + bytes), .at = start};
  walk_picture(&jpeg);
  return jpeg.at;
}

static bool matches(struct base_span file) { return inspect_begins(file, "\xFF\xD8\xFF", 3); }

static uint64_t walk_file(struct inspect_walk *walk) {
  struct jpeg jpeg = {.walk = walk, .file = walk->file, .is_main = true};
  walk_picture(&jpeg);
  uint64_t end = inspect_jpeg_pictures(&jpeg, jpeg.at, walk_further_picture);
  inspect_frames(walk, walk->report->frames);
  return end;
}

const struct inspect_walker inspect_jpeg = {IMAGE_FILE_JPEG, matches, walk_file};
