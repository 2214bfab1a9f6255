// TIFF files by Debian's tools, and directories that no tool writes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "containers.h"
#include "made_file.h"

static struct made_file file;

static void load(const char *name) {
  struct base_buffer buffer = container_file(name);
  file.bytes = 0;
  put(&file, buffer.data, buffer.bytes);
  base_buffer_finish(&buffer);
}

static void files_of_the_tools_are_described(void **state) {
  static const struct {
    const char *name;
    uint32_t frames;
    uint8_t bits, channels;
    enum image_colour colour;
    enum image_colour_space space;
  } cases[] = {
      {"plain.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"lzw.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"deflate.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"jpeg.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"grey.tiff", 1, 8, 1, IMAGE_COLOUR_GREY, IMAGE_SPACE_GREY},
      {"bilevel.tiff", 1, 1, 1, IMAGE_COLOUR_GREY, IMAGE_SPACE_GREY},
      {"palette.tiff", 1, 8, 1, IMAGE_COLOUR_PALETTE, IMAGE_SPACE_SRGB},
      {"cmyk.tiff", 1, 8, 4, IMAGE_COLOUR_CMYK, IMAGE_SPACE_CMYK},
      {"pages.tiff", 3, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"alpha.tiff", 1, 8, 4, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"described.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_ADOBE_RGB},
      {"big_endian.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"bigtiff.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"tiles.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
      {"planes.tiff", 1, 8, 3, IMAGE_COLOUR_RGB, IMAGE_SPACE_SRGB},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    load(cases[i].name);
    print_message("%s\n", cases[i].name);
    struct image_report report = expect_clean(&file);
    assert_int_equal(report.format, IMAGE_FILE_TIFF);
    assert_int_equal(report.width, 64);
    assert_int_equal(report.height, 48);
    assert_int_equal(report.frames, cases[i].frames);
    assert_int_equal(report.bits, cases[i].bits);
    assert_int_equal(report.channels, cases[i].channels);
    assert_int_equal(report.colour, cases[i].colour);
    assert_int_equal(report.space, cases[i].space);
    assert_true(report.data_bytes > 0 && report.data_bytes < file.bytes);
  }
}

static void facts_of_a_camera_are_read(void **state) {
  (void)state;
  load("camera.tiff");
  struct image_report report = expect_only(&file, IMAGE_RULE_GPS, "IFD", "where the picture was taken");
  assert_true(report.exif.is_readable && report.exif.has_gps);
  assert_int_equal(report.exif.orientation, 8);
  assert_string_equal(report.exif.maker, "Pixpop");
  assert_string_equal(report.exif.taken, "2024:05:06 07:08:09");
  load("described.tiff");
  report = expect_clean(&file);
  assert_true(report.has_xmp && report.icc.is_valid);
  assert_string_equal(report.icc.description, "Adobe RGB (1998)");
  assert_int_equal(report.exif.orientation, 6);
  load("php.tiff");
  expect_finding(&file, IMAGE_RULE_TEXT, "IFD/270", "<?php");
  load("lab.tiff");
  report = expect_only(&file, IMAGE_RULE_PROFILE, "IFD/34675", "\"abst\"");
  assert_int_equal(report.space, IMAGE_SPACE_LAB);
}

// --- files made by hand: little-endian, one directory from byte 8 ---

struct tag {
  unsigned tag, type;
  uint32_t count, value;
};

enum { SHORT = 3, LONG = 4, PIXELS_AT = 400, PIXELS = 64 };

static void put_directory(const struct tag *tags, size_t count, uint32_t next) {
  put_le16(&file, (unsigned)count);
  for (size_t i = 0; i < count; i++) {
    put_le16(&file, tags[i].tag);
    put_le16(&file, tags[i].type);
    put_le32(&file, tags[i].count);
    put_le32(&file, tags[i].value);
  }
  put_le32(&file, next);
}

static const struct tag grey_8x8[] = {
    {256, SHORT, 1, 8}, {257, SHORT, 1, 8},        {258, SHORT, 1, 8},     {259, SHORT, 1, 1}, {262, SHORT, 1, 1},
    {277, SHORT, 1, 1}, {273, LONG, 1, PIXELS_AT}, {279, LONG, 1, PIXELS}, {278, SHORT, 1, 8},
};
enum { GREY_TAGS = sizeof grey_8x8 / sizeof *grey_8x8 };

// A grey picture of 8 x 8 with one tag in place of another or at the end (tag 0: none).
static void make(struct tag extra, uint32_t next) {
  struct tag tags[GREY_TAGS + 1];
  size_t count = GREY_TAGS;
  memcpy(tags, grey_8x8, sizeof grey_8x8);
  for (size_t i = 0; i <= GREY_TAGS && extra.tag; i++) {
    if (i < GREY_TAGS && tags[i].tag != extra.tag) continue;
    tags[i] = extra;
    if (i == GREY_TAGS) count++;
    break;
  }
  file.bytes = 0;
  put(&file, "II*\0\10\0\0\0", 8);
  put_directory(tags, count, next);
  put_zeros(&file, PIXELS_AT - file.bytes);
  put_noise(&file, PIXELS, 3);
}

static void made_file_is_clean(void **state) {
  (void)state;
  make((struct tag){0}, 0);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.data_bytes, PIXELS);
  assert_false(report.exif.is_present);
}

static void directories_are_reported_when_they_go_in_circles(void **state) {
  (void)state;
  make((struct tag){0}, 8);
  expect_only(&file, IMAGE_RULE_NESTING, "IFD", "a second time");
  make((struct tag){330, LONG, 1, 8}, 0);
  expect_only(&file, IMAGE_RULE_NESTING, "IFD", "a second time");
}

static void directories_are_reported_when_nested_too_deep(void **state) {
  (void)state;
  make((struct tag){330, LONG, 1, 600}, 0);
  put_zeros(&file, 600 - file.bytes);
  for (uint32_t depth = 0; depth < 20; depth++) {
    put_directory((struct tag[]){{330, LONG, 1, 600 + 18 * (depth + 1)}}, 1, 0);
  }
  expect_finding(&file, IMAGE_RULE_NESTING, "IFD", "deeper than 16");
}

static void strips_are_reported_when_they_can_not_be(void **state) {
  (void)state;
  make((struct tag){273, LONG, 1, 100000}, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IFD", "outside of the file");
  make((struct tag){279, LONG, 1, 10}, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IFD", "need 64 bytes, there are 10");
  make((struct tag){273, LONG, 1, 20}, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "half over another");
  make((struct tag){278, SHORT, 1, 2}, 0);
  expect_only(&file, IMAGE_RULE_STRUCTURE, "IFD", "fewer strips");
  make((struct tag){259, SHORT, 1, 4711}, 0);
  expect_only(&file, IMAGE_RULE_STRUCTURE, "IFD", "compression 4711");
}

static void values_are_reported_when_they_lie_outside(void **state) {
  (void)state;
  make((struct tag){270, 2, 500, 200}, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IFD/270", "outside of the file");
  make((struct tag){270, 12, 0xffffffff, 0xffffffff}, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IFD/270", "outside of the file");
  make((struct tag){0}, 100000);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IFD", "directory lies outside");
}

static void bytes_are_hidden_when_no_tag_reaches_them(void **state) {
  (void)state;
  make((struct tag){0}, 0);
  for (size_t at = 200; at < 300; at++) file.data[at] = (uint8_t)at;
  struct image_report report = expect_only(&file, IMAGE_RULE_HIDDEN, "", "bytes belong to no part");
  assert_true(report.hidden_bytes >= 100);
  make((struct tag){0}, 0);
  put_text(&file, "PK left behind by somebody");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "26 bytes");
}

static void tags_are_reported_when_they_come_twice(void **state) {
  (void)state;
  struct tag tags[GREY_TAGS + 2];
  memcpy(tags, grey_8x8, sizeof grey_8x8);
  tags[GREY_TAGS] = tags[GREY_TAGS + 1] = (struct tag){305, 2, 4, 0x00585858};
  file.bytes = 0;
  put(&file, "II*\0\10\0\0\0", 8);
  put_directory(tags, GREY_TAGS + 2, 0);
  put_zeros(&file, PIXELS_AT - file.bytes);
  put_noise(&file, PIXELS, 3);
  expect_only(&file, IMAGE_RULE_STRUCTURE, "IFD/305", "more than one entry");
}

// Its end is not known for sure, but what lies behind all that is known of it is searched.
static void what_follows_is_named_when_the_end_is_uncertain(void **state) {
  static const char rar[] = "Rar!\x1a\x07\x01\x00more of it";
  (void)state;
  make((struct tag){259, SHORT, 1, 6}, 0);
  put(&file, rar, sizeof rar);
  expect_finding(&file, IMAGE_RULE_POLYGLOT, "", "RAR");
  make((struct tag){279, SHORT, 2, PIXELS | PIXELS << 16}, 0);
  put(&file, rar, sizeof rar);
  expect_finding(&file, IMAGE_RULE_POLYGLOT, "", "RAR");
}

static void raw_photographs_are_recognised(void **state) {
  (void)state;
  make((struct tag){50706, 1, 4, 0x00000401}, 0);
  expect_only(&file, IMAGE_RULE_STRUCTURE, "IFD", "raw photograph (DNG)");
  make((struct tag){262, SHORT, 1, 32803}, 0);
  expect_only(&file, IMAGE_RULE_STRUCTURE, "IFD", "raw photograph");
}

static void every_cut_is_survived_and_noticed(void **state) {
  (void)state;
  load("described.tiff");
  for (size_t bytes = file.bytes - 1; bytes > 8; bytes -= bytes > 1500 ? 211 : 1) {
    struct image_report report;
    assert_int_equal(inspect_bytes(file.data, bytes, &report, NULL), BASE_OK);
    if (count_findings(&report) == 0) fail_msg("nothing was noticed at %zu bytes", bytes);
  }
}

static void damage_is_survived(void **state) {
  static const char *const names[] = {"camera.tiff", "described.tiff", "bigtiff.tiff", "tiles.tiff", "pages.tiff"};
  (void)state;
  uint32_t seed = 20240507;
  print_message("seed %u\n", seed);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (int round = 0; round < 400; round++) {
      load(names[i]);
      for (int flips = 0; flips < 4; flips++) {
        seed = seed * 1664525u + 1013904223u;
        const size_t at = (seed >> 8) % 600;
        file.data[round % 2 ? at : file.bytes - 1 - at] = (uint8_t)seed;
      }
      struct image_report report;
      if (inspect_bytes(file.data, file.bytes, &report, NULL) != BASE_OK) continue;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_of_the_tools_are_described),
      cmocka_unit_test(facts_of_a_camera_are_read),
      cmocka_unit_test(made_file_is_clean),
      cmocka_unit_test(directories_are_reported_when_they_go_in_circles),
      cmocka_unit_test(directories_are_reported_when_nested_too_deep),
      cmocka_unit_test(strips_are_reported_when_they_can_not_be),
      cmocka_unit_test(values_are_reported_when_they_lie_outside),
      cmocka_unit_test(bytes_are_hidden_when_no_tag_reaches_them),
      cmocka_unit_test(tags_are_reported_when_they_come_twice),
      cmocka_unit_test(what_follows_is_named_when_the_end_is_uncertain),
      cmocka_unit_test(raw_photographs_are_recognised),
      cmocka_unit_test(every_cut_is_survived_and_noticed),
      cmocka_unit_test(damage_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
