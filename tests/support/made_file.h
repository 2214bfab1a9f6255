// Files made byte by byte, and what their inspection has to find.
//
// Include after <cmocka.h>.
#ifndef MADE_FILE_H
#define MADE_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"

enum { MADE_MAX_BYTES = 5 << 18 };

struct made_file {
  size_t bytes;
  uint8_t data[MADE_MAX_BYTES];
};

static inline void put(struct made_file *file, const void *data, size_t bytes) {
  assert_true(file->bytes + bytes <= MADE_MAX_BYTES);
  memcpy(file->data + file->bytes, data, bytes);
  file->bytes += bytes;
}
static inline void put_text(struct made_file *file, const char *text) { put(file, text, strlen(text)); }
static inline void put_zeros(struct made_file *file, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) put(file, "", 1);
}
static inline void put8(struct made_file *file, unsigned value) { put(file, &(uint8_t){(uint8_t)value}, 1); }
static inline void put_be16(struct made_file *file, unsigned value) {
  put8(file, value >> 8);
  put8(file, value);
}
static inline void put_be32(struct made_file *file, uint32_t value) {
  put_be16(file, value >> 16);
  put_be16(file, value & 0xFFFF);
}
static inline void put_le16(struct made_file *file, unsigned value) {
  put8(file, value);
  put8(file, value >> 8);
}
static inline void put_le24(struct made_file *file, uint32_t value) {
  put_le16(file, value & 0xFFFF);
  put8(file, value >> 16);
}
static inline void put_le32(struct made_file *file, uint32_t value) {
  put_le16(file, value & 0xFFFF);
  put_le16(file, value >> 16);
}
// Bytes that repeat no pattern and are no text: xorshift from `seed`.
static inline void put_noise(struct made_file *file, size_t bytes, uint32_t seed) {
  for (size_t i = 0; i < bytes; i++) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    put8(file, seed >> 8);
  }
}
static inline void set_le32(struct made_file *file, size_t at, uint32_t value) {
  for (int i = 0; i < 4; i++) file->data[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}
// Puts `bytes` in at `at` in place of `gone` bytes there.
static inline void splice(struct made_file *file, size_t at, size_t gone, const void *data, size_t bytes) {
  assert_true(at + gone <= file->bytes && file->bytes - gone + bytes <= MADE_MAX_BYTES);
  memmove(file->data + at + bytes, file->data + at + gone, file->bytes - at - gone);
  if (bytes > 0) memcpy(file->data + at, data, bytes);
  file->bytes = file->bytes - gone + bytes;
}

// Inspects a copy that is exactly as long, so that a sanitizer sees every byte read behind the end.
static inline enum base_result inspect_bytes(const void *data, size_t bytes, struct image_report *report,
                                             struct base_fault *fault) {
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  uint8_t *copy = malloc(bytes ? bytes : 1);
  assert_non_null(copy);
  if (bytes > 0) memcpy(copy, data, bytes);
  enum base_result result = inspect_file(base_span_of(copy, bytes), &limits, report, fault);
  free(copy);
  struct base_fault check = {0};
  if (result == BASE_OK && image_report_check(report, &check) != BASE_OK) fail_msg("the report: %s", check.text);
  return result;
}

static inline void print_findings(const struct image_report *report) {
  for (uint32_t i = 0; i < report->finding_count; i++) {
    const struct image_finding *finding = &report->findings[i];
    print_message("[%s] %s @%llu+%llu %s\n", image_rule_name((enum image_rule)finding->rule), finding->place,
                  (unsigned long long)finding->offset, (unsigned long long)finding->bytes, finding->text);
  }
}

static inline uint32_t count_findings(const struct image_report *report) {
  uint32_t count = 0;
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) count += report->rule_counts[rule];
  return count;
}

static inline struct image_report expect_clean(const struct made_file *file) {
  struct image_report report;
  assert_int_equal(inspect_bytes(file->data, file->bytes, &report, NULL), BASE_OK);
  if (count_findings(&report) != 0) print_findings(&report);
  assert_int_equal(count_findings(&report), 0);
  return report;
}

// The findings of `rule` include one whose place is `place` and whose text has `text` in it.
static inline struct image_report expect_finding(const struct made_file *file, enum image_rule rule, const char *place,
                                                 const char *text) {
  struct image_report report;
  assert_int_equal(inspect_bytes(file->data, file->bytes, &report, NULL), BASE_OK);
  for (uint32_t i = 0; i < report.finding_count; i++) {
    const struct image_finding *finding = &report.findings[i];
    if (finding->rule == rule && strcmp(finding->place, place) == 0 && strstr(finding->text, text)) return report;
  }
  print_findings(&report);
  fail_msg("no finding of %s at \"%s\": %s", image_rule_name(rule), place, text);
  return report;
}

// That one and no other.
static inline struct image_report expect_only(const struct made_file *file, enum image_rule rule, const char *place,
                                              const char *text) {
  struct image_report report = expect_finding(file, rule, place, text);
  if (count_findings(&report) != 1) print_findings(&report);
  assert_int_equal(count_findings(&report), 1);
  return report;
}

#endif
