#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_jpeg.h"

static void jfif_thumbnail_has_its_size(void **state) {
  (void)state;
  begin();
  SEGMENT(0xE0, "JFIF\0\1\2\0\0\1\0\1\1\1abc");
  put_rest(1);
  assert_true(expect_clean(&file).has_thumbnail);
  file.data[find(0xE0) + 4 + 12] = 9;
  expect_structure("APP0", "cut off");
  begin();
  SEGMENT(0xE0, "JFIF\0\1\2\0\0\1\0\1\0\0abc");
  put_rest(1);
  expect_only(&file, IMAGE_RULE_HIDDEN, "APP0", "3 bytes");
}

static void colour_transform_goes_with_the_components(void **state) {
  (void)state;
  begin();
  SEGMENT(0xEE, "Adobe\0\x64\0\0\0\0\2");
  put_rest(4);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.colour, IMAGE_COLOUR_CMYK);
  assert_int_equal(report.space, IMAGE_SPACE_CMYK);
  assert_int_equal(report.space_source, IMAGE_SPACE_FROM_MARKER);
  begin();
  SEGMENT(0xEE, "Adobe\0\x64\0\0\0\0\2");
  put_rest(3);
  expect_only(&file, IMAGE_RULE_COLOUR, "APP14", "YCCK");
  make(3);
  splice(&file, find(0xDB), 0,
         "\xFF\xEE\0\x0E"
         "Adobe\0\x64\0\0\0\0\0",
         16);
  expect_only(&file, IMAGE_RULE_COLOUR, "APP14", "JFIF says YCbCr");
  make(4);
  expect_only(&file, IMAGE_RULE_COLOUR, "APP14", "four colours");
}

static void put_profile(unsigned number, unsigned count, const char *text) {
  uint8_t part[64] = "ICC_PROFILE";
  part[12] = (uint8_t)number;
  part[13] = (uint8_t)count;
  memcpy(part + 14, text, strlen(text));
  put_segment(0xE2, part, 14 + strlen(text));
}

static void profile_portions_are_put_together(void **state) {
  static const struct {
    unsigned first, first_count, second, second_count;
    const char *text;
  } cases[] = {{1, 3, 2, 3, "2 of the profile's 3"},
               {1, 2, 1, 2, "comes twice"},
               {1, 2, 2, 3, "disagree"},
               {0, 2, 2, 2, "proper number"},
               {3, 2, 1, 2, "proper number"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    begin();
    put_profile(cases[i].first, cases[i].first_count, "abc");
    put_profile(cases[i].second, cases[i].second_count, "def");
    put_rest(1);
    expect_finding(&file, IMAGE_RULE_PROFILE, "APP2", cases[i].text);
  }
  begin();
  put_profile(2, 2, "def");
  put_profile(1, 2, "abc");
  put_rest(1);
  struct image_report report = expect_only(&file, IMAGE_RULE_PROFILE, "APP2", "damaged");
  assert_int_equal(report.icc.bytes, 6);
}

static void comments_and_xmp_are_texts(void **state) {
  (void)state;
  begin();
  SEGMENT(0xFE, "taken at noon");
  SEGMENT(0xE1, "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>");
  put_rest(1);
  struct image_report report = expect_clean(&file);
  assert_true(report.has_xmp);
  assert_int_equal(report.text_bytes, 13 + 12);
  begin();
  SEGMENT(0xFE, "<?php system($_GET[0]);");
  put_rest(1);
  expect_finding(&file, IMAGE_RULE_TEXT, "COM", "<?php");
}

static void put_extended_xmp(uint32_t whole, uint32_t offset, size_t bytes) {
  static struct made_file part;
  part.bytes = 0;
  put(&part, "http://ns.adobe.com/xmp/extension/", 35);
  put_text(&part, "0123456789ABCDEF0123456789ABCDEF");
  put_be32(&part, whole);
  put_be32(&part, offset);
  for (size_t i = 0; i < bytes; i++) put8(&part, 'x');
  put_segment(0xE1, part.data, part.bytes);
}

static void extended_xmp_is_all_there(void **state) {
  (void)state;
  begin();
  put_extended_xmp(10, 0, 6);
  put_extended_xmp(10, 6, 4);
  put_rest(1);
  expect_clean(&file);
  begin();
  put_extended_xmp(10, 0, 6);
  put_rest(1);
  expect_structure("XMP", "not all there");
  begin();
  put_extended_xmp(10, 8, 10);
  put_rest(1);
  expect_structure("XMP", "own length");
  begin();
  put_extended_xmp(2 << 20, 0, 6);
  put_rest(1);
  expect_finding(&file, IMAGE_RULE_CHUNK_SIZE, "XMP", "2097152");
}

static void large_unknown_segments_are_suspicious(void **state) {
  static uint8_t payload[20000];
  (void)state;
  memset(payload, 'q', sizeof payload);
  begin();
  put_segment(0xE7, payload, 1000);
  put_rest(1);
  expect_clean(&file);
  begin();
  put_segment(0xE7, payload, sizeof payload);
  put_rest(1);
  expect_only(&file, IMAGE_RULE_HIDDEN, "APP7", "20000 bytes");
  memcpy(payload, "JP", 2);
  begin();
  put_segment(0xEB, payload, sizeof payload);
  put_rest(1);
  expect_clean(&file);
}

static void photoshop_resources_are_walked(void **state) {
  (void)state;
  begin();
  SEGMENT(0xED,
          "Photoshop 3.0\0"
          "8BIM\4\4\0\0\0\0\0\3<?=\0"
          "8BIM\4\x0C\0\0\0\0\0\2ab");
  put_rest(1);
  struct image_report report = expect_finding(&file, IMAGE_RULE_TEXT, "IPTC", "<?=");
  assert_true(report.has_thumbnail);
  assert_int_equal(report.rule_counts[IMAGE_RULE_STRUCTURE], 0);
  begin();
  SEGMENT(0xED,
          "Photoshop 3.0\0"
          "8BIM\3\xE9\0\0\0\0\0\7abc");
  SEGMENT(0xED,
          "Photoshop 3.0\0"
          "defg\0"
          "8BIM\3\xE9\0\0\0\0\0\0");
  put_rest(1);
  expect_clean(&file);
  begin();
  SEGMENT(0xED,
          "Photoshop 3.0\0"
          "8BIM\3\xE9\0\0\0\0\0\7abc");
  put_rest(1);
  expect_structure("APP13", "cut off");
  begin();
  SEGMENT(0xED,
          "Photoshop 3.0\0"
          "9BIM\3\xE9\0\0\0\0\0\0");
  put_rest(1);
  expect_structure("APP13", "signature");
}

// A second picture behind the first one's end, named by a Multi-Picture index.
static void make_pictures(uint32_t count, uint32_t move, const char *between) {
  begin();
  size_t index = file.bytes + 8;
  static struct made_file part;
  part.bytes = 0;
  put(&part, "MPF\0MM\0*\0\0\0\x08\0\2", 14);
  put(&part, "\xB0\x01\0\4\0\0\0\1", 8);
  put_be32(&part, count);
  put(&part, "\xB0\x02\0\7\0\0\0\x20\0\0\0\x26", 12);
  put_zeros(&part, 4 + 16 + 16);
  put_segment(0xE2, part.data, part.bytes);
  put_rest(3);
  put_text(&file, between);
  uint32_t start = (uint32_t)file.bytes;
  put(&file, "\xFF\xD8", 2);
  put_rest(1);
  for (int i = 0; i < 2; i++) {
    uint32_t value = i == 0 ? (uint32_t)file.bytes - start : start - (uint32_t)index + move;
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    memcpy(file.data + index + 0x26 + 16 + 4 + 4 * i, bytes, 4);
  }
}

static void pictures_of_an_index_are_no_trailing_bytes(void **state) {
  (void)state;
  make_pictures(2, 0, "");
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.frames, 2);
  assert_int_equal(report.width, 16);
  assert_int_equal(report.channels, 3);
  assert_int_equal(report.data_bytes, 8);
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
  make_pictures(2, 0, "between");
  expect_only(&file, IMAGE_RULE_HIDDEN, "MPF", "7 bytes");
  make_pictures(3, 0, "");
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "MPF", "makes no sense");
  make_pictures(2, 1, "");
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "MPF", "where there is none");
}

static void second_blocks_are_found(void **state) {
  static const char exif[] = "Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0";
  (void)state;
  begin();
  SEGMENT(0xE1, exif);
  SEGMENT(0xE1, exif);
  put_rest(1);
  expect_finding(&file, IMAGE_RULE_EXIF, "APP1", "second EXIF");
  begin();
  SEGMENT(0xE2, "MPF\0II*\0");
  SEGMENT(0xE2, "MPF\0II*\0");
  put_rest(1);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "APP2", "second Multi-Picture");
}

static void unknown_transforms_are_found(void **state) {
  (void)state;
  MAKE_WITH(3, 0xEE, "Adobe\0\x64\0\0\0\0\3");
  expect_only(&file, IMAGE_RULE_COLOUR, "APP14", "unknown colour transform");
  MAKE_WITH(4, 0xEE, "Adobe\0\x64\0\0\0\0\1");
  expect_only(&file, IMAGE_RULE_COLOUR, "APP14", "YCbCr is said");
}

static void profile_over_the_limit_is_not_put_together(void **state) {
  enum { PORTIONS = 66, PORTION_BYTES = 65519, SEGMENT_BYTES = PORTION_BYTES + 18 };
  (void)state;
  begin();
  put_rest(1);
  size_t bytes = file.bytes + (size_t)PORTIONS * SEGMENT_BYTES;
  uint8_t *data = calloc(1, bytes);
  assert_non_null(data);
  memcpy(data, "\xFF\xD8", 2);
  for (size_t i = 0; i < PORTIONS; i++) {
    uint8_t *segment = data + 2 + i * SEGMENT_BYTES;
    memcpy(segment, "\xFF\xE2\xFF\xFFICC_PROFILE\0", 16);
    segment[16] = (uint8_t)(i + 1);
    segment[17] = PORTIONS;
  }
  memcpy(data + bytes - (file.bytes - 2), file.data + 2, file.bytes - 2);
  struct image_report report;
  assert_int_equal(inspect_bytes(data, bytes, &report, NULL), BASE_OK);
  free(data);
  assert_int_equal(count_findings(&report), 1);
  assert_int_equal(report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
  assert_false(report.icc.is_present);
}

static void segments_that_nobody_reads_are_searched(void **state) {
  (void)state;
  begin();
  SEGMENT(0xE9, "something of somebody: javascript:alert(1)");
  put_rest(1);
  expect_only(&file, IMAGE_RULE_TEXT, "APP9", "javascript:");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(jfif_thumbnail_has_its_size),
      cmocka_unit_test(colour_transform_goes_with_the_components),
      cmocka_unit_test(profile_portions_are_put_together),
      cmocka_unit_test(comments_and_xmp_are_texts),
      cmocka_unit_test(extended_xmp_is_all_there),
      cmocka_unit_test(large_unknown_segments_are_suspicious),
      cmocka_unit_test(photoshop_resources_are_walked),
      cmocka_unit_test(pictures_of_an_index_are_no_trailing_bytes),
      cmocka_unit_test(second_blocks_are_found),
      cmocka_unit_test(unknown_transforms_are_found),
      cmocka_unit_test(profile_over_the_limit_is_not_put_together),
      cmocka_unit_test(segments_that_nobody_reads_are_searched),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
