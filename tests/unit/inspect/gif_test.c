#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_file.h"

static struct made_file file;

// A screen of 8 x 4 with a colour table of two.
static void begin(void) {
  file.bytes = 0;
  put(&file, "GIF89a\x08\0\x04\0\x80\0\0", 13);
  put(&file, "\0\0\0\xFF\xFF\xFF", 6);
}

static void put_frame(unsigned left, unsigned width) {
  put8(&file, 0x2C);
  put_le16(&file, left);
  put_le16(&file, 0);
  put_le16(&file, width);
  put_le16(&file, 4);
  put8(&file, 0);
  put(&file, "\2\2\x44\1\0", 5);
}
static void end(void) { put8(&file, 0x3B); }

static void put_extension(uint8_t label, const char *blocks, size_t bytes) {
  put8(&file, 0x21);
  put8(&file, label);
  put(&file, blocks, bytes);
}
#define EXTENSION(label, blocks) put_extension((label), (blocks), sizeof(blocks) - 1)

static void make(void) {
  begin();
  put_frame(0, 8);
  end();
}

static void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

static void frames_are_counted(void **state) {
  (void)state;
  make();
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_GIF);
  assert_int_equal(report.width, 8);
  assert_int_equal(report.height, 4);
  assert_int_equal(report.colour, IMAGE_COLOUR_PALETTE);
  assert_false(report.has_alpha);
  begin();
  EXTENSION(0xF9, "\4\1\0\0\0\0");
  put_frame(0, 8);
  EXTENSION(0xFF, "\x0BNETSCAPE2.0\3\1\0\0\0");
  put_frame(2, 6);
  put_frame(0, 8);
  end();
  report = expect_clean(&file);
  assert_int_equal(report.frames, 3);
  assert_true(report.has_alpha);
}

static void frames_are_checked(void **state) {
  (void)state;
  begin();
  put_frame(3, 6);
  end();
  expect_structure("frame", "screen");
  begin();
  put_frame(0, 0);
  end();
  expect_structure("frame", "side of zero");
  make();
  file.data[19 + 10] = 12;
  expect_structure("frame", "code size");
  make();
  file.data[10] = 0;
  splice(&file, 13, 6, NULL, 0);
  expect_structure("frame", "without any colour table");
  begin();
  put_frame(0, 8);
  splice(&file, file.bytes - 4, 3, NULL, 0);
  end();
  expect_structure("frame", "without data");
}

static void damaged_blocks_are_found(void **state) {
  (void)state;
  begin();
  end();
  expect_structure("", "no picture");
  make();
  file.bytes--;
  expect_structure("", "without its trailer");
  make();
  file.data[19 + 11] = 200;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "frame", "do not end");
  begin();
  EXTENSION(0xF9, "\3\1\0\0\0");
  put_frame(0, 8);
  end();
  expect_structure("control", "four bytes");
  begin();
  EXTENSION(0x77, "\1a\0");
  put_frame(0, 8);
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "extension", "unknown kind 0x77");
  expect_finding(&file, IMAGE_RULE_HIDDEN, "extension", "");
  begin();
  EXTENSION(0xFF, "\3abc\0");
  put_frame(0, 8);
  end();
  expect_structure("application", "eleven");
}

static void stray_bytes_are_hidden_but_zeros_are_not(void **state) {
  (void)state;
  begin();
  put_frame(0, 8);
  put_zeros(&file, 3);
  end();
  expect_clean(&file);
  begin();
  put_frame(0, 8);
  put_text(&file, "secret");
  end();
  assert_int_equal(expect_finding(&file, IMAGE_RULE_HIDDEN, "", "6 bytes").hidden_bytes, 6);
  make();
  put_text(&file, "more");
  expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes");
}

static void texts_are_read_across_blocks(void **state) {
  (void)state;
  begin();
  EXTENSION(0xFE, "\4<scr\5ipt>x\0");
  put_frame(0, 8);
  end();
  struct image_report report = expect_only(&file, IMAGE_RULE_TEXT, "comment", "<script");
  assert_int_equal(report.text_bytes, 9);
  begin();
  EXTENSION(0x01, "\5<?php\0");
  put_frame(0, 8);
  end();
  expect_only(&file, IMAGE_RULE_TEXT, "plain text", "<?php");
}

static void unknown_extensions_are_read(void **state) {
  (void)state;
  begin();
  EXTENSION(0xFF, "\x0BSOMETHING1.\x0E eval(atob(x))\0");
  put_frame(0, 8);
  end();
  expect_only(&file, IMAGE_RULE_TEXT, "application", "eval(");
}

// What an 8 x 4 picture never needs, and what it may have.
static void data_behind_the_pixels_is_found(void **state) {
  (void)state;
  for (int is_text = 0; is_text < 2; is_text++) {
    begin();
    put_frame(0, 8);
    file.bytes--;  // its terminator
    for (int i = 0; i < 1000; i++) {
      put8(&file, 255);
      if (is_text) {
        for (int k = 0; k < 15; k++) put_text(&file, "var a = f(x[1]);\n");
      } else {
        put_noise(&file, 255, (uint32_t)i + 1);
      }
    }
    put8(&file, 0);
    end();
    struct image_report report = expect_finding(&file, IMAGE_RULE_DATA_ENTROPY, "", "bytes of image data for");
    assert_int_equal(report.rule_counts[IMAGE_RULE_DATA_ENTROPY], 1 + is_text);
  }
}

static void xmp_is_read_as_it_lies_there(void **state) {
  (void)state;
  begin();
  put(&file, "\x21\xFF\x0BXMP DataXMP<x:xmpmeta/>\1", 15 + 11 + 1);
  for (int i = 255; i >= 0; i--) put8(&file, (unsigned)i);
  put8(&file, 0);
  put_frame(0, 8);
  end();
  struct image_report report = expect_clean(&file);
  assert_true(report.has_xmp);
  assert_int_equal(report.text_bytes, 12);
  assert_int_equal(report.frames, 1);
}

static void cut_files_are_found(void **state) {
  (void)state;
  make();
  struct made_file whole = file;
  file.bytes = 10;
  expect_structure("", "screen descriptor");
  file.bytes = 16;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "colour table");
  file.bytes = 19 + 5;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "frame", "cut off");
  file.bytes = 19 + 11;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "frame", "cut off");
  file.data[19 + 9] = 0x87;  // a table of 256 colours that is not there
  file.bytes = 19 + 13;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "frame", "cut off");
  begin();
  put(&file, "\x21\xF9", 2);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "extension", "cut off");
  file = whole;
  file.data[6] = 0;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "side of zero");
  begin();
  put_frame(0, 8);
  put_text(&file, "x");
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "between two blocks");
}

static void long_comments_are_found(void **state) {
  (void)state;
  begin();
  put(&file, "\x21\xFE", 2);
  for (int i = 0; i < 4200; i++) {
    put8(&file, 255);
    for (int k = 0; k < 255; k++) put8(&file, 'a');
  }
  put8(&file, 0);
  put_frame(0, 8);
  end();
  expect_only(&file, IMAGE_RULE_CHUNK_SIZE, "comment", "1075201 bytes");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_are_counted),           cmocka_unit_test(frames_are_checked),
      cmocka_unit_test(damaged_blocks_are_found),     cmocka_unit_test(stray_bytes_are_hidden_but_zeros_are_not),
      cmocka_unit_test(texts_are_read_across_blocks), cmocka_unit_test(xmp_is_read_as_it_lies_there),
      cmocka_unit_test(cut_files_are_found),          cmocka_unit_test(long_comments_are_found),
      cmocka_unit_test(unknown_extensions_are_read),  cmocka_unit_test(data_behind_the_pixels_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
