#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"
#include "reading.h"

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

// Inspects and, when that is fine, decodes. The bytes are copied to a block of exactly their size, so that the address
// sanitizer sees any step past the end.
static enum base_result read_exactly(struct base_span file, struct base_fault *fault) {
  struct image_header header;
  struct image *image = NULL;
  uint8_t *copy = malloc(file.bytes ? file.bytes : 1);
  if (file.bytes) memcpy(copy, file.data, file.bytes);
  enum base_result result = read_picture(base_span_of(copy, file.bytes), &limits, &header, &image, fault);
  image_unref(&image);
  free(copy);
  return result;
}

// Only the first frame of an animation and the first page of a TIFF are read.
static bool end_matters(const struct picture *picture) {
  static const char *const first_only[] = {"animated.gif", "animated.avif", "pages.tif"};
  for (size_t i = 0; i < sizeof first_only / sizeof *first_only; i++) {
    if (strcmp(picture->name, first_only[i]) == 0) return false;
  }
  return true;
}

// GIF's end is a marker that nobody needs; everything else must notice the last byte.
static bool last_byte_matters(const struct picture *picture) {
  return picture->header.format != IMAGE_FILE_GIF && picture->header.format != IMAGE_FILE_TGA &&
         picture->header.format != IMAGE_FILE_BMP;
}

static void assert_cut_is_refused(const struct picture *picture, struct base_span file, size_t bytes) {
  struct base_fault fault = {0};
  enum base_result result = read_exactly(base_span_slice(file, 0, bytes), &fault);
  // TGA has no signature: what is left of one may be nothing at all.
  if (result == BASE_UNSUPPORTED && picture->header.format == IMAGE_FILE_TGA) return;
  if (result != BASE_UNPROCESSABLE) {
    fail_msg("%s cut to %zu of %zu bytes: %s %s", picture->name, bytes, file.bytes, base_result_name(result),
             fault.text);
  }
}

static void cut_files_are_unprocessable_at_every_length_that_keeps_the_signature(void **state) {
  struct pictures *pictures = *state;
  for (size_t i = 0; i < pictures->count; i++) {
    const struct picture *picture = &pictures->list[i];
    struct base_buffer file = picture_file(picture->name, "");
    struct base_span all = base_buffer_span(&file);
    for (size_t eighth = 1; eighth < 8; eighth++) {
      if (all.bytes > 400 && end_matters(picture)) assert_cut_is_refused(picture, all, all.bytes * eighth / 8);
    }
    if (last_byte_matters(picture) && end_matters(picture)) assert_cut_is_refused(picture, all, all.bytes - 1);
    base_buffer_finish(&file);
  }
}

// Those whose structure lies in front, in the middle and at the end.
static void small_files_cut_anywhere_are_unprocessable(void **state) {
  struct pictures *pictures = *state;
  static const char *const names[] = {"packed_lzw.tif", "fax_g4.tif",     "rgb8_planes.tif",
                                      "grey.avif",      "alpha_420.avif", "grid_420.heic"};
  enum { SIGNATURE_BYTES = 32 };
  for (size_t i = 0; i < pictures->count; i++) {
    const struct picture *picture = &pictures->list[i];
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
      if (strcmp(picture->name, names[n]) != 0) continue;
      struct base_buffer file = picture_file(picture->name, "");
      for (size_t bytes = SIGNATURE_BYTES; bytes < file.bytes; bytes++) {
        assert_cut_is_refused(picture, base_buffer_span(&file), bytes);
      }
      base_buffer_finish(&file);
    }
  }
}

static void cut_files_are_never_read_past_their_end(void **state) {
  struct pictures *pictures = *state;
  for (size_t i = 0; i < pictures->count; i++) {
    struct base_buffer file = picture_file(pictures->list[i].name, "");
    for (size_t bytes = 0; bytes < file.bytes; bytes += 1 + bytes / 16) {
      enum base_result result = read_exactly(base_span_slice(base_buffer_span(&file), 0, bytes), NULL);
      assert_true(result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED || result == BASE_OK);
    }
    base_buffer_finish(&file);
  }
}

static void flipped_bytes_never_do_worse_than_an_error(void **state) {
  struct pictures *pictures = *state;
  uint32_t random = 12345;
  for (size_t i = 0; i < pictures->count; i++) {
    struct base_buffer file = picture_file(pictures->list[i].name, "");
    for (int round = 0; round < 24; round++) {
      struct base_buffer broken;
      base_buffer_init(&broken, PICTURE_MAX_BYTES);
      assert_int_equal(base_buffer_append(&broken, file.data, file.bytes), BASE_OK);
      for (int flip = 0; flip < 3; flip++) {
        random = random * 1664525u + 1013904223u;
        // Mostly in the front, where the structure is.
        size_t range = flip == 0 ? file.bytes : file.bytes < 200 ? file.bytes : 200;
        broken.data[(random >> 8) % range] ^= (uint8_t)(1u << (random >> 29));
      }
      enum base_result result = read_exactly(base_buffer_span(&broken), NULL);
      assert_true(result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED || result == BASE_OK);
      base_buffer_finish(&broken);
    }
    base_buffer_finish(&file);
  }
}

static void assert_file_is_refused(const char *name, enum base_result result, const char *subject, const char *text) {
  struct base_fault fault = {0};
  struct base_buffer file = picture_file(name, "");
  assert_int_equal(read_exactly(base_buffer_span(&file), &fault), result);
  assert_string_equal(fault.subject, subject);
  assert_non_null(strstr(fault.text, text));
  base_buffer_finish(&file);
}

static void text_named_jpg_is_unsupported(void **state) {
  (void)state;
  assert_file_is_refused("text.jpg", BASE_UNSUPPORTED, "format", "JPEG");
  assert_file_is_refused("empty.png", BASE_UNSUPPORTED, "format", "JPEG");
}

static void huge_header_is_refused_with_the_limit_named(void **state) {
  (void)state;
  assert_file_is_refused("huge_header.png", BASE_UNPROCESSABLE, "max_side", "50000 x 50000");
}

static void wrong_checksum_is_unprocessable(void **state) {
  (void)state;
  assert_file_is_refused("bad_crc.png", BASE_UNPROCESSABLE, "png", "damaged");
}

static void kinds_of_tiff_that_are_not_read_say_which(void **state) {
  (void)state;
  assert_file_is_refused("float.tif", BASE_UNSUPPORTED, "tiff", "floating point");
  assert_file_is_refused("signed.tif", BASE_UNSUPPORTED, "tiff", "signed");
  assert_file_is_refused("dng.tif", BASE_UNSUPPORTED, "tiff", "raw data");
  assert_file_is_refused("camera_raw.tif", BASE_UNSUPPORTED, "tiff", "raw data");
  assert_file_is_refused("unknown_compression.tif", BASE_UNSUPPORTED, "tiff", "compression");
  assert_file_is_refused("hexachrome.tif", BASE_UNSUPPORTED, "tiff", "inks");
  assert_file_is_refused("huge_tile.tif", BASE_UNSUPPORTED, "tiff", "blocks of");
  assert_file_is_refused("too_many_strips.tif", BASE_UNPROCESSABLE, "max_side", "1 x 50000");
}

// Changed where it says how its samples lie (tag 284, one SHORT): from pixel by pixel to plane by plane.
static void tiff_of_jpeg_in_separate_planes_is_unsupported_where_colours_need_conversion(void **state) {
  (void)state;
  static const uint8_t together[] = {0x1c, 0x01, 3, 0, 1, 0, 0, 0, 1, 0};
  struct base_fault fault = {0};
  struct base_buffer file = picture_file("packed_jpeg.tif", "");
  uint8_t *tag = memmem(file.data, file.bytes, together, sizeof together);
  assert_non_null(tag);
  tag[sizeof together - 2] = 2;
  assert_int_equal(read_exactly(base_buffer_span(&file), &fault), BASE_UNSUPPORTED);
  assert_non_null(strstr(fault.text, "separate planes"));
  base_buffer_finish(&file);
}

// A crop hides how much has to be decoded for it.
static void limits_hold_before_a_crop(void **state) {
  (void)state;
  static const char *const names[] = {"clap.heic", "clap_irot.heic", "clap.avif", "clap_420.avif"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const struct codec_decoder *decoder;
    struct image_header header;
    struct base_fault fault = {0};
    struct base_buffer file = picture_file(names[i], "");
    const struct base_span bytes = base_buffer_span(&file);
    assert_int_equal(codec_inspect(bytes, &limits, &decoder, &header, &fault), BASE_OK);
    assert_true(header.coded_width > header.width && header.coded_height > header.height);
    struct image_limits tight = limits;
    tight.max_pixels = (uint64_t)header.coded_width * header.coded_height;
    tight.max_side = header.coded_width > header.coded_height ? header.coded_width : header.coded_height;
    assert_int_equal(codec_inspect(bytes, &tight, &decoder, &header, &fault), BASE_OK);
    tight.max_side--;
    assert_int_equal(codec_inspect(bytes, &tight, &decoder, &header, &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, "max_side");
    tight.max_side++;
    tight.max_pixels--;
    fault = (struct base_fault){0};
    assert_int_equal(codec_inspect(bytes, &tight, &decoder, &header, &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, "max_pixels");
    assert_non_null(strstr(fault.text, "before its crop"));
    base_buffer_finish(&file);
  }
}

static void heic_that_contradicts_itself_is_unprocessable(void **state) {
  (void)state;
  static const char *const names[] = {"circle.heic",          "grid_of_itself.heic", "grid_with_holes.heic",
                                      "grid_small_tile.heic", "other_size.heic",     "half_coded.heic",
                                      "clap_outside.heic",    "no_size.heic",        "other_codec.heic"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_file_is_refused(names[i], BASE_UNPROCESSABLE, "heic", "damaged");
  }
  assert_file_is_refused("huge.heic", BASE_UNPROCESSABLE, "max_side", "30000 x 30000");
}

static void file_over_the_byte_limit_is_refused_with_the_limit_named(void **state) {
  (void)state;
  const struct codec_decoder *decoder;
  struct image_header header;
  struct base_fault fault = {0};
  struct image_limits small = limits;
  struct base_buffer file = picture_file("rgb.jpg", "");
  small.max_file_bytes = file.bytes;
  assert_int_equal(codec_inspect(base_buffer_span(&file), &small, &decoder, &header, &fault), BASE_OK);
  small.max_file_bytes = file.bytes - 1;
  assert_int_equal(codec_inspect(base_buffer_span(&file), &small, &decoder, &header, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "max_file_bytes");
  base_buffer_finish(&file);
}

static int read_list(void **state) {
  static struct pictures pictures;
  pictures_read(&pictures);
  *state = &pictures;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cut_files_are_unprocessable_at_every_length_that_keeps_the_signature),
      cmocka_unit_test(small_files_cut_anywhere_are_unprocessable),
      cmocka_unit_test(cut_files_are_never_read_past_their_end),
      cmocka_unit_test(flipped_bytes_never_do_worse_than_an_error),
      cmocka_unit_test(text_named_jpg_is_unsupported),
      cmocka_unit_test(huge_header_is_refused_with_the_limit_named),
      cmocka_unit_test(wrong_checksum_is_unprocessable),
      cmocka_unit_test(kinds_of_tiff_that_are_not_read_say_which),
      cmocka_unit_test(tiff_of_jpeg_in_separate_planes_is_unsupported_where_colours_need_conversion),
      cmocka_unit_test(limits_hold_before_a_crop),
      cmocka_unit_test(heic_that_contradicts_itself_is_unprocessable),
      cmocka_unit_test(file_over_the_byte_limit_is_refused_with_the_limit_named),
  };
  return cmocka_run_group_tests(tests, read_list, NULL);
}
