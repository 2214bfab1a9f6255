#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "made_file.h"

static struct made_file file;

static void put_chunk(const char *type, const void *data, size_t bytes) {
  put_be32(&file, (uint32_t)bytes);
  size_t start = file.bytes;
  put_text(&file, type);
  put(&file, data, bytes);
  put_be32(&file, (uint32_t)crc32(0, file.data + start, (uInt)(file.bytes - start)));
}
#define CHUNK(type, bytes) put_chunk((type), (bytes), sizeof(bytes) - 1)

static void begin(unsigned width, unsigned height, unsigned depth, unsigned colour) {
  file.bytes = 0;
  put(&file, "\x89PNG\r\n\x1A\n", 8);
  uint8_t header[13] = {0, 0, 0, (uint8_t)width, 0, 0, 0, (uint8_t)height, (uint8_t)depth, (uint8_t)colour};
  put_chunk("IHDR", header, sizeof header);
}

// Eight pixels of anything, and the end.
static void put_picture(void) {
  uint8_t rows[64] = {0}, stream[128];
  uLongf bytes = sizeof stream;
  assert_int_equal(compress(stream, &bytes, rows, sizeof rows), Z_OK);
  put_chunk("IDAT", stream, bytes);
}
static void end(void) { put_chunk("IEND", "", 0); }

static void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

// A picture of a colour type with these chunks in front of its data and behind it.
struct extra {
  const char *type, *data;
  size_t bytes;
};
#define EXTRA(type, data) \
  { (type), (data), sizeof(data) - 1 }

static void make(unsigned depth, unsigned colour, const struct extra *before, const struct extra *behind) {
  begin(4, 2, depth, colour);
  for (; before && before->type; before++) put_chunk(before->type, before->data, before->bytes);
  put_picture();
  for (; behind && behind->type; behind++) put_chunk(behind->type, behind->data, behind->bytes);
  end();
}
#define LIST(...) ((const struct extra[]){__VA_ARGS__, {NULL, NULL, 0}})

static const char palette[] = "\1\2\3\4\5\6";
#define PALETTE \
  { "PLTE", palette, 6 }

static void colour_types_are_described(void **state) {
  static const struct {
    unsigned depth, colour, channels;
    enum image_colour kind;
    bool has_alpha;
  } cases[] = {{16, 0, 1, IMAGE_COLOUR_GREY, false},
               {8, 2, 3, IMAGE_COLOUR_RGB, false},
               {8, 4, 2, IMAGE_COLOUR_GREY, true},
               {16, 6, 4, IMAGE_COLOUR_RGB, true}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(cases[i].depth, cases[i].colour, NULL, NULL);
    struct image_report report = expect_clean(&file);
    assert_int_equal(report.format, IMAGE_FILE_PNG);
    assert_int_equal(report.width, 4);
    assert_int_equal(report.height, 2);
    assert_int_equal(report.bits, cases[i].depth);
    assert_int_equal(report.channels, cases[i].channels);
    assert_int_equal(report.colour, cases[i].kind);
    assert_int_equal(report.has_alpha, cases[i].has_alpha);
    assert_int_equal(report.checksums, 3);
    assert_int_equal(report.parts, 3);
  }
  make(1, 3, LIST(PALETTE, EXTRA("tRNS", "\0")), NULL);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.colour, IMAGE_COLOUR_PALETTE);
  assert_true(report.has_alpha);
}

static void wrong_checksum_is_found(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("gAMA", "\0\0\xB1\x8F")), NULL);
  file.data[8 + 25 + 8] = 1;
  struct image_report report = expect_only(&file, IMAGE_RULE_CHECKSUM, "gAMA", "checksum");
  assert_int_equal(report.bad_checksums, 1);
  assert_int_equal(report.findings[0].offset, 33);
  assert_int_equal(report.findings[0].bytes, 16);
}

static void header_is_checked(void **state) {
  static const struct {
    size_t at;
    uint8_t value;
    const char *text;
  } cases[] = {{8, 3, "colour type"},
               {9, 5, "colour type"},
               {0, 0x80, "size"},
               {12, 2, "unknown method"},
               {10, 1, "unknown method"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(8, 2, NULL, NULL);
    file.data[16 + cases[i].at] = cases[i].value;
    expect_finding(&file, IMAGE_RULE_STRUCTURE, "IHDR", cases[i].text);
  }
}

static void places_are_checked(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("gAMA", "\0\0\xB1\x8F"), EXTRA("gAMA", "\0\0\xB1\x8F")), NULL);
  expect_structure("gAMA", "only once");
  make(8, 2, NULL, LIST(EXTRA("pHYs", "\0\0\0\1\0\0\0\1\0")));
  expect_structure("pHYs", "behind the picture's data");
  make(8, 3, LIST(PALETTE, EXTRA("sRGB", "\0")), NULL);
  expect_structure("sRGB", "behind the palette");
  make(8, 3, LIST(EXTRA("bKGD", "\0"), PALETTE), NULL);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "bKGD", "in front of the palette");
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "PLTE", "behind what refers");
  make(8, 0, LIST(PALETTE), NULL);
  expect_structure("PLTE", "grey");
  make(8, 6, LIST(EXTRA("tRNS", "\0\0")), NULL);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "tRNS", "alpha channel already");
  make(8, 3, NULL, NULL);
  expect_structure("", "no palette");
  make(8, 2, NULL, LIST(EXTRA("tEXt", "a\0b"), EXTRA("IDAT", "x")));
  expect_structure("IDAT", "interrupted");
}

static void lengths_are_checked(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("gAMA", "\0\0\xB1")), NULL);
  expect_structure("gAMA", "what the format says");
  make(1, 3, LIST(EXTRA("PLTE", "\1\2\3\4\5\6\7\10\11")), NULL);
  expect_structure("PLTE", "colour type");
  make(8, 3, LIST(PALETTE, EXTRA("tRNS", "abc")), NULL);
  expect_structure("tRNS", "colour type");
  make(8, 2, LIST(EXTRA("sBIT", "\5")), NULL);
  expect_structure("sBIT", "colour type");
  make(8, 2, NULL, NULL);
  file.data[8 + 25] = 0xFF;  // the length of IDAT
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IDAT", "behind the end");
}

static void first_and_last_chunk_are_what_they_must_be(void **state) {
  (void)state;
  make(8, 2, NULL, NULL);
  struct made_file whole = file;
  file.bytes -= 12;
  expect_structure("", "without IEND");
  file = whole;
  splice(&file, 8, 25, NULL, 0);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "IDAT", "does not begin with IHDR");
  begin(4, 2, 8, 2);
  end();
  expect_structure("", "no picture data");
  file = whole;
  put_text(&file, "more");
  assert_int_equal(expect_only(&file, IMAGE_RULE_TRAILING, "", "4 bytes").trailing_bytes, 4);
  file = whole;
  splice(&file, 33, 0, "????????????", 12);
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "????", "no chunk");
}

static void unknown_chunks_are_judged_by_their_letters(void **state) {
  static char large[20000];
  (void)state;
  memset(large, 'q', sizeof large);
  make(8, 2, LIST(EXTRA("prIV", "abc")), NULL);
  expect_clean(&file);
  make(8, 2, LIST(EXTRA("PRIV", "abc")), NULL);
  expect_structure("PRIV", "may not skip");
  make(8, 2, LIST(EXTRA("priv", "abc")), NULL);
  expect_structure("priv", "reserved");
  make(8, 2, LIST({"prIV", large, sizeof large}), NULL);
  assert_int_equal(expect_only(&file, IMAGE_RULE_HIDDEN, "prIV", "20000 bytes").hidden_bytes, 20000);
}

static void picture_data_is_a_zlib_stream(void **state) {
  (void)state;
  begin(4, 2, 8, 2);
  CHUNK("IDAT", "\x78");  // the two bytes of its head may lie in two chunks
  CHUNK("IDAT",
        "\x9C"
        "abc");
  end();
  expect_clean(&file);
  begin(4, 2, 8, 2);
  CHUNK("IDAT", "\x78");
  CHUNK("IDAT",
        "\x9D"
        "abc");
  end();
  expect_structure("IDAT", "no zlib stream");
}

static void texts_are_read(void **state) {
  static const char plain[] = "Comment\0<script>x</script>";
  uint8_t packed[256] = "Comment";
  uLongf bytes = sizeof packed - 9;
  (void)state;
  make(8, 2, LIST(EXTRA("tEXt", plain)), NULL);
  expect_finding(&file, IMAGE_RULE_TEXT, "tEXt", "<script");
  assert_int_equal(compress(packed + 9, &bytes, (const Bytef *)plain + 8, sizeof plain - 9), Z_OK);
  make(8, 2, LIST({"zTXt", (const char *)packed, 9 + bytes}), NULL);
  expect_finding(&file, IMAGE_RULE_TEXT, "zTXt", "<script");
  make(8, 2, LIST(EXTRA("iTXt", "Comment\0\0\0en\0Comment\0<script>")), NULL);
  expect_finding(&file, IMAGE_RULE_TEXT, "iTXt", "<script");
  uint8_t international[256] = "Comment\0\1\0en\0Kommentar";
  memcpy(international + 23, packed + 9, bytes);
  make(8, 2, LIST({"iTXt", (const char *)international, 23 + bytes}), NULL);
  expect_finding(&file, IMAGE_RULE_TEXT, "iTXt", "<script");
  make(8, 2, LIST(EXTRA("iTXt", "XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>")), NULL);
  assert_true(expect_clean(&file).has_xmp);
}

static void compressed_texts_have_a_budget(void **state) {
  uint8_t packed[64] = "a";
  uLongf bytes = sizeof packed - 3;
  (void)state;
  assert_int_equal(compress(packed + 3, &bytes, (const Bytef *)"text", 4), Z_OK);
  begin(4, 2, 8, 2);
  for (int i = 0; i < 1024; i++) put_chunk("zTXt", packed, 3 + bytes);
  put_picture();
  struct made_file most = file;
  end();
  assert_int_equal(expect_clean(&file).text_bytes, 1024 * (3 + 4));
  file = most;
  for (int i = 0; i < 10; i++) put_chunk("zTXt", packed, 3 + bytes);
  end();
  expect_only(&file, IMAGE_RULE_CHUNK_SIZE, "zTXt", "more than 1024 compressed texts");
}

static void damaged_texts_are_found(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("tEXt", "\0text")), NULL);
  expect_structure("tEXt", "keyword");
  make(8, 2, LIST(EXTRA("zTXt", "Comment\0\1abc")), NULL);
  expect_structure("zTXt", "method of compression");
  make(8, 2, LIST(EXTRA("zTXt", "Comment\0\0abcdefgh")), NULL);
  expect_structure("zTXt", "damaged");
  make(8, 2, LIST(EXTRA("iTXt", "Comment\0\0\0en")), NULL);
  expect_structure("iTXt", "cut off");
  make(8, 2, LIST(EXTRA("tIME", "\7\xEA\15\1\0\0\0")), NULL);
  expect_structure("tIME", "does not exist");
}

static void colour_chunks_say_colours(void **state) {
  static const char adobe[] =
      "\0\0\x7A\x26\0\0\x80\x84\0\0\xFA\0\0\0\x80\xE8\0\0\x52\x08\0\1\x15\x58\0\0\x3A\x98\0\0\x17\x70";
  (void)state;
  make(8, 2, LIST(EXTRA("sRGB", "\0")), NULL);
  struct image_report report = expect_clean(&file);
  assert_int_equal(report.space, IMAGE_SPACE_SRGB);
  assert_int_equal(report.space_source, IMAGE_SPACE_FROM_CHUNK);
  make(8, 2, LIST(EXTRA("cHRM", adobe)), NULL);
  assert_int_equal(expect_clean(&file).space, IMAGE_SPACE_ADOBE_RGB);
  make(8, 2, LIST(EXTRA("cHRM", adobe), EXTRA("sRGB", "\0")), NULL);
  expect_only(&file, IMAGE_RULE_COLOUR, "", "adobe-rgb and srgb");
  make(8, 2, LIST(EXTRA("cICP", "\x0C\x0D\0\1")), NULL);
  report = expect_clean(&file);
  assert_int_equal(report.space, IMAGE_SPACE_DISPLAY_P3);
  assert_int_equal(report.space_source, IMAGE_SPACE_FROM_CICP);
  make(8, 2, LIST(EXTRA("cICP", "\x09\x10\0\1"), EXTRA("sRGB", "\0")), NULL);  // for readers that do not know cICP
  assert_int_equal(expect_clean(&file).space, IMAGE_SPACE_BT2020);
  make(8, 2, LIST(EXTRA("sRGB", "\7")), NULL);
  expect_structure("sRGB", "rendering intent");
  make(8, 2, LIST(EXTRA("cICP", "\x0C\x0D\1\1")), NULL);
  expect_structure("cICP", "codes");
}

static void profile_is_read(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("iCCP", "name\0\1abcdefgh")), NULL);
  expect_structure("iCCP", "method of compression");
  make(8, 2, LIST(EXTRA("iCCP", "name\0\0abcdefgh")), NULL);
  expect_only(&file, IMAGE_RULE_PROFILE, "iCCP", "deflate");
  make(8, 2, LIST(EXTRA("iCCP", "name\0\0abcdefgh"), EXTRA("iCCP", "name\0\0abcdefgh")), NULL);
  assert_int_equal(expect_finding(&file, IMAGE_RULE_STRUCTURE, "iCCP", "once").rule_counts[IMAGE_RULE_PROFILE], 1);
}

static void put_frame_control(uint32_t sequence, uint32_t width, uint32_t left, unsigned dispose) {
  struct made_file picture = file;
  file.bytes = 0;
  put_be32(&file, sequence);
  put_be32(&file, width);
  put_be32(&file, 2);
  put_be32(&file, left);
  put_be32(&file, 0);
  put_be16(&file, 1);
  put_be16(&file, 10);
  put8(&file, dispose);
  put8(&file, 0);
  struct made_file control = file;
  file = picture;
  put_chunk("fcTL", control.data, control.bytes);
}

// Two frames: the picture, and one of fdAT with these numbers.
static void make_animation(uint32_t said, uint32_t control, uint32_t width, uint32_t left, unsigned dispose,
                           const char *data_sequence) {
  const char frames[8] = {0, 0, 0, (char)said};
  begin(4, 2, 8, 2);
  put_chunk("acTL", frames, sizeof frames);
  put_frame_control(0, 4, 0, 0);
  put_picture();
  put_frame_control(control, width, left, dispose);
  if (data_sequence) put_chunk("fdAT", data_sequence, 8);
  end();
}

static void animations_are_counted(void **state) {
  static const char two[] = "\0\0\0\2data", three[] = "\0\0\0\3data";
  (void)state;
  make_animation(2, 1, 3, 1, 0, two);
  assert_int_equal(expect_clean(&file).frames, 2);
  make_animation(3, 1, 3, 1, 0, two);
  expect_structure("acTL", "3 frames are announced, 2 are there");
  make_animation(2, 1, 3, 1, 0, three);
  expect_structure("fdAT", "sequence");
  make_animation(2, 1, 3, 2, 0, two);
  expect_structure("fcTL", "canvas");
  make_animation(2, 1, 3, 1, 3, two);
  expect_structure("fcTL", "dispose");
  make_animation(2, 1, 3, 1, 0, NULL);
  expect_structure("fcTL", "no data");
  begin(4, 2, 8, 2);
  CHUNK("acTL", "\0\0\0\0\0\0\0\0");
  put_picture();
  end();
  expect_structure("acTL", "without frames");
}

static void frames_without_data_and_data_without_frame_are_found(void **state) {
  (void)state;
  begin(4, 2, 8, 2);
  CHUNK("acTL", "\0\0\0\2\0\0\0\0");
  put_frame_control(0, 4, 0, 0);
  put_frame_control(1, 4, 0, 0);
  put_picture();
  end();
  expect_structure("fcTL", "before it has no data");
  begin(4, 2, 8, 2);
  put_picture();
  CHUNK("fdAT", "\0\0\0\0data");
  end();
  expect_structure("fdAT", "does not exist");
}

static void cut_heads_are_found(void **state) {
  (void)state;
  make(8, 2, NULL, NULL);
  file.bytes -= 3;
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "cut off");
  file.bytes = 0;
  put(&file, "\x89PNG\r\n\x1A\n", 8);
  put_picture();
  end();
  expect_finding(&file, IMAGE_RULE_STRUCTURE, "", "no header that can be read");
}

static void chunks_that_nobody_reads_are_searched(void **state) {
  (void)state;
  make(8, 2, LIST(EXTRA("prVt", "a javascript:alert(1)")), NULL);
  expect_only(&file, IMAGE_RULE_TEXT, "prVt", "javascript:");
  make(8, 2, LIST(EXTRA("gIFx", "SOMETHING1. eval(x)")), NULL);
  expect_only(&file, IMAGE_RULE_TEXT, "gIFx", "eval(");
  // Dense data may be in there, and three bytes of it are no script.
  begin(4, 2, 8, 2);
  static uint8_t dense[9000];
  for (size_t i = 0; i < sizeof dense; i++) dense[i] = (uint8_t)(i * i * 2654435761u >> 13);
  memcpy(dense + 5000, "<?=", 3);
  put_chunk("prVt", dense, sizeof dense);
  put_picture();
  end();
  expect_clean(&file);
}

static void data_behind_the_pixels_is_found(void **state) {
  static uint8_t noise[100000];
  (void)state;
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(i * i * 2654435761u >> 13);
  begin(4, 2, 8, 2);
  put_picture();
  put_chunk("IDAT", noise, sizeof noise);
  end();
  expect_only(&file, IMAGE_RULE_DATA_ENTROPY, "", "bytes of image data for 24 bytes of pixels");
}

// Stored as they are, rows take a byte more each, and more again when they are interlaced.
static void stored_pixels_are_no_surplus(void **state) {
  enum { SIDE = 250, ROW = 1 + SIDE };
  static uint8_t rows[SIDE * ROW], stream[SIDE * ROW + 1000];
  uLongf bytes = sizeof stream;
  (void)state;
  for (size_t i = 0; i < sizeof rows; i++) rows[i] = i % ROW ? (uint8_t)(i * i * 2654435761u >> 13) : 0;
  assert_int_equal(compress2(stream, &bytes, rows, sizeof rows, 0), Z_OK);
  begin(SIDE, SIDE, 8, 0);
  put_chunk("IDAT", stream, bytes);
  end();
  expect_clean(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(colour_types_are_described),
      cmocka_unit_test(wrong_checksum_is_found),
      cmocka_unit_test(header_is_checked),
      cmocka_unit_test(places_are_checked),
      cmocka_unit_test(lengths_are_checked),
      cmocka_unit_test(first_and_last_chunk_are_what_they_must_be),
      cmocka_unit_test(unknown_chunks_are_judged_by_their_letters),
      cmocka_unit_test(picture_data_is_a_zlib_stream),
      cmocka_unit_test(texts_are_read),
      cmocka_unit_test(compressed_texts_have_a_budget),
      cmocka_unit_test(damaged_texts_are_found),
      cmocka_unit_test(colour_chunks_say_colours),
      cmocka_unit_test(profile_is_read),
      cmocka_unit_test(animations_are_counted),
      cmocka_unit_test(frames_without_data_and_data_without_frame_are_found),
      cmocka_unit_test(cut_heads_are_found),
      cmocka_unit_test(chunks_that_nobody_reads_are_searched),
      cmocka_unit_test(data_behind_the_pixels_is_found),
      cmocka_unit_test(stored_pixels_are_no_surplus),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
