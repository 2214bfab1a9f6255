#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_jpeg.h"

static void plain_file_is_clean_and_described(void **state) {
  (void)state;
  make(3);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_JPEG);
  assert_int_equal(report.width, 16);
  assert_int_equal(report.height, 8);
  assert_int_equal(report.bits, 8);
  assert_int_equal(report.channels, 3);
  assert_int_equal(report.colour, IMAGE_COLOUR_RGB);
  assert_int_equal(report.frames, 1);
  assert_int_equal(report.parts, 6);
  assert_int_equal(report.data_bytes, 4);
  assert_false(report.is_progressive);
}

static void fill_bytes_are_legal(void **state) {
  (void)state;
  make(1);
  splice(&file, find(0xDB), 0, "\xFF\xFF\xFF", 3);
  expect_clean(&file);
}

static void bytes_between_segments_are_hidden(void **state) {
  (void)state;
  make(1);
  size_t at = find(0xDB);
  splice(&file, at, 0, "secret", 6);
  struct image_report report = expect_finding(&file, IMAGE_RULE_HIDDEN, "", "6 bytes");
  assert_int_equal(report.hidden_bytes, 6);
  assert_int_equal(report.findings[0].offset, at);
  splice(&file, at, 6, "\xFF\x00", 2);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "between two segments");
}

static void lengths_are_checked(void **state) {
  (void)state;
  make(1);
  file.data[find(0xDB) + 3] = 1;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DQT", "impossible length");
  make(1);
  file.data[find(0xC4) + 2] = 0xFF;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DHT", "behind the end");
}

static void order_is_checked(void **state) {
  (void)state;
  make(1);
  remove_segment(0xC0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "SOS", "before any frame");
  make(1);
  remove_segment(0xDB);
  expect_structure("SOS", "quantisation");
  make(1);
  remove_segment(0xC4);
  expect_structure("SOS", "Huffman");
  make(1);
  splice(&file, find(0xC4), 0, file.data + find(0xC0), 13);
  expect_structure("SOF0", "second frame");
}

static void impossible_tables_are_found(void **state) {
  (void)state;
  make(1);
  file.data[find(0xDB) + 4] = 0x04;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DQT", "can not exist");
  make(1);
  file.data[find(0xDB) + 10] = 0;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DQT", "zero");
  make(1);
  file.data[find(0xDB) + 4] = 0x10;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DQT", "cut off");
  make(1);
  file.data[find(0xC4) + 4] = 0x20;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DHT", "can not exist");
  make(1);
  file.data[find(0xC4) + 5] = 3;  // three codes of one bit
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DHT", "more codes");
  make(1);
  file.data[find(0xC4) + 4 + 19 + 16] = 9;  // symbols behind the segment
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "DHT", "cut off");
}

static void impossible_frames_are_found(void **state) {
  static const struct {
    size_t at;
    uint8_t value;
    const char *text;
  } cases[] = {{4, 12, "bit depth"},    {8, 0, "width"},           {11, 0x51, "sampling"},
               {12, 4, "quantisation"}, {12, 255, "quantisation"}, {13, 1, "one name"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(3);
    file.data[find(0xC0) + cases[i].at] = cases[i].value;
    expect_finding(&file, IMAGE_RULE_STRUCTURE, "SOF0", cases[i].text);
  }
  make(3);
  file.data[find(0xC0) + 9] = 2;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "SOF0", "wrong length");
  file.data[find(0xC0) + 9] = 9;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "SOF0", "number of components");
}

static void impossible_scans_are_found(void **state) {
  (void)state;
  make(3);
  file.data[find(0xDA) + 5] = 9;
  expect_structure("SOS", "component that the frame");
  make(3);
  file.data[find(0xDA) + 7] = 1;  // the first component again
  expect_structure("SOS", "component that the frame");
  make(3);
  file.data[find(0xDA) + 4] = 2;
  expect_structure("SOS", "wrong length");
  make(1);
  splice(&file, file.bytes - 6, 4, NULL, 0);
  expect_structure("SOS", "without any data");
}

static void progressive_scans_select_coefficients(void **state) {
  (void)state;
  begin();
  put_quantisation();
  put_frame(0xC2, 8, 8, 1);
  put_huffman();
  put_scan_head(1, 0);
  put(&file, "\x12", 1);
  put_segment(0xDA, "\x01\x01\x00\x01\x3F\x00", 6);
  put(&file, "\x12\xFF\xD9", 3);
  struct image_report report = expect_clean(&file);
  assert_true(report.is_progressive);
  file.data[file.bytes - 3 - 2] = 64;
  expect_structure("SOS", "coefficients");
}

static void twelve_bits_lossless_and_arithmetic_are_known(void **state) {
  (void)state;
  begin();
  put_quantisation();
  put_frame(0xC1, 8, 8, 1);
  file.data[find(0xC1) + 4] = 12;
  put_huffman();
  put_scan_head(1, 63);
  put(&file, "\x12\xFF\xD9", 3);
  assert_int_equal(expect_clean(&file).bits, 12);
  begin();
  put_frame(0xC3, 8, 8, 1);
  file.data[find(0xC3) + 4] = 16;
  put_huffman();
  put_scan_head(1, 0);
  put(&file, "\x12\xFF\xD9", 3);
  assert_int_equal(expect_clean(&file).bits, 16);
  begin();
  put_quantisation();
  put_frame(0xC9, 8, 8, 1);
  put_scan_head(1, 63);
  put(&file, "\x12\xFF\xD9", 3);
  expect_clean(&file);
}

static void make_restarts(const char *data, size_t bytes) {
  begin();
  put_quantisation();
  put_frame(0xC0, 24, 8, 1);
  put_huffman();
  SEGMENT(0xDD, "\0\1");
  put_scan_head(1, 63);
  put(&file, data, bytes);
  put(&file, "\xFF\xD9", 2);
}

static void restart_markers_count_up(void **state) {
  (void)state;
  make_restarts("\x12\xFF\xD0\x12\xFF\xD1\x12", 7);
  expect_clean(&file);
  make_restarts("\x12\xFF\xD0\x12\xFF\xD2\x12", 7);
  expect_structure("SOS", "out of their order");
  make_restarts("\x12\xFF\xD0\x12", 4);
  expect_structure("SOS", "1 restart markers where the picture's size asks for 2");
  make_restarts("\x12\xFF\xD0\x12\xFF\xD1\x12", 7);
  remove_segment(0xDD);
  expect_structure("SOS", "no restart interval");
}

static void line_count_may_follow_the_first_scan(void **state) {
  (void)state;
  begin();
  put_quantisation();
  put_frame(0xC0, 8, 0, 1);
  put_huffman();
  put_scan_head(1, 63);
  put(&file, "\x12", 1);
  struct made_file head = file;
  SEGMENT(0xDC, "\0\7");
  put(&file, "\xFF\xD9", 2);
  assert_int_equal(expect_clean(&file).height, 7);
  file = head;
  put(&file, "\xFF\xD9", 2);
  expect_structure("", "how high");
}

static void markers_and_segments_out_of_place_are_found(void **state) {
  (void)state;
  make(1);
  splice(&file, find(0xDB), 0, "\xFF\xD0", 2);
  expect_structure("RST0", "may not be");
  make(1);
  splice(&file, find(0xDB), 0, "\xFF\xD8", 2);
  expect_structure("SOI", "may not be");
  make(1);
  splice(&file, find(0xDB), 0, "\xFF\xF3\0\2", 4);
  expect_structure("0xF3", "no JPEG picture has");
}

static void missing_end_is_found(void **state) {
  (void)state;
  make(1);
  file.bytes -= 2;
  expect_structure("", "without an end marker");
}

static void trailing_bytes_are_found(void **state) {
  (void)state;
  make(1);
  put_text(&file, "more");
  assert_int_equal(expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes").trailing_bytes, 4);
  make(1);
  put_zeros(&file, 100);
  assert_int_equal(expect_clean(&file).trailing_bytes, 100);
}

static void short_segments_are_found(void **state) {
  (void)state;
  MAKE_WITH(1, 0xDD, "\0\1\2");
  expect_structure("DRI", "two bytes");
  MAKE_WITH(1, 0xDC, "\0\0");
  expect_structure("DNL", "makes no sense");
  MAKE_WITH(1, 0xDC, "\0\1");
  expect_structure("DNL", "may be none");
  MAKE_WITH(1, 0xC4, "\0\1\2");
  expect_structure("DHT", "cut off");
  MAKE_WITH(1, 0xC0, "\x08\0\1");
  expect_structure("SOF0", "cut off");
  MAKE_WITH(1, 0xE0, "JFIF\0\1\2");
  expect_structure("APP0", "JFIF header is cut off");
  MAKE_WITH(1, 0xE0, "JFXX\0\x12");
  expect_structure("APP0", "unknown kind");
  MAKE_WITH(1, 0xE0,
            "JFXX\0\x10"
            "abc");
  expect_structure("APP0", "none");
  MAKE_WITH(1, 0xE0, "JFXX\0\x10\xFF\xD8\xFF\xD9");
  assert_true(expect_clean(&file).has_thumbnail);
  MAKE_WITH(1, 0xE1, "http://ns.adobe.com/xmp/extension/\0abc");
  expect_structure("XMP", "cut off");
  MAKE_WITH(1, 0xEE, "Adobe\0");
  expect_structure("APP14", "cut off");
}

static void files_without_a_frame_or_data_are_found(void **state) {
  (void)state;
  begin();
  put_quantisation();
  put(&file, "\xFF\xD9", 2);
  expect_structure("", "no frame header");
  begin();
  put_quantisation();
  put_frame(0xC0, 16, 8, 1);
  put(&file, "\xFF\xD9", 2);
  expect_structure("", "no picture data");
  file.bytes -= 2;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "without an end marker");
  make(2);
  expect_structure("SOF0", "two components");
  make(1);
  file.data[find(0xC4) + 4 + 19] = 1;  // the AC table becomes a second DC table
  expect_structure("SOS", "Huffman");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_file_is_clean_and_described),
      cmocka_unit_test(fill_bytes_are_legal),
      cmocka_unit_test(bytes_between_segments_are_hidden),
      cmocka_unit_test(lengths_are_checked),
      cmocka_unit_test(order_is_checked),
      cmocka_unit_test(impossible_tables_are_found),
      cmocka_unit_test(impossible_frames_are_found),
      cmocka_unit_test(impossible_scans_are_found),
      cmocka_unit_test(progressive_scans_select_coefficients),
      cmocka_unit_test(twelve_bits_lossless_and_arithmetic_are_known),
      cmocka_unit_test(restart_markers_count_up),
      cmocka_unit_test(line_count_may_follow_the_first_scan),
      cmocka_unit_test(markers_and_segments_out_of_place_are_found),
      cmocka_unit_test(missing_end_is_found),
      cmocka_unit_test(trailing_bytes_are_found),
      cmocka_unit_test(short_segments_are_found),
      cmocka_unit_test(files_without_a_frame_or_data_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
