#include "metadata/strip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef enum base_result strip_function(struct base_span file, struct base_buffer *out, struct base_fault *fault);

#define BYTES(text) \
  (struct base_span) { (const uint8_t *)(text), sizeof(text) - 1 }

static void assert_strips(strip_function *strip, struct base_span file, struct base_span wanted) {
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, 1 << 20);
  if (strip(file, &out, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(out.bytes, wanted.bytes);
  assert_memory_equal(out.data, wanted.data, wanted.bytes);
  base_buffer_finish(&out);
}

static void assert_refuses(strip_function *strip, struct base_span file, enum base_result wanted, const char *text) {
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, 1 << 20);
  assert_int_equal(base_buffer_append(&out, "before", 6), BASE_OK);
  const enum base_result result = strip(file, &out, &fault);
  if (result != wanted || !strstr(fault.text, text)) {
    fail_msg("%s instead of %s: \"%s\", not \"%s\"", base_result_name(result), base_result_name(wanted), fault.text,
             text);
  }
  assert_int_equal(out.bytes, 6);
  base_buffer_finish(&out);
}

// Every proper beginning of a file is refused, without reading beyond it.
static void assert_refuses_beginnings(strip_function *strip, struct base_span file) {
  for (size_t bytes = 0; bytes < file.bytes; bytes++) {
    uint8_t *copy = test_malloc(bytes + 1);
    memcpy(copy, file.data, bytes);
    struct base_buffer out;
    base_buffer_init(&out, 1 << 20);
    assert_int_equal(strip(base_span_of(copy, bytes), &out, NULL), BASE_UNPROCESSABLE);
    base_buffer_finish(&out);
    test_free(copy);
  }
}

// --- JPEG ---

#define SOI "\xff\xd8"
#define EOI "\xff\xd9"
#define TABLES "\xff\xdb\0\5abc\xff\xc4\0\4hu\xff\xdd\0\4\0\7"
#define FRAME(code, bits, components) "\xff" code "\0\x08" bits "\0\1\0\1" components
#define SCAN       \
  "\xff\xda\0\4sc" \
  "data\xff\0more\xff\xd0restarted\xff\0"
#define JFIF "\xff\xe0\0\x10JFIF\0\1\2\1\0H\0H\0\0"
#define PROFILE "\xff\xe2\0\x14ICC_PROFILE\0\1\1pppp"
#define ADOBE      \
  "\xff\xee\0\x0e" \
  "Adobe\0d\0\0\0\0\1"
#define EXIF       \
  "\xff\xe1\0\x0e" \
  "Exif\0\0secret"
#define XMP        \
  "\xff\xe1\0\x1f" \
  "http://ns.adobe.com/xap/1.0/\0"
#define IPTC       \
  "\xff\xed\0\x10" \
  "Photoshop 3.0\0"
#define COMMENT "\xff\xfe\0\x08secret"
#define PREVIEW "\xff\xe2\0\x08MPF\0ab"
#define PICTURE TABLES FRAME("\xc0", "\x08", "\3") SCAN

static void jpeg_keeps_the_picture_and_how_its_colours_are_meant(void **state) {
  (void)state;
  static const char file[] = SOI JFIF EXIF XMP PROFILE IPTC ADOBE COMMENT PREVIEW PICTURE EOI "behind it";
  static const char wanted[] = SOI JFIF PROFILE ADOBE PICTURE EOI;
  assert_strips(metadata_strip_jpeg, BYTES(file), BYTES(wanted));
  assert_strips(metadata_strip_jpeg, BYTES(wanted), BYTES(wanted));
}

static void jpeg_keeps_every_scan_of_a_progressive_file(void **state) {
  (void)state;
  static const char file[] = SOI TABLES FRAME("\xc2", "\x08", "\1") SCAN COMMENT TABLES SCAN "\xff\xff" EXIF SCAN EOI;
  static const char wanted[] = SOI TABLES FRAME("\xc2", "\x08", "\1") SCAN TABLES SCAN SCAN EOI;
  assert_strips(metadata_strip_jpeg, BYTES(file), BYTES(wanted));
}

static void jpeg_loses_the_thumbnail_in_its_jfif_segment(void **state) {
  (void)state;
  static const char file[] = SOI
      "\xff\xe0\0\x16JFIF\0\1\2\1\0H\0H\2\1rgbrgb"
      "\xff\xe0\0\x0aJFXX\0\x13th" PICTURE EOI;
  assert_strips(metadata_strip_jpeg, BYTES(file), BYTES(SOI JFIF PICTURE EOI));
}

static void jpeg_of_kinds_that_not_every_browser_shows_is_refused(void **state) {
  (void)state;
  const struct {
    struct base_span file;
    const char *text;
  } cases[] = {
      {BYTES(SOI TABLES FRAME("\xc0", "\x08", "\4") SCAN EOI), "4 components"},
      {BYTES(SOI TABLES FRAME("\xc1", "\x0c", "\3") SCAN EOI), "12 bits"},
      {BYTES(SOI TABLES FRAME("\xc9", "\x08", "\3") SCAN EOI), "0xc9"},
      {BYTES(SOI TABLES FRAME("\xc3", "\x08", "\3") SCAN EOI), "0xc3"},
      {BYTES(SOI TABLES FRAME("\xc0", "\x08", "\3") SCAN "\xff\xdc\0\4\0\1" EOI), "0xdc"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_refuses(metadata_strip_jpeg, cases[i].file, BASE_UNSUPPORTED, cases[i].text);
  }
}

static void damaged_jpeg_is_refused(void **state) {
  (void)state;
  const struct {
    struct base_span file;
    const char *text;
  } cases[] = {
      {BYTES("GIF89a"), "no marker"},
      {BYTES("\xff\xe0\0\2" SOI), "does not begin"},
      {BYTES(SOI EOI), "holds no picture"},
      {BYTES(SOI TABLES SCAN EOI), "before its frame"},
      {BYTES(SOI PICTURE FRAME("\xc0", "\x08", "\3") EOI), "no single frame"},
      {BYTES(SOI "\xff\xdb\0\1" PICTURE EOI), "impossible length"},
      {BYTES(SOI "\xff\xe1\xff\xff" PICTURE EOI), "impossible length"},
      {BYTES(SOI "junk" PICTURE EOI), "no marker"},
      {BYTES(SOI SOI PICTURE EOI), "does not belong"},
      {BYTES(SOI "\xff\xd3" PICTURE EOI), "does not belong"},
      {BYTES(SOI "\xff\xe0\0\x07JFIF\0" PICTURE EOI), "too short"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_refuses(metadata_strip_jpeg, cases[i].file, BASE_UNPROCESSABLE, cases[i].text);
  }
  assert_refuses_beginnings(metadata_strip_jpeg, BYTES(SOI JFIF EXIF PICTURE EOI));
}

// --- PNG ---

#define SIGNATURE "\x89PNG\r\n\x1a\n"
#define CHUNK(length, type, data) "\0\0\0" length type data "CRC4"
#define IHDR CHUNK("\x0d", "IHDR", "wwwwhhhhbcfi.")
#define IDAT CHUNK("\x04", "IDAT", "data")
#define IEND CHUNK("\0", "IEND", "")

static void png_keeps_the_picture_and_how_its_colours_are_meant(void **state) {
  (void)state;
  static const char file[] =
      SIGNATURE IHDR CHUNK("\3", "iCCP", "icc") CHUNK("\1", "sRGB", "0") CHUNK("\4", "gAMA", "gamm")
          CHUNK("\4", "eXIf", "exif") CHUNK("\3", "PLTE", "rgb") CHUNK("\1", "tRNS", "a") CHUNK("\3", "tEXt", "k\0v")
              CHUNK("\3", "zTXt", "k\0v") CHUNK("\3", "iTXt", "k\0v") CHUNK("\1", "tIME", "t") CHUNK("\1", "pHYs", "p")
                  CHUNK("\3", "prVt", "abc") IDAT CHUNK("\3", "tEXt", "k\0v") IDAT IEND "behind it";
  static const char wanted[] = SIGNATURE IHDR CHUNK("\3", "iCCP", "icc") CHUNK("\1", "sRGB", "0")
      CHUNK("\4", "gAMA", "gamm") CHUNK("\3", "PLTE", "rgb") CHUNK("\1", "tRNS", "a") IDAT IDAT IEND;
  assert_strips(metadata_strip_png, BYTES(file), BYTES(wanted));
}

static void png_animation_becomes_its_still_picture(void **state) {
  (void)state;
  static const char file[] = SIGNATURE IHDR CHUNK("\1", "acTL", "a") CHUNK("\1", "fcTL", "f")
      IDAT CHUNK("\1", "fcTL", "g") CHUNK("\1", "fdAT", "d") IEND;
  assert_strips(metadata_strip_png, BYTES(file), BYTES(SIGNATURE IHDR IDAT IEND));
}

static void damaged_or_strange_png_is_refused(void **state) {
  (void)state;
  assert_refuses(metadata_strip_png, BYTES("GIF89a  "), BASE_UNPROCESSABLE, "does not begin");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE IDAT IEND), BASE_UNPROCESSABLE, "one header");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE IHDR IHDR IDAT IEND), BASE_UNPROCESSABLE, "one header");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE CHUNK("\1", "IHDR", "x") IDAT IEND), BASE_UNPROCESSABLE,
                 "another length");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE IHDR IEND), BASE_UNPROCESSABLE, "no picture");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE IHDR CHUNK("\1", "NEWc", "x") IDAT IEND), BASE_UNSUPPORTED,
                 "critical");
  assert_refuses(metadata_strip_png, BYTES(SIGNATURE IHDR "\xff\xff\xff\xf0IDATdataCRC4"), BASE_UNPROCESSABLE, "end");
  assert_refuses_beginnings(metadata_strip_png, BYTES(SIGNATURE IHDR CHUNK("\3", "tEXt", "k\0v") IDAT IEND));
}

// --- WebP ---

#define RIFF(size, chunks) "RIFF" size "\0\0\0WEBP" chunks
#define PART(type, size, data) type size "\0\0\0" data
#define EXTENDED(flags) PART("VP8X", "\x0a", flags "\0\0\0wwwhhh")
#define LOSSY PART("VP8 ", "\4", "data")

static void webp_keeps_picture_alpha_and_profile(void **state) {
  (void)state;
  static const char file[] =
      RIFF("\x60", EXTENDED("\x3c") PART("ICCP", "\3", "icc\0") PART("ALPH", "\2", "al") PART("JUNK", "\2", "jk")
                       LOSSY PART("EXIF", "\4", "exif") PART("XMP ", "\3", "xmp\0")) "behind it";
  static const char wanted[] =
      RIFF("\x38", EXTENDED("\x30") PART("ICCP", "\3", "icc\0") PART("ALPH", "\2", "al") LOSSY);
  assert_strips(metadata_strip_webp, BYTES(file), BYTES(wanted));
  assert_strips(metadata_strip_webp, BYTES(wanted), BYTES(wanted));
}

static void simple_webp_stays_as_it_is(void **state) {
  (void)state;
  static const char lossy[] = RIFF("\x10", LOSSY);
  static const char odd[] = RIFF("\x10", PART("VP8L", "\3", "dat\0"));
  assert_strips(metadata_strip_webp, BYTES(lossy), BYTES(lossy));
  assert_strips(metadata_strip_webp, BYTES(odd), BYTES(odd));
  // Without the filler at its end.
  assert_strips(metadata_strip_webp, BYTES(RIFF("\x0f", PART("VP8L", "\3", "dat"))), BYTES(odd));
}

static void webp_says_no_profile_that_is_not_there(void **state) {
  (void)state;
  assert_strips(metadata_strip_webp, BYTES(RIFF("\x22", EXTENDED("\x2c") LOSSY)),
                BYTES(RIFF("\x22", EXTENDED("\0") LOSSY)));
}

static void damaged_or_animated_webp_is_refused(void **state) {
  (void)state;
  assert_refuses(metadata_strip_webp, BYTES("RIFFxxxxAVI "), BASE_UNPROCESSABLE, "does not begin");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x7f", LOSSY)), BASE_UNPROCESSABLE, "ends early");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x02", LOSSY)), BASE_UNPROCESSABLE, "ends early");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x10", PART("EXIF", "\4", "exif"))), BASE_UNPROCESSABLE, "begins");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x10", PART("VP8 ", "\x7f", "data"))), BASE_UNPROCESSABLE, "its end");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x16", EXTENDED("\0"))), BASE_UNPROCESSABLE, "ends early");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x22", EXTENDED("\2") LOSSY)), BASE_UNSUPPORTED, "animation");
  assert_refuses(metadata_strip_webp, BYTES(RIFF("\x34", EXTENDED("\0") EXTENDED("\0") LOSSY)), BASE_UNPROCESSABLE,
                 "VP8X");
  assert_refuses_beginnings(metadata_strip_webp, BYTES(RIFF("\x22", EXTENDED("\0") LOSSY)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(jpeg_keeps_the_picture_and_how_its_colours_are_meant),
      cmocka_unit_test(jpeg_keeps_every_scan_of_a_progressive_file),
      cmocka_unit_test(jpeg_loses_the_thumbnail_in_its_jfif_segment),
      cmocka_unit_test(jpeg_of_kinds_that_not_every_browser_shows_is_refused),
      cmocka_unit_test(damaged_jpeg_is_refused),
      cmocka_unit_test(png_keeps_the_picture_and_how_its_colours_are_meant),
      cmocka_unit_test(png_animation_becomes_its_still_picture),
      cmocka_unit_test(damaged_or_strange_png_is_refused),
      cmocka_unit_test(webp_keeps_picture_alpha_and_profile),
      cmocka_unit_test(simple_webp_stays_as_it_is),
      cmocka_unit_test(webp_says_no_profile_that_is_not_there),
      cmocka_unit_test(damaged_or_animated_webp_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
