#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_file.h"

static struct made_file file;

enum { CORE = 12, INFO = 40, V4 = 108, V5 = 124, HEADER_AT = 14 };

// 4 x 2 pixels in 24 bits: rows of 12 bytes.
static void make(uint32_t header_bytes) {
  file.bytes = 0;
  put_text(&file, "BM");
  put_le32(&file, HEADER_AT + header_bytes + 24);
  put_le32(&file, 0);
  put_le32(&file, HEADER_AT + header_bytes);
  put_le32(&file, header_bytes);
  if (header_bytes == CORE) {
    put_le16(&file, 4);
    put_le16(&file, 2);
  } else {
    put_le32(&file, 4);
    put_le32(&file, 2);
  }
  put_le16(&file, 1);
  put_le16(&file, 24);
  put_zeros(&file, HEADER_AT + header_bytes - file.bytes);
  put_noise(&file, 24, 1);
}
static void set_field(size_t at, uint32_t value) { set_le32(&file, HEADER_AT + at, value); }
static void set_field16(size_t at, unsigned value) {
  file.data[HEADER_AT + at] = (uint8_t)value;
  file.data[HEADER_AT + at + 1] = (uint8_t)(value >> 8);
}

static void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

static void every_header_is_described(void **state) {
  static const uint32_t headers[] = {CORE, INFO, 52, 56, 64, V4, V5};
  (void)state;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    make(headers[i]);
    struct image_report report = expect_clean(&file);
    assert_int_equal(report.format, IMAGE_FILE_BMP);
    assert_int_equal(report.width, 4);
    assert_int_equal(report.height, 2);
    assert_int_equal(report.colour, IMAGE_COLOUR_RGB);
    assert_int_equal(report.data_bytes, 24);
  }
  make(INFO);
  set_field(8, (uint32_t)-2);  // top row first
  assert_int_equal(expect_clean(&file).height, 2);
}

static void impossible_headers_are_found(void **state) {
  static const struct {
    size_t at;
    uint32_t value;
    const char *text;
  } cases[] = {{4, 0, "size that can not be"}, {8, 0x80000000, "size that can not be"},
               {16, 1, "other depth"},         {16, 2, "other depth"},
               {16, 3, "colour masks"},        {16, 4, "JPEG or PNG"},
               {16, 5, "JPEG or PNG"},         {16, 11, "unknown compression"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(INFO);
    set_field(cases[i].at, cases[i].value);
    expect_finding(&file, IMAGE_RULE_STRUCTURE, "header", cases[i].text);
  }
  make(INFO);
  set_field16(12, 2);
  expect_structure("header", "one plane");
  make(INFO);
  set_field16(14, 23);
  expect_structure("header", "depth");
  make(INFO);
  set_field(8, (uint32_t)-2);
  set_field16(14, 8);
  set_field(16, 1);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "header", "top down");
}

static void gap_in_front_of_the_pixels_is_hidden(void **state) {
  (void)state;
  make(INFO);
  splice(&file, HEADER_AT + INFO, 0, "\0\0\0\0", 4);
  set_le32(&file, 10, HEADER_AT + INFO + 4);
  set_le32(&file, 2, (uint32_t)file.bytes);
  expect_clean(&file);
  memcpy(file.data + HEADER_AT + INFO, "here", 4);
  assert_int_equal(expect_only(&file, IMAGE_RULE_HIDDEN, "header", "4 bytes").hidden_bytes, 4);
}

static void places_and_sizes_are_checked(void **state) {
  (void)state;
  make(INFO);
  set_le32(&file, 10, 1000);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "header", "behind the end");
  make(INFO);
  set_le32(&file, 10, HEADER_AT + INFO - 4);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "header", "inside of header");
  make(INFO);
  file.bytes--;
  set_le32(&file, 2, (uint32_t)file.bytes);
  expect_structure("pixels", "ends early");
  make(INFO);
  set_le32(&file, 2, 70);
  expect_structure("header", "not the file's");
  set_le32(&file, 2, 0);
  expect_clean(&file);
  make(INFO);
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
  make(INFO);
  set_field(4, INT32_MAX);
  set_field(8, INT32_MAX);
  set_field16(14, 32);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "pixels", "ends early");
}

static void palette_and_masks_are_no_gap(void **state) {
  (void)state;
  make(INFO);
  set_field16(14, 8);
  set_field(32, 2);
  splice(&file, HEADER_AT + INFO, 24,
         "\1\2\3\0\4\5\6\0"
         "abcdefgh",
         16);
  set_le32(&file, 10, HEADER_AT + INFO + 8);
  set_le32(&file, 2, (uint32_t)file.bytes);
  assert_int_equal(expect_clean(&file).colour, IMAGE_COLOUR_PALETTE);
  make(INFO);
  set_field16(14, 16);
  set_field(16, 3);
  splice(&file, HEADER_AT + INFO, 8, "\1\0\0\0\2\0\0\0\4\0\0\0", 12);
  set_le32(&file, 10, HEADER_AT + INFO + 12);
  set_le32(&file, 2, (uint32_t)file.bytes);
  expect_clean(&file);
}

static void colour_space_of_the_header_is_read(void **state) {
  (void)state;
  make(V4);
  set_field(56, 0x73524742);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.space, IMAGE_SPACE_SRGB);
  assert_int_equal(report.space_source, IMAGE_SPACE_FROM_CHUNK);
  set_field(56, 77);
  expect_structure("header", "unknown colour space");
}

static void make_profile(uint32_t kind, const char *profile) {
  make(V5);
  set_field(56, kind);
  set_field(112, V5 + 24);
  set_field(116, (uint32_t)strlen(profile));
  put_text(&file, profile);
  set_le32(&file, 2, (uint32_t)file.bytes);
}

static void profiles_are_found(void **state) {
  enum { LINKED = 0x4C494E4B, EMBEDDED = 0x4D424544 };
  (void)state;
  make_profile(EMBEDDED, "no profile");
  struct image_report report = expect_only(&file, IMAGE_RULE_PROFILE, "profile", "damaged");
  assert_int_equal(report.icc.bytes, 10);
  assert_int_equal(report.trailing_bytes, 0);
  make_profile(LINKED, "C:\\profile.icm");
  expect_only(&file, IMAGE_RULE_PROFILE, "profile", "file of the computer");
  make_profile(EMBEDDED, "no profile");
  set_field(116, 1000);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "profile", "where it can not be");
  make_profile(EMBEDDED, "no profile");
  splice(&file, HEADER_AT + V5 + 24, 0, "gap", 3);
  set_field(112, V5 + 24 + 3);
  set_le32(&file, 2, (uint32_t)file.bytes);
  expect_finding(&file, IMAGE_RULE_HIDDEN, "profile", "3 bytes");
}

static void cut_header_and_planes_are_found(void **state) {
  (void)state;
  make(V5);
  file.bytes = 100;
  expect_structure("header", "cut off");
  make(CORE);
  set_field16(8, 3);
  expect_structure("header", "one plane");
}

static void profile_over_the_limit_is_not_read(void **state) {
  enum { PROFILE_BYTES = (4 << 20) + 1 };
  (void)state;
  make_profile(0x4D424544, "");
  set_field(116, PROFILE_BYTES);
  set_le32(&file, 2, 0);
  uint8_t *data = calloc(1, file.bytes + PROFILE_BYTES);
  struct image_report report;
  assert_non_null(data);
  memcpy(data, file.data, file.bytes);
  assert_int_equal(inspect_bytes(data, file.bytes + PROFILE_BYTES, &report, NULL), BASE_OK);
  free(data);
  assert_int_equal(count_findings(&report), 1);
  assert_int_equal(report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_header_is_described),
      cmocka_unit_test(impossible_headers_are_found),
      cmocka_unit_test(gap_in_front_of_the_pixels_is_hidden),
      cmocka_unit_test(places_and_sizes_are_checked),
      cmocka_unit_test(palette_and_masks_are_no_gap),
      cmocka_unit_test(colour_space_of_the_header_is_read),
      cmocka_unit_test(profiles_are_found),
      cmocka_unit_test(cut_header_and_planes_are_found),
      cmocka_unit_test(profile_over_the_limit_is_not_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
