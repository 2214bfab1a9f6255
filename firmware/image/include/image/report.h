// What an inspection found in a file, without decoding it: plain facts of fixed size.
//
// `inspect` fills it inside the decoder, where a hostile file may have taken over: the parent believes nothing before
// image_report_check. `ingest` sets the verdicts. No pointer, no allocation: it travels as bytes.
#ifndef IMAGE_REPORT_H
#define IMAGE_REPORT_H

#include "base/json.h"
#include "image/header.h"

// Each rule is one question that a file may fail. Names are what settings, problems, metrics and reports say.
enum image_rule {
  IMAGE_RULE_SIZE,          // "size": sides or pixels over the limits
  IMAGE_RULE_RATIO,         // "ratio": one side far longer than the other
  IMAGE_RULE_EXPANSION,     // "expansion": decodes to far more bytes than the file has
  IMAGE_RULE_FRAMES,        // "frames": too many frames, pages or items
  IMAGE_RULE_STRUCTURE,     // "structure": lengths, order or nesting that the format forbids
  IMAGE_RULE_CHECKSUM,      // "checksum": a checksum in the file is wrong
  IMAGE_RULE_CHUNK_SIZE,    // "chunk-size": a metadata chunk is oversized
  IMAGE_RULE_NESTING,       // "nesting": boxes or directories nested too deep, or in circles
  IMAGE_RULE_TEXT,          // "text": a text chunk carries markup, script or a shell
  IMAGE_RULE_TEXT_ENTROPY,  // "text-entropy": a text chunk is as dense as encrypted data
  IMAGE_RULE_DATA_ENTROPY,  // "data-entropy": a window of the image data is not what the format's data looks like
  IMAGE_RULE_TRAILING,      // "trailing": bytes after the end of the picture
  IMAGE_RULE_HIDDEN,        // "hidden": bytes inside that no part of the format reaches
  IMAGE_RULE_POLYGLOT,      // "polyglot": it is also HTML, PHP, ZIP, PDF, ELF ...
  IMAGE_RULE_COLOUR,        // "colour": statements about its colours contradict each other
  IMAGE_RULE_PROFILE,       // "profile": the ICC profile is damaged or of the wrong class
  IMAGE_RULE_EXIF,          // "exif": the EXIF block can not be read or contradicts the picture
  IMAGE_RULE_GPS,           // "gps": it says where it was taken
  IMAGE_RULE_COUNT
};
const char *image_rule_name(enum image_rule rule);
// One short line for people: what the rule looks for.
const char *image_rule_meaning(enum image_rule rule);
// The inverse of the name; IMAGE_RULE_COUNT when there is none.
enum image_rule image_rule_parse(const char *name);

// What a rule's finding leads to. ALERT keeps the file, logs, counts and shows it; BLOCK refuses it.
enum image_verdict { IMAGE_ALLOW, IMAGE_ALERT, IMAGE_BLOCK, IMAGE_VERDICT_COUNT };
const char *image_verdict_name(enum image_verdict verdict);
enum image_verdict image_verdict_parse(const char *name);  // IMAGE_VERDICT_COUNT when there is none

struct image_rules {
  enum image_verdict verdicts[IMAGE_RULE_COUNT];
};
// What a box does without settings.
extern const struct image_rules image_rules_default;

enum {
  IMAGE_MAX_FINDINGS = 32,  // kept in full; all are counted
  IMAGE_FINDING_PLACE = 24,
  IMAGE_FINDING_TEXT = 120,
  IMAGE_EXIF_TEXT = 64,
};

struct image_finding {
  uint8_t rule;                         // enum image_rule
  uint8_t verdict;                      // enum image_verdict; set by the parent
  uint64_t offset, bytes;               // where in the file; 0, 0: all of it
  char place[IMAGE_FINDING_PLACE + 1];  // chunk, segment or box: "tEXt", "APP1", "meta/iinf"; may be empty
  char text[IMAGE_FINDING_TEXT + 1];    // one sentence without a full stop
};

enum image_colour_space {
  IMAGE_SPACE_UNKNOWN,
  IMAGE_SPACE_SRGB,
  IMAGE_SPACE_ADOBE_RGB,
  IMAGE_SPACE_DISPLAY_P3,
  IMAGE_SPACE_PROPHOTO,
  IMAGE_SPACE_BT2020,
  IMAGE_SPACE_OTHER_RGB,
  IMAGE_SPACE_GREY,
  IMAGE_SPACE_CMYK,
  IMAGE_SPACE_LAB,
  IMAGE_SPACE_COUNT
};
const char *image_colour_space_name(enum image_colour_space space);  // "srgb", "adobe-rgb", "display-p3" ...

// Where the colour space was read from, strongest first.
enum image_space_source {
  IMAGE_SPACE_FROM_ICC,
  IMAGE_SPACE_FROM_CICP,
  IMAGE_SPACE_FROM_CHUNK,
  IMAGE_SPACE_FROM_EXIF,
  IMAGE_SPACE_FROM_MARKER,
  IMAGE_SPACE_ASSUMED,
  IMAGE_SPACE_SOURCE_COUNT
};
const char *image_space_source_name(enum image_space_source source);  // "icc", "cicp", "chunk", "exif", "marker" ...

struct image_report_exif {
  bool is_present, is_readable, has_gps;  // never where: the place itself is not kept
  uint8_t orientation;                    // 1..8; 0: not said
  uint32_t bytes;
  char taken[20];  // "YYYY:MM:DD hh:mm:ss"; empty when not said
  char maker[IMAGE_EXIF_TEXT + 1], model[IMAGE_EXIF_TEXT + 1], software[IMAGE_EXIF_TEXT + 1];
};

struct image_report_icc {
  bool is_present, is_valid;
  uint8_t version_major, version_minor;
  uint32_t bytes;
  char profile_class[5], data_space[5], connection_space[5];  // four characters each: "mntr", "RGB ", "XYZ "
  char description[IMAGE_EXIF_TEXT + 1];
  uint8_t md5[16];  // of the profile as ICC.1 7.2.18 defines the profile ID (three header fields as zero)
};

struct image_report {
  uint8_t format;  // enum image_file_format
  uint8_t colour;  // enum image_colour
  uint8_t bits;    // a channel
  uint8_t channels;
  uint8_t space, space_source;  // enum image_colour_space, enum image_space_source
  bool has_alpha, is_progressive, has_xmp, has_thumbnail;
  uint32_t width, height;
  uint32_t frames;  // frames, pages or top-level pictures; at least 1
  uint64_t file_bytes;
  uint32_t parts;  // chunks, segments, boxes, directories
  uint32_t checksums, bad_checksums;
  uint64_t data_bytes;  // compressed image data
  uint64_t text_bytes;  // text chunks, inflated
  uint64_t trailing_bytes, hidden_bytes;
  uint16_t entropy_lowest, entropy_mean, entropy_highest;  // of 64 KiB windows of image data, in 1/1000 bit a byte
  struct image_report_exif exif;
  struct image_report_icc icc;
  uint32_t rule_counts[IMAGE_RULE_COUNT];
  uint32_t finding_count;  // of those kept
  struct image_finding findings[IMAGE_MAX_FINDINGS];
};

// Adds a finding: counts it always, keeps it while there is room.
void image_report_find(struct image_report *report, enum image_rule rule, uint64_t offset, uint64_t bytes,
                       const char *place, const char *format, ...) BASE_PRINTF(6, 7);
// For what came from a decoder: every enumeration, count and text is what it may be (texts end, are UTF-8 and without
// control characters). BASE_UNPROCESSABLE when not.
enum base_result image_report_check(const struct image_report *report, struct base_fault *fault) BASE_CHECKED;
// Sets the verdict of every finding and returns the strictest one over all counted rules; `*rule` is the first with it.
enum image_verdict image_report_judge(struct image_report *report, const struct image_rules *rules,
                                      enum image_rule *rule);
// Findings with verdict ALERT, counted over rules (also beyond those kept).
uint32_t image_report_alerts(const struct image_report *report, const struct image_rules *rules);
// Writes it as one JSON object.
void image_report_write(struct base_json_writer *json, const char *key, const struct image_report *report);

#endif
