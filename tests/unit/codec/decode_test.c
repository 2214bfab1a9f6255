#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"
#include "reading.h"

#include <jpeglib.h>

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

static struct image *decode(const char *name, struct base_span file) {
  struct image_header header;
  struct image *image;
  struct base_fault fault = {0};
  if (read_picture(file, &limits, &header, &image, &fault) != BASE_OK) fail_msg("%s: %s", name, fault.text);
  return image;
}

static void inspect_tells_the_truth_for_every_picture(void **state) {
  struct pictures *pictures = *state;
  for (size_t i = 0; i < pictures->count; i++) {
    const struct picture *picture = &pictures->list[i];
    const struct codec_decoder *decoder;
    struct image_header header;
    struct base_fault fault = {0};
    struct base_buffer file = picture_file(picture->name, "");
    enum base_result result = codec_inspect(base_buffer_span(&file), &limits, &decoder, &header, &fault);
    if (result != BASE_OK) fail_msg("%s: %s", picture->name, fault.text);
    picture_assert_header(picture, &header);
    assert_int_equal(decoder->format, header.format);
    base_buffer_finish(&file);
  }
}

static void decode_equals_the_witness_for_every_picture(void **state) {
  struct pictures *pictures = *state;
  for (size_t i = 0; i < pictures->count; i++) {
    const struct picture *picture = &pictures->list[i];
    struct base_buffer file = picture_file(picture->name, "");
    struct image *image = decode(picture->name, base_buffer_span(&file));
    picture_assert_pixels(picture, image);
    image_unref(&image);
    base_buffer_finish(&file);
  }
}

static void decode_leaves_padding_alone_when_rows_are_padded(void **state) {
  struct pictures *pictures = *state;
  enum { PADDING = 24 };
  for (size_t i = 0; i < pictures->count; i++) {
    const struct picture *picture = &pictures->list[i];
    const struct image_header *header = &picture->header;
    struct base_buffer file = picture_file(picture->name, "");
    struct codec_picture kind;
    const struct codec_decoder *decoder = codec_decoder_for(base_buffer_span(&file));
    assert_int_equal(decoder->plan(base_buffer_span(&file), header, &kind, NULL), BASE_OK);
    uint32_t stride_bytes = header->width * 4 + PADDING;
    size_t bytes = (size_t)stride_bytes * header->height;
    uint8_t *pixels = malloc(bytes);
    struct image *image;
    memset(pixels, 0xA5, bytes);
    assert_int_equal(
        image_adopt(pixels, bytes, header->width, header->height, stride_bytes, header->has_alpha, NULL, &image),
        BASE_OK);
    if (kind.format == IMAGE_RGBA8) {
      assert_int_equal(decoder->decode(base_buffer_span(&file), header, image, NULL), BASE_OK);
      for (uint32_t y = 0; y < header->height; y++) {
        for (int x = 0; x < PADDING; x++) assert_int_equal(image_row(image, y)[header->width * 4 + x], 0xA5);
      }
      picture_assert_pixels(picture, image);
    }
    image_unref(&image);
    base_buffer_finish(&file);
  }
}

static void jpeg_comes_as_planes_unless_its_colours_need_conversion(void **state) {
  (void)state;
  static const struct {
    const char *name;
    unsigned across, down;  // 0: RGBA8
    bool is_grey;
  } wanted[] = {
      {"rgb.jpg", 1, 1, false},         {"rgb422.jpg", 2, 1, false},
      {"rgb420.jpg", 2, 2, false},      {"progressive.jpg", 2, 2, false},
      {"exif6.jpg", 2, 2, false},       {"one.jpg", 2, 2, false},
      {"srgb_icc.jpg", 2, 2, false},    {"bad_icc.jpg", 2, 2, false},
      {"grey.jpg", 1, 1, true},         {"adobe_rgb_icc.jpg", 0, 0, 0},
      {"linear_grey_icc.jpg", 0, 0, 0}, {"cmyk_adobe.jpg", 0, 0, 0},
      {"cmyk_plain.jpg", 0, 0, 0},      {"rgb8.png", 0, 0, 0},
      {"lossy.webp", 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    struct base_buffer file = picture_file(wanted[i].name, "");
    struct image *image = decode(wanted[i].name, base_buffer_span(&file));
    assert_int_equal(image->format, wanted[i].across ? IMAGE_YUV : IMAGE_RGBA8);
    assert_int_equal(image->yuv.chroma_x, wanted[i].across);
    assert_int_equal(image->yuv.chroma_y, wanted[i].down);
    assert_int_equal(image->yuv.is_grey, wanted[i].is_grey);
    assert_int_equal(image->yuv.range, IMAGE_RANGE_FULL);
    image_unref(&image);
    base_buffer_finish(&file);
  }
}

// YCCK as Photoshop writes it; Pillow and ImageMagick can not.
static struct base_buffer make_ycck(const uint8_t inverted_cmyk[4]) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL;
  unsigned long bytes = 0;
  uint8_t row[16 * 4];
  JSAMPROW rows = row;
  struct base_buffer out;
  for (int x = 0; x < 16; x++) memcpy(row + (size_t)x * 4, inverted_cmyk, 4);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &data, &bytes);
  info.image_width = info.image_height = 16;
  info.input_components = 4;
  info.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < 16) jpeg_write_scanlines(&info, &rows, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  assert_int_equal(base_buffer_append(&out, data, bytes), BASE_OK);
  free(data);
  return out;
}

static void ycck_jpeg_is_converted_and_inverted(void **state) {
  (void)state;
  struct base_buffer file = make_ycck((const uint8_t[]){55, 155, 255, 200});
  struct image *image = decode("ycck", base_buffer_span(&file));
  const uint8_t *pixel = image_row(image, 8) + 32;
  assert_in_range(pixel[0], 55 * 200 / 255 - 3, 55 * 200 / 255 + 3);
  assert_in_range(pixel[1], 155 * 200 / 255 - 3, 155 * 200 / 255 + 3);
  assert_in_range(pixel[2], 200 - 3, 200 + 3);
  assert_int_equal(pixel[3], 255);
  image_unref(&image);
  base_buffer_finish(&file);
}

static void decoders_match_only_their_own_pictures(void **state) {
  struct pictures *pictures = *state;
  for (size_t i = 0; i < pictures->count; i++) {
    struct base_buffer file = picture_file(pictures->list[i].name, "");
    const struct codec_decoder *decoder = codec_decoder_for(base_buffer_span(&file));
    assert_non_null(decoder);
    assert_int_equal(decoder->format, pictures->list[i].header.format);
    // Without its first 32 bytes nothing is recognised as anything, TGA included.
    assert_null(codec_decoder_for(base_span_slice(base_buffer_span(&file), 32, 64)));
    base_buffer_finish(&file);
  }
}

static int read_list(void **state) {
  static struct pictures pictures;
  pictures_read(&pictures);
  *state = &pictures;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inspect_tells_the_truth_for_every_picture),
      cmocka_unit_test(decode_equals_the_witness_for_every_picture),
      cmocka_unit_test(decode_leaves_padding_alone_when_rows_are_padded),
      cmocka_unit_test(jpeg_comes_as_planes_unless_its_colours_need_conversion),
      cmocka_unit_test(ycck_jpeg_is_converted_and_inverted),
      cmocka_unit_test(decoders_match_only_their_own_pictures),
  };
  return cmocka_run_group_tests(tests, read_list, NULL);
}
