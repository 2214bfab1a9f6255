#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_file.h"

static struct made_file file;

static void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

// 4 x 2 pixels.
static void make_psd(unsigned channels, unsigned bits, unsigned mode, unsigned compression, const char *resources,
                     size_t resource_bytes) {
  file.bytes = 0;
  put(&file, "8BPS\0\1\0\0\0\0\0\0", 12);
  put_be16(&file, channels);
  put_be32(&file, 2);
  put_be32(&file, 4);
  put_be16(&file, bits);
  put_be16(&file, mode);
  put_be32(&file, 0);
  put_be32(&file, (uint32_t)resource_bytes);
  put(&file, resources, resource_bytes);
  put_be32(&file, 0);
  put_be16(&file, compression);
  if (compression == 1) {
    for (unsigned row = 0; row < channels * 2; row++) put_be16(&file, 2);
    for (unsigned row = 0; row < channels * 2; row++) put(&file, "\xFD\x40", 2);
  } else {
    put_noise(&file, 4 * 2 * channels * bits / 8, 2);
  }
}

static void psd_is_described(void **state) {
  (void)state;
  make_psd(4, 16, 3, 0, "", 0);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_PSD);
  assert_int_equal(report.width, 4);
  assert_int_equal(report.height, 2);
  assert_int_equal(report.bits, 16);
  assert_int_equal(report.channels, 4);
  assert_true(report.has_alpha);
  make_psd(4, 8, 4, 1, "", 0);
  report = expect_clean(&file);
  assert_int_equal(report.space, IMAGE_SPACE_CMYK);
  assert_int_equal(report.data_bytes, 32);
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
}

static void damaged_psd_is_found(void **state) {
  (void)state;
  make_psd(2, 8, 3, 0, "", 0);
  expect_structure("header", "number of channels");
  make_psd(3, 12, 3, 3, "", 0);
  expect_structure("header", "depth");
  make_psd(3, 8, 5, 0, "", 0);
  expect_structure("header", "mode");
  make_psd(3, 8, 3, 0, "", 0);
  file.data[8] = 1;
  expect_structure("header", "reserved");
  make_psd(3, 8, 3, 0, "", 0);
  file.data[27] = 9;
  expect_structure("", "section");
  make_psd(3, 8, 3, 7, "", 0);
  expect_structure("picture", "unknown compression");
  make_psd(3, 8, 3, 0, "", 0);
  file.bytes -= 3;
  expect_structure("", "ends early");
  make_psd(3, 8, 3, 0, "8BIM\4\4\0\0\0\0\0\6<?php ", 18);
  expect_finding(&file, IMAGE_RULE_TEXT, "IPTC", "<?php");
  make_psd(3, 8, 3, 0, "8BIM\4\4\0\0\0\0\0\7abcdef", 18);
  expect_structure("resources", "cut off");
}

static void make_text(const char *head, size_t pixel_bytes) {
  file.bytes = 0;
  put_text(&file, head);
  put_noise(&file, pixel_bytes, 3);
}

static void pnm_is_described(void **state) {
  (void)state;
  make_text("P6 # a comment\n4 2\n255\n", 24);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_PNM);
  assert_int_equal(report.width, 4);
  assert_int_equal(report.height, 2);
  assert_int_equal(report.channels, 3);
  assert_int_equal(report.bits, 8);
  make_text("P5\n4 2\n65535\n", 16);
  report = expect_clean(&file);
  assert_int_equal(report.colour, IMAGE_COLOUR_GREY);
  assert_int_equal(report.bits, 16);
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
}

static void damaged_pnm_is_found(void **state) {
  static const char *const heads[] = {"P5\nx 2\n255\n",   "P5\n99999999 2\n255\n", "P5\n4 2\n0\n",
                                      "P5\n4 2\n65536\n", "P5\n4 2\n255",          "P5\n"};
  (void)state;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    make_text(heads[i], 0);
    expect_structure("header", "makes no sense");
  }
  make_text("P5\n4 2\n255\n", 7);
  expect_structure("", "ends early");
  make_text("P5\n0 2\n255\n", 0);
  expect_structure("header", "side of zero");
  make_text("P5\n#<?php\n4 2\n255\n", 8);
  expect_finding(&file, IMAGE_RULE_TEXT, "header", "<?php");
}

static void make_tga(unsigned kind, unsigned bits, unsigned id_bytes) {
  uint8_t head[18] = {[0] = (uint8_t)id_bytes, [2] = (uint8_t)kind, [12] = 4, [14] = 2, [16] = (uint8_t)bits};
  file.bytes = 0;
  put(&file, head, sizeof head);
}

static void tga_is_described(void **state) {
  (void)state;
  make_tga(2, 32, 0);
  put_noise(&file, 32, 4);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_TGA);
  assert_int_equal(report.width, 4);
  assert_int_equal(report.height, 2);
  assert_int_equal(report.channels, 4);
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
  put_zeros(&file, 8);
  put(&file, "TRUEVISION-XFILE.\0", 18);
  expect_clean(&file);
  make_tga(11, 8, 0);
  put(&file, "\x84\x11\2abc", 6);  // five pixels and three
  assert_int_equal(expect_clean(&file).data_bytes, 6);
  make_tga(1, 8, 0);
  file.data[1] = 1;
  file.data[5] = 2;
  file.data[7] = 24;
  put(&file, "rgbRGB", 6);
  put_noise(&file, 8, 5);
  assert_int_equal(expect_clean(&file).colour, IMAGE_COLOUR_PALETTE);
}

static void damaged_tga_is_found(void **state) {
  (void)state;
  make_tga(2, 24, 0);
  put_noise(&file, 23, 6);
  expect_structure("", "ends early");
  make_tga(11, 8, 0);
  put(&file, "\x84\x11", 2);
  expect_structure("", "ends early");
  make_tga(3, 8, 0);
  expect_structure("", "no picture data");
  make_tga(3, 8, 5);
  put_text(&file, "<?php");
  put_noise(&file, 8, 7);
  expect_finding(&file, IMAGE_RULE_TEXT, "id", "<?php");
}

static void psd_without_picture_is_found(void **state) {
  (void)state;
  make_psd(3, 8, 3, 0, "", 0);
  file.bytes = 26 + 12;
  expect_structure("", "no picture data");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(psd_is_described),
      cmocka_unit_test(damaged_psd_is_found),
      cmocka_unit_test(pnm_is_described),
      cmocka_unit_test(damaged_pnm_is_found),
      cmocka_unit_test(tga_is_described),
      cmocka_unit_test(damaged_tga_is_found),
      cmocka_unit_test(psd_without_picture_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
