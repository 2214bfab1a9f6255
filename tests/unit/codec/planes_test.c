// JPEG planes against jpeg_read_raw_data as its manual describes it: every shape of blocks, every way of coding.
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"
#include "reading.h"

#include <jpeglib.h>

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

enum { MOST_SIDE = 160, MOST_PLANES = 3 };

struct shape {
  int factors[MOST_PLANES][2];  // sampling of Y, U and V, across and down
  unsigned across, down;        // of the planes; 0: no planes
};

enum coding { BASELINE, RESTARTS, OPTIMISED, PROGRESSIVE, ARITHMETIC, ARITHMETIC_PROGRESSIVE, CODINGS };

static void choose_coding(struct jpeg_compress_struct *info, enum coding coding) {
  info->restart_interval = coding == RESTARTS ? 2 : 0;
  info->optimize_coding = coding == OPTIMISED;
  info->arith_code = coding >= ARITHMETIC;
  if (coding == PROGRESSIVE || coding == ARITHMETIC_PROGRESSIVE) jpeg_simple_progression(info);
}

static uint8_t noise(uint32_t x, uint32_t y, uint32_t channel) {
  return (uint8_t)(x * (3 + channel) + y * (7 - channel) + ((x * 73 + y * 151 + channel * 31) % 17) * 4);
}

// `shape` NULL: grey.
static struct base_buffer make_jpeg(uint32_t width, uint32_t height, const struct shape *shape, enum coding coding) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL;
  unsigned long bytes = 0;
  struct base_buffer out;
  uint8_t row[MOST_SIDE * MOST_PLANES];
  JSAMPROW rows = row;
  const uint32_t channels = shape ? 3 : 1;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &data, &bytes);
  info.image_width = width;
  info.image_height = height;
  info.input_components = (int)channels;
  info.in_color_space = shape ? JCS_YCbCr : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 85, TRUE);
  for (int i = 0; shape && i < MOST_PLANES; i++) {
    info.comp_info[i].h_samp_factor = shape->factors[i][0];
    info.comp_info[i].v_samp_factor = shape->factors[i][1];
  }
  choose_coding(&info, coding);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < height) {
    for (uint32_t i = 0; i < width * channels; i++) row[i] = noise(i / channels, info.next_scanline, i % channels);
    jpeg_write_scanlines(&info, &rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  assert_int_equal(base_buffer_append(&out, data, bytes), BASE_OK);
  free(data);
  return out;
}

// Whole planes with all of their padding.
struct witness {
  uint8_t samples[MOST_PLANES][MOST_SIDE * 2][MOST_SIDE * 2];
};

static void read_witness(struct base_span file, struct witness *out) {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, file.data, file.bytes);
  assert_int_equal(jpeg_read_header(&info, TRUE), JPEG_HEADER_OK);
  info.raw_data_out = TRUE;
  info.out_color_space = info.jpeg_color_space;
  jpeg_start_decompress(&info);
  const JDIMENSION lines = (JDIMENSION)info.max_v_samp_factor * DCTSIZE;
  while (info.output_scanline < info.output_height) {
    JSAMPROW rows[MOST_PLANES][MAX_SAMP_FACTOR * DCTSIZE];
    JSAMPARRAY planes[MOST_PLANES] = {rows[0], rows[1], rows[2]};
    for (int i = 0; i < info.num_components; i++) {
      const JDIMENSION count = (JDIMENSION)info.comp_info[i].v_samp_factor * DCTSIZE;
      for (JDIMENSION y = 0; y < count; y++) rows[i][y] = out->samples[i][info.output_scanline / lines * count + y];
    }
    assert_int_equal(jpeg_read_raw_data(&info, planes, lines), lines);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

static void assert_planes(struct base_span file, const struct image *image) {
  static struct witness witness;
  read_witness(file, &witness);
  for (unsigned i = 0; i < MOST_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      assert_memory_equal(image_plane_row(plane, y), witness.samples[i][y], plane->width);
    }
  }
}

static const struct {
  uint32_t width, height;
} sizes[] = {{1, 1}, {2, 3}, {7, 5}, {8, 8}, {9, 17}, {16, 16}, {33, 15}, {64, 32}, {65, 63}, {150, 37}};

static void check(const struct shape *shape, enum coding coding) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct base_buffer file = make_jpeg(sizes[i].width, sizes[i].height, shape, coding);
    struct image_header header;
    struct image *image;
    assert_int_equal(read_picture(base_buffer_span(&file), &limits, &header, &image, NULL), BASE_OK);
    if (shape && shape->across == 0) {
      assert_int_equal(image->format, IMAGE_RGBA8);
    } else {
      assert_int_equal(image->format, IMAGE_YUV);
      assert_int_equal(image->yuv.is_grey, shape == NULL);
      assert_int_equal(image->yuv.chroma_x, shape ? shape->across : 1);
      assert_int_equal(image->yuv.chroma_y, shape ? shape->down : 1);
      assert_planes(base_buffer_span(&file), image);
    }
    image_unref(&image);
    base_buffer_finish(&file);
  }
}

static void planes_are_what_is_in_the_file_for_every_shape_and_coding(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {{{1, 1}, {1, 1}, {1, 1}}, 1, 1}, {{{2, 1}, {1, 1}, {1, 1}}, 2, 1}, {{{2, 2}, {1, 1}, {1, 1}}, 2, 2},
      {{{1, 2}, {1, 1}, {1, 1}}, 1, 2}, {{{4, 1}, {1, 1}, {1, 1}}, 4, 1}, {{{4, 2}, {1, 1}, {1, 1}}, 4, 2},
      {{{2, 2}, {1, 2}, {1, 2}}, 2, 1}, {{{2, 2}, {2, 1}, {2, 1}}, 1, 2}, {{{1, 3}, {1, 3}, {1, 3}}, 1, 1},
      {{{4, 1}, {2, 1}, {2, 1}}, 2, 1}, {{{1, 4}, {1, 2}, {1, 2}}, 1, 2},
  };
  for (int coding = 0; coding < CODINGS; coding++) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check(&shapes[i], (enum coding)coding);
    check(NULL, (enum coding)coding);
  }
}

static void shapes_that_are_no_planes_of_ours_come_as_pixels(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {{{1, 1}, {2, 1}, {2, 1}}, 0, 0},
      {{{2, 2}, {1, 1}, {2, 1}}, 0, 0},
      {{{1, 4}, {1, 1}, {1, 1}}, 0, 0},
      {{{2, 1}, {1, 2}, {1, 2}}, 0, 0},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check(&shapes[i], BASELINE);
}

// Noticed in every coding, as deep in the file as planes are read.
static void cut_planes_are_unprocessable(void **state) {
  (void)state;
  static const struct shape shape = {{{2, 2}, {1, 1}, {1, 1}}, 2, 2};
  for (int coding = 0; coding < CODINGS; coding++) {
    struct base_buffer file = make_jpeg(150, 120, &shape, (enum coding)coding);
    for (size_t cut = 1; cut < file.bytes / 2; cut = cut * 2 + 1) {
      struct image_header header;
      struct image *image;
      struct base_fault fault = {0};
      struct base_span part = base_span_slice(base_buffer_span(&file), 0, file.bytes - cut);
      assert_int_equal(read_picture(part, &limits, &header, &image, &fault), BASE_UNPROCESSABLE);
      assert_string_equal(fault.subject, "jpeg");
    }
    base_buffer_finish(&file);
  }
}

static void file_that_is_not_what_was_planned_is_unprocessable(void **state) {
  (void)state;
  static const struct shape planned = {{{2, 2}, {1, 1}, {1, 1}}, 2, 2}, found = {{{1, 1}, {1, 1}, {1, 1}}, 1, 1};
  struct base_buffer a = make_jpeg(40, 30, &planned, BASELINE), b = make_jpeg(40, 30, &found, BASELINE);
  struct image_header header;
  struct image *image;
  assert_int_equal(read_picture(base_buffer_span(&a), &limits, &header, &image, NULL), BASE_OK);
  const struct codec_decoder *decoder = codec_decoder_for(base_buffer_span(&b));
  assert_int_equal(decoder->decode(base_buffer_span(&b), &header, image, NULL), BASE_UNPROCESSABLE);
  image_unref(&image);
  base_buffer_finish(&a);
  base_buffer_finish(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(planes_are_what_is_in_the_file_for_every_shape_and_coding),
      cmocka_unit_test(shapes_that_are_no_planes_of_ours_come_as_pixels),
      cmocka_unit_test(cut_planes_are_unprocessable),
      cmocka_unit_test(file_that_is_not_what_was_planned_is_unprocessable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
