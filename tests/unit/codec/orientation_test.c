// Photographs that lie on their side, as cameras write them: the stored picture turned, and EXIF by libexif saying how.
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reading.h"

#include <jpeglib.h>
#include <libexif/exif-data.h>

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

enum { WIDTH = 44, HEIGHT = 30, CHANNELS = 3, TOLERANCE = 6 };

// Nowhere the same when turned, and smooth.
static void upright_pixel(uint32_t x, uint32_t y, uint8_t out[CHANNELS]) {
  out[0] = (uint8_t)(20 + x * 200 / WIDTH);
  out[1] = (uint8_t)(230 - y * 200 / HEIGHT);
  out[2] = (uint8_t)(40 + (x + 3 * y) * 150 / (WIDTH + 3 * HEIGHT));
}

// Where a stored pixel is seen (Exif 2.3, tag 0x0112: which side of the picture the stored 0th row and 0th column are).
static void seen_at(int orientation, uint32_t x, uint32_t y, uint32_t *seen_x, uint32_t *seen_y) {
  const uint32_t right = WIDTH - 1, bottom = HEIGHT - 1;
  switch (orientation) {
    case 1:  // row: top, column: left
      *seen_x = x, *seen_y = y;
      return;
    case 2:  // top, right
      *seen_x = right - x, *seen_y = y;
      return;
    case 3:  // bottom, right
      *seen_x = right - x, *seen_y = bottom - y;
      return;
    case 4:  // bottom, left
      *seen_x = x, *seen_y = bottom - y;
      return;
    case 5:  // left, top
      *seen_x = y, *seen_y = x;
      return;
    case 6:  // right, top
      *seen_x = right - y, *seen_y = x;
      return;
    case 7:  // right, bottom
      *seen_x = right - y, *seen_y = bottom - x;
      return;
    default:  // left, bottom
      *seen_x = y, *seen_y = bottom - x;
  }
}

// "Exif\0\0" and the block, by libexif; free() it.
static unsigned char *make_exif(int orientation, ExifByteOrder order, unsigned *bytes) {
  unsigned char *block = NULL;
  ExifData *data = exif_data_new();
  exif_data_set_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_set_data_type(data, EXIF_DATA_TYPE_COMPRESSED);
  exif_data_set_byte_order(data, order);
  exif_data_fix(data);
  ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (!entry) {
    entry = exif_entry_new();
    exif_content_add_entry(data->ifd[EXIF_IFD_0], entry);
    exif_entry_initialize(entry, EXIF_TAG_ORIENTATION);
    exif_entry_unref(entry);
    entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  }
  exif_set_short(entry->data, order, (ExifShort)orientation);
  exif_data_save_data(data, &block, bytes);
  exif_data_unref(data);
  assert_non_null(block);
  return block;
}

static struct base_buffer make_photograph(int orientation, ExifByteOrder order) {
  const bool is_on_its_side = orientation >= 5;
  const uint32_t width = is_on_its_side ? HEIGHT : WIDTH, height = is_on_its_side ? WIDTH : HEIGHT;
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL, row[WIDTH * CHANNELS];
  unsigned long bytes = 0;
  unsigned exif_bytes;
  JSAMPROW rows = row;
  struct base_buffer out;
  unsigned char *exif = make_exif(orientation, order, &exif_bytes);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &data, &bytes);
  info.image_width = width;
  info.image_height = height;
  info.input_components = CHANNELS;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 98, TRUE);
  jpeg_start_compress(&info, TRUE);
  jpeg_write_marker(&info, JPEG_APP0 + 1, exif, exif_bytes);
  while (info.next_scanline < height) {
    for (uint32_t x = 0; x < width; x++) {
      uint32_t seen_x, seen_y;
      seen_at(orientation, x, info.next_scanline, &seen_x, &seen_y);
      upright_pixel(seen_x, seen_y, &row[(size_t)x * CHANNELS]);
    }
    jpeg_write_scanlines(&info, &rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  free(exif);
  base_buffer_init(&out, 1 << 20);
  assert_int_equal(base_buffer_append(&out, data, bytes), BASE_OK);
  free(data);
  return out;
}

// The luma that the planes hold where the pixel (x, y) of the upright picture is stored, found through the geometry
// that everything else uses.
static double luma_seen_at(const struct image *image, enum image_orientation orientation, uint32_t x, uint32_t y) {
  const enum image_orientation back = image_orientation_inverse(orientation);
  const struct image_rect pixel = {.x = x, .y = y, .width = 1, .height = 1};
  const struct image_rect stored = image_rect_orient(pixel, back, WIDTH, HEIGHT);
  return image_plane_row(&image->planes[IMAGE_PLANE_Y], (uint32_t)stored.y)[(uint32_t)stored.x];
}

static void check(int orientation, ExifByteOrder order) {
  struct image_header header;
  struct image *image;
  struct base_fault fault = {0};
  struct base_buffer file = make_photograph(orientation, order);
  if (read_picture(base_buffer_span(&file), &limits, &header, &image, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(header.orientation, orientation);
  assert_int_equal(image->format, IMAGE_YUV);
  assert_int_equal(image_orientation_swaps(header.orientation) ? header.height : header.width, WIDTH);
  for (uint32_t y = 0; y < HEIGHT; y++) {
    for (uint32_t x = 0; x < WIDTH; x++) {
      uint8_t rgb[CHANNELS];
      upright_pixel(x, y, rgb);
      const double wanted = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
      const double got = luma_seen_at(image, header.orientation, x, y);
      if (got < wanted - TOLERANCE || got > wanted + TOLERANCE) {
        fail_msg("orientation %d: pixel %u,%u is %f instead of %f", orientation, x, y, got, wanted);
      }
    }
  }
  image_unref(&image);
  base_buffer_finish(&file);
}

static void photograph_stands_upright_for_every_orientation_and_byte_order(void **state) {
  (void)state;
  for (int orientation = 1; orientation <= 8; orientation++) {
    check(orientation, EXIF_BYTE_ORDER_INTEL);
    check(orientation, EXIF_BYTE_ORDER_MOTOROLA);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(photograph_stands_upright_for_every_orientation_and_byte_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
