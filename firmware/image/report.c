#include "image/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "base/utf8.h"

// One rule's findings must not push out another's.
enum { MAX_FINDINGS_OF_A_RULE = 6, MAX_ENTROPY = 8000, MAX_BITS = 64 };

static const char *const spaces[IMAGE_SPACE_COUNT] = {
    [IMAGE_SPACE_UNKNOWN] = "unknown",     [IMAGE_SPACE_SRGB] = "srgb",
    [IMAGE_SPACE_ADOBE_RGB] = "adobe-rgb", [IMAGE_SPACE_DISPLAY_P3] = "display-p3",
    [IMAGE_SPACE_PROPHOTO] = "prophoto",   [IMAGE_SPACE_BT2020] = "bt2020",
    [IMAGE_SPACE_OTHER_RGB] = "rgb",       [IMAGE_SPACE_GREY] = "grey",
    [IMAGE_SPACE_CMYK] = "cmyk",           [IMAGE_SPACE_LAB] = "lab",
};

static const char *const sources[IMAGE_SPACE_SOURCE_COUNT] = {
    [IMAGE_SPACE_FROM_ICC] = "icc",   [IMAGE_SPACE_FROM_CICP] = "cicp",     [IMAGE_SPACE_FROM_CHUNK] = "chunk",
    [IMAGE_SPACE_FROM_EXIF] = "exif", [IMAGE_SPACE_FROM_MARKER] = "marker", [IMAGE_SPACE_ASSUMED] = "assumed",
};

const char *image_colour_space_name(enum image_colour_space space) {
  BASE_ASSERT((unsigned)space < IMAGE_SPACE_COUNT);
  return spaces[space];
}

const char *image_space_source_name(enum image_space_source source) {
  BASE_ASSERT((unsigned)source < IMAGE_SPACE_SOURCE_COUNT);
  return sources[source];
}

void image_report_find(struct image_report *report, enum image_rule rule, uint64_t offset, uint64_t bytes,
                       const char *place, const char *format, ...) {
  BASE_ASSERT((unsigned)rule < IMAGE_RULE_COUNT);
  if (report->rule_counts[rule] < UINT32_MAX) report->rule_counts[rule]++;
  if (report->rule_counts[rule] > MAX_FINDINGS_OF_A_RULE || report->finding_count >= IMAGE_MAX_FINDINGS) return;
  struct image_finding *finding = &report->findings[report->finding_count++];
  memset(finding, 0, sizeof *finding);
  finding->rule = (uint8_t)rule;
  finding->offset = offset;
  finding->bytes = bytes;
  char text[2 * IMAGE_FINDING_TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  base_utf8_copy_plain(base_span_text(place), finding->place, sizeof finding->place);
  base_utf8_copy_plain(base_span_text(text), finding->text, sizeof finding->text);
}

// Ends inside its array, is UTF-8 and has no control characters.
static bool is_plain(const char *text, size_t capacity) {
  size_t length = strnlen(text, capacity);
  if (length == capacity) return false;
  struct base_span rest = base_span_of(text, length);
  while (rest.bytes > 0) {
    size_t bytes = base_utf8_plain_bytes(rest);
    if (bytes == 0) return false;
    rest = base_span_slice(rest, bytes, rest.bytes);
  }
  return true;
}

#define IS_PLAIN(array) is_plain((array), sizeof(array))

// A bool that came as a byte: reading any other value as bool would be undefined.
static bool is_bool(const bool *value) {
  uint8_t byte;
  memcpy(&byte, value, 1);
  return byte <= 1;
}

static bool has_good_bools(const struct image_report *report) {
  return is_bool(&report->has_alpha) && is_bool(&report->is_progressive) && is_bool(&report->has_xmp) &&
         is_bool(&report->has_thumbnail) && is_bool(&report->exif.is_present) && is_bool(&report->exif.is_readable) &&
         is_bool(&report->exif.has_gps) && is_bool(&report->icc.is_present) && is_bool(&report->icc.is_valid);
}

static bool has_good_numbers(const struct image_report *report) {
  return report->format < IMAGE_FILE_FORMAT_COUNT && report->colour <= IMAGE_COLOUR_PALETTE &&
         report->space < IMAGE_SPACE_COUNT && report->space_source < IMAGE_SPACE_SOURCE_COUNT &&
         report->bits <= MAX_BITS && report->frames >= 1 && report->bad_checksums <= report->checksums &&
         report->trailing_bytes <= report->file_bytes && report->hidden_bytes <= report->file_bytes &&
         report->entropy_lowest <= report->entropy_mean && report->entropy_mean <= report->entropy_highest &&
         report->entropy_highest <= MAX_ENTROPY && report->exif.orientation <= IMAGE_ROTATE_270;
}

static bool has_good_texts(const struct image_report *report) {
  const struct image_report_exif *exif = &report->exif;
  const struct image_report_icc *icc = &report->icc;
  return IS_PLAIN(exif->taken) && IS_PLAIN(exif->maker) && IS_PLAIN(exif->model) && IS_PLAIN(exif->software) &&
         IS_PLAIN(icc->profile_class) && IS_PLAIN(icc->data_space) && IS_PLAIN(icc->connection_space) &&
         IS_PLAIN(icc->description);
}

// Every kept finding is one of those counted.
static bool has_good_findings(const struct image_report *report) {
  uint32_t kept[IMAGE_RULE_COUNT] = {0};
  if (report->finding_count > IMAGE_MAX_FINDINGS) return false;
  for (uint32_t i = 0; i < report->finding_count; i++) {
    const struct image_finding *finding = &report->findings[i];
    if (finding->rule >= IMAGE_RULE_COUNT || finding->verdict >= IMAGE_VERDICT_COUNT) return false;
    if (!IS_PLAIN(finding->place) || !IS_PLAIN(finding->text)) return false;
    if (++kept[finding->rule] > report->rule_counts[finding->rule]) return false;
  }
  return true;
}

enum base_result image_report_check(const struct image_report *report, struct base_fault *fault) {
  const char *wrong = NULL;
  if (!has_good_bools(report)) {
    wrong = "flags";
  } else if (!has_good_numbers(report)) {
    wrong = "numbers";
  } else if (!has_good_texts(report)) {
    wrong = "texts";
  } else if (!has_good_findings(report)) {
    wrong = "findings";
  }
  if (!wrong) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "report", "the inspection of the file gave a report with impossible %s",
                   wrong);
}

static void write_count(struct base_json_writer *json, const char *key, uint64_t value) {
  base_json_integer(json, key, (int64_t)base_min_u64(value, INT64_MAX));
}

static void write_text_or_null(struct base_json_writer *json, const char *key, const char *text) {
  base_json_string(json, key, *text ? text : NULL);
}

static void write_exif(struct base_json_writer *json, const struct image_report_exif *exif) {
  if (!exif->is_present) {
    base_json_string(json, "exif", NULL);
    return;
  }
  base_json_object(json, "exif");
  write_count(json, "bytes", exif->bytes);
  base_json_bool(json, "is_readable", exif->is_readable);
  if (exif->orientation) {
    write_count(json, "orientation", exif->orientation);
  } else {
    base_json_string(json, "orientation", NULL);
  }
  write_text_or_null(json, "taken", exif->taken);
  write_text_or_null(json, "maker", exif->maker);
  write_text_or_null(json, "model", exif->model);
  write_text_or_null(json, "software", exif->software);
  base_json_bool(json, "has_gps", exif->has_gps);
  base_json_object_end(json);
}

static void write_icc(struct base_json_writer *json, const struct image_report_icc *icc) {
  if (!icc->is_present) {
    base_json_string(json, "icc", NULL);
    return;
  }
  char version[12], md5[2 * sizeof icc->md5 + 1];
  snprintf(version, sizeof version, "%u.%u", icc->version_major, icc->version_minor);
  base_hex_encode(base_span_of(icc->md5, sizeof icc->md5), md5, sizeof md5);
  base_json_object(json, "icc");
  write_count(json, "bytes", icc->bytes);
  base_json_bool(json, "is_valid", icc->is_valid);
  base_json_string(json, "version", version);
  write_text_or_null(json, "class", icc->profile_class);
  write_text_or_null(json, "data_space", icc->data_space);
  write_text_or_null(json, "connection_space", icc->connection_space);
  write_text_or_null(json, "description", icc->description);
  base_json_string(json, "md5", md5);
  base_json_object_end(json);
}

static void write_structure(struct base_json_writer *json, const struct image_report *report) {
  base_json_object(json, "structure");
  write_count(json, "parts", report->parts);
  write_count(json, "checksums", report->checksums);
  write_count(json, "bad_checksums", report->bad_checksums);
  write_count(json, "data_bytes", report->data_bytes);
  write_count(json, "text_bytes", report->text_bytes);
  write_count(json, "trailing_bytes", report->trailing_bytes);
  write_count(json, "hidden_bytes", report->hidden_bytes);
  base_json_bool(json, "has_xmp", report->has_xmp);
  base_json_bool(json, "has_thumbnail", report->has_thumbnail);
  base_json_bool(json, "is_progressive", report->is_progressive);
  base_json_object_end(json);
}

// In bits a byte of the 64 KiB windows.
static void write_entropy(struct base_json_writer *json, const struct image_report *report) {
  if (report->entropy_highest == 0) {
    base_json_string(json, "entropy", NULL);
    return;
  }
  base_json_object(json, "entropy");
  base_json_number(json, "lowest", report->entropy_lowest / 1000.0);
  base_json_number(json, "mean", report->entropy_mean / 1000.0);
  base_json_number(json, "highest", report->entropy_highest / 1000.0);
  base_json_object_end(json);
}

static void write_findings(struct base_json_writer *json, const struct image_report *report) {
  base_json_object(json, "counts");
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    if (report->rule_counts[i]) write_count(json, image_rule_name((enum image_rule)i), report->rule_counts[i]);
  }
  base_json_object_end(json);
  base_json_array(json, "findings");
  for (uint32_t i = 0; i < report->finding_count; i++) {
    const struct image_finding *finding = &report->findings[i];
    base_json_object(json, NULL);
    base_json_string(json, "rule", image_rule_name((enum image_rule)finding->rule));
    base_json_string(json, "verdict", image_verdict_name((enum image_verdict)finding->verdict));
    write_count(json, "offset", finding->offset);
    write_count(json, "bytes", finding->bytes);
    base_json_string(json, "place", finding->place);
    base_json_string(json, "text", finding->text);
    base_json_object_end(json);
  }
  base_json_array_end(json);
}

void image_report_write(struct base_json_writer *json, const char *key, const struct image_report *report) {
  base_json_object(json, key);
  base_json_string(json, "format", image_file_format_name((enum image_file_format)report->format));
  write_count(json, "bytes", report->file_bytes);
  write_count(json, "width", report->width);
  write_count(json, "height", report->height);
  write_count(json, "bits", report->bits);
  write_count(json, "channels", report->channels);
  base_json_string(json, "colour", image_colour_name((enum image_colour)report->colour));
  base_json_bool(json, "has_alpha", report->has_alpha);
  write_count(json, "frames", report->frames);
  base_json_string(json, "colour_space", image_colour_space_name((enum image_colour_space)report->space));
  base_json_string(json, "colour_space_source", image_space_source_name((enum image_space_source)report->space_source));
  write_exif(json, &report->exif);
  write_icc(json, &report->icc);
  write_structure(json, report);
  write_entropy(json, report);
  write_findings(json, report);
  base_json_object_end(json);
}
