#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_file.h"

static struct made_file file;

enum { ANIMATION = 0x02, XMP = 0x04, EXIF = 0x08, ALPHA = 0x10, PROFILE = 0x20 };

static void begin(void) {
  file.bytes = 0;
  put(&file, "RIFF\0\0\0\0WEBP", 12);
}
static void end(void) { set_le32(&file, 4, (uint32_t)file.bytes - 8); }

static void put_chunk(const char *type, const void *data, size_t bytes) {
  put_text(&file, type);
  put_le32(&file, (uint32_t)bytes);
  put(&file, data, bytes);
  put_zeros(&file, bytes & 1);
}
#define CHUNK(type, bytes) put_chunk((type), (bytes), sizeof(bytes) - 1)

// A key frame, version 0, shown, with a first partition of 4 bytes.
static void put_lossy(unsigned width, unsigned height) {
  uint8_t data[16] = {
      0x90, 0, 0, 0x9D, 1, 0x2A, (uint8_t)width, (uint8_t)(width >> 8), (uint8_t)height, (uint8_t)(height >> 8)};
  put_chunk("VP8 ", data, sizeof data);
}

static void put_lossless(unsigned width, unsigned height, bool has_alpha) {
  uint32_t bits = (width - 1) | (height - 1) << 14 | (uint32_t)has_alpha << 28;
  uint8_t data[8] = {0x2F, (uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
  put_chunk("VP8L", data, sizeof data);
}

static void put_extended(unsigned flags, unsigned width, unsigned height) {
  uint8_t data[10] = {(uint8_t)flags, 0, 0, 0, (uint8_t)(width - 1), 0, 0, (uint8_t)(height - 1), 0, 0};
  put_chunk("VP8X", data, sizeof data);
}

static void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

static void bitstreams_are_described(void **state) {
  (void)state;
  begin();
  put_lossy(300, 20);
  end();
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.format, IMAGE_FILE_WEBP);
  assert_int_equal(report.width, 300);
  assert_int_equal(report.height, 20);
  assert_int_equal(report.bits, 8);
  assert_int_equal(report.channels, 3);
  assert_false(report.has_alpha);
  begin();
  put_lossless(30, 2000, true);
  end();
  report = expect_clean(&file);
  assert_int_equal(report.width, 30);
  assert_int_equal(report.height, 2000);
  assert_true(report.has_alpha);
}

static void broken_bitstreams_are_found(void **state) {
  static const struct {
    size_t at;
    uint8_t value;
    const char *text;
  } cases[] = {{0, 0x91, "no key frame"}, {4, 9, "no key frame"},    {0, 0x98, "version"},
               {0, 0x80, "shown"},        {1, 1, "first partition"}, {6, 0, "side of zero"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    begin();
    put_lossy(10, 20);
    end();
    file.data[20 + cases[i].at] = cases[i].value;
    expect_structure("VP8", cases[i].text);
  }
  begin();
  put_lossless(10, 20, false);
  end();
  file.data[20] = 0;
  expect_structure("VP8L", "signature");
  file.data[20] = 0x2F;
  file.data[24] |= 0x20;
  expect_structure("VP8L", "version");
}

static void lengths_are_checked(void **state) {
  (void)state;
  begin();
  put_lossy(10, 20);
  end();
  struct made_file whole = file;
  set_le32(&file, 4, (uint32_t)file.bytes);
  expect_structure("RIFF", "behind the end");
  file = whole;
  set_le32(&file, 16, 40);
  expect_structure("VP8", "behind the end");
  file = whole;
  set_le32(&file, 16, 15);
  file.data[35] = 1;
  expect_structure("VP8", "padding is not zero");
  file = whole;
  put(&file, "abc", 3);
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "RIFF", "cut off");
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "RIFF", "odd");
  file = whole;
  put_text(&file, "more");
  assert_int_equal(expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes").trailing_bytes, 4);
  begin();
  end();
  expect_structure("", "no picture data");
}

static void size_is_the_same_in_canvas_and_bitstream(void **state) {
  (void)state;
  begin();
  put_extended(0, 10, 20);
  put_lossy(10, 20);
  end();
  expect_clean(&file);
  begin();
  put_extended(0, 10, 21);
  put_lossy(10, 20);
  end();
  expect_structure("VP8", "it is 10 x 20 where 10 x 21 is announced");
}

static void flags_go_with_the_chunks(void **state) {
  static const struct {
    unsigned flag;
    const char *name;
  } flags[] = {{ANIMATION, "ANIM"}, {XMP, "XMP"}, {EXIF, "EXIF"}, {PROFILE, "ICCP"}};
  (void)state;
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    begin();
    put_extended(flags[i].flag, 10, 20);
    put_lossy(10, 20);
    end();
    expect_structure("VP8X", "announced but not there");
    expect_structure("VP8X", flags[i].name);
  }
  begin();
  put_extended(0, 10, 20);
  put_lossy(10, 20);
  CHUNK("XMP ", "<x:xmpmeta/>");
  end();
  expect_structure("VP8X", "XMP is there but not announced");
  file.data[20] = XMP;
  assert_true(expect_clean(&file).has_xmp);
  begin();
  put_extended(0, 10, 20);
  put_lossless(10, 20, true);
  end();
  expect_structure("VP8X", "alpha is there but not announced");
  file.data[20] = ALPHA;  // and an opaque picture may have the flag
  expect_clean(&file);
  begin();
  put_extended(ALPHA, 10, 20);
  put_lossy(10, 20);
  end();
  expect_clean(&file);
}

static void places_are_checked(void **state) {
  (void)state;
  begin();
  put_lossy(10, 20);
  CHUNK("XMP ", "<x:xmpmeta/>");
  end();
  expect_structure("XMP", "only the extended format");
  begin();
  put_extended(XMP, 10, 20);
  put_lossy(10, 20);
  CHUNK("XMP ", "<x:xmpmeta/>");
  CHUNK("XMP ", "<x:xmpmeta/>");
  end();
  expect_structure("XMP", "only once");
  begin();
  put_extended(0, 10, 20);
  put_lossy(10, 20);
  put_lossy(10, 20);
  end();
  expect_structure("VP8", "a picture too many");
  begin();
  put_lossy(10, 20);
  put_extended(0, 10, 20);
  end();
  expect_structure("VP8X", "first chunk");
  begin();
  put_extended(PROFILE, 10, 20);
  put_lossy(10, 20);
  CHUNK("ICCP", "abcd");
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "ICCP", "behind the picture");
  expect_finding(&file, IMAGE_RULE_PROFILE, "ICCP", "");
}

static void alpha_chunks_are_checked(void **state) {
  (void)state;
  begin();
  put_extended(ALPHA, 10, 20);
  CHUNK("ALPH", "\0abc");
  put_lossy(10, 20);
  end();
  assert_true(expect_clean(&file).has_alpha);
  file.data[12 + 18 + 8] = 2;
  expect_structure("ALPH", "unknown way");
  begin();
  put_extended(ALPHA, 10, 20);
  CHUNK("ALPH", "\0abc");
  put_lossless(10, 20, true);
  end();
  expect_structure("VP8L", "beside");
  begin();
  put_extended(ALPHA, 10, 20);
  put_lossy(10, 20);
  CHUNK("ALPH", "\0abc");
  end();
  expect_structure("ALPH", "may not stand there");
}

static void put_frame(unsigned left, unsigned width, unsigned bitstream_width, unsigned pictures) {
  size_t start = file.bytes;
  CHUNK("ANMF", "");
  put_le24(&file, left);
  put_le24(&file, 0);
  put_le24(&file, width - 1);
  put_le24(&file, 19);
  put_le32(&file, 100);  // duration and flags
  while (pictures-- > 0) put_lossy(bitstream_width, 20);
  set_le32(&file, start + 4, (uint32_t)(file.bytes - start - 8));
}

static void make_animation(unsigned left, unsigned width, unsigned bitstream_width, unsigned pictures) {
  begin();
  put_extended(ANIMATION, 10, 20);
  CHUNK("ANIM", "\0\0\0\0\0\0");
  put_frame(0, 10, 10, 1);
  put_frame(left, width, bitstream_width, pictures);
  end();
}

static void animations_are_walked(void **state) {
  (void)state;
  make_animation(1, 8, 8, 1);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.frames, 2);
  assert_int_equal(report.data_bytes, 32);
  make_animation(2, 8, 8, 1);
  expect_structure("ANMF", "canvas");
  make_animation(1, 8, 7, 1);
  expect_structure("VP8", "it is 7 x 20 where 8 x 20 is announced");
  make_animation(1, 8, 8, 0);
  expect_structure("ANMF", "exactly one picture");
  make_animation(1, 8, 8, 2);
  expect_structure("ANMF", "exactly one picture");
  begin();
  put_extended(0, 10, 20);
  put_frame(0, 10, 10, 1);
  end();
  expect_structure("ANMF", "not animated");
}

static void large_unknown_chunks_are_suspicious(void **state) {
  static uint8_t payload[20000];
  (void)state;
  memset(payload, 'q', sizeof payload);
  begin();
  put_extended(0, 10, 20);
  put_lossy(10, 20);
  put_chunk("priv", payload, 100);
  end();
  expect_clean(&file);
  put_chunk("priv", payload, sizeof payload);
  end();
  expect_only(&file, IMAGE_RULE_HIDDEN, "priv", "20000 bytes");
}

static void short_chunks_are_found(void **state) {
  (void)state;
  begin();
  put_lossy(10, 20);
  CHUNK("priv", "abc");
  file.bytes--;
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "priv", "padding is missing");
  begin();
  CHUNK("VP8 ", "\x90\0\0\x9D\1\x2A");
  end();
  expect_structure("VP8", "cut off");
  begin();
  put_extended(ANIMATION, 10, 20);
  CHUNK("ANIM", "\0\0\0\0");
  CHUNK("ANMF", "\0\0\0\0");
  put_frame(0, 10, 10, 1);
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "ANIM", "length");
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "ANMF", "cut off");
  begin();
  CHUNK("VP8X", "\0\0\0\0");
  put_lossy(10, 20);
  end();
  expect_structure("VP8X", "cut off");
  begin();
  CHUNK("VP8X", "\0\0\0\0\x09\0\0\x13\0\0ab");
  put_lossy(10, 20);
  end();
  expect_structure("VP8X", "length");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bitstreams_are_described),
      cmocka_unit_test(broken_bitstreams_are_found),
      cmocka_unit_test(lengths_are_checked),
      cmocka_unit_test(size_is_the_same_in_canvas_and_bitstream),
      cmocka_unit_test(flags_go_with_the_chunks),
      cmocka_unit_test(places_are_checked),
      cmocka_unit_test(alpha_chunks_are_checked),
      cmocka_unit_test(animations_are_walked),
      cmocka_unit_test(large_unknown_chunks_are_suspicious),
      cmocka_unit_test(short_chunks_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
