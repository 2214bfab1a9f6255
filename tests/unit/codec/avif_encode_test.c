// AVIF as it is written: read again by our own decoder (dav1d) and by Debian's avifdec with another one (libgav1).
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image/convert.h"
#include "pictures.h"
#include "reading.h"

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

static struct image *make_pixels(uint32_t width, uint32_t height, bool has_alpha) {
  struct image *image;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width; x++) {
      const uint8_t alpha = has_alpha ? (uint8_t)(1 + (x * 5 + y * 3) % 255) : 255;
      const uint8_t pixel[] = {(uint8_t)(40 + x), (uint8_t)(60 + 2 * y), (uint8_t)(200 - x - y), alpha};
      memcpy(image_row(image, y) + (size_t)x * 4, pixel, 4);
    }
  }
  return image;
}

static struct image *make_planes(const struct image *pixels) {
  const struct image_yuv yuv = {.width = pixels->width,
                                .height = pixels->height,
                                .range = IMAGE_RANGE_FULL,
                                .chroma_x = 2,
                                .chroma_y = 2,
                                .has_alpha = pixels->has_alpha};
  struct image *planes;
  assert_int_equal(image_create_yuv(&yuv, &planes), BASE_OK);
  image_convert_to_yuv(pixels, 0, 0, pixels->width, pixels->height, planes);
  return planes;
}

static struct base_buffer encode(const struct image *image, const struct codec_encode_options *options) {
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  if (codec_encoder_for(CODEC_AVIF)->encode(image, options, &out, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return out;
}

static struct image *decode(const struct base_buffer *file, struct image_header *header) {
  struct image *image;
  struct base_fault fault = {0};
  if (read_picture(base_buffer_span(file), &limits, header, &image, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(header->format, IMAGE_FILE_AVIF);
  assert_int_equal(header->bits, 8);
  assert_int_equal(header->orientation, IMAGE_UPRIGHT);
  assert_false(header->has_icc);
  return image;
}

// That the decoder delivers planes says that range, matrix, primaries and curve were written as ours.
static void planes_come_back_as_the_same_planes_at_every_small_size(void **state) {
  (void)state;
  const struct codec_encode_options best = {.quality = 100};
  for (uint32_t width = 1; width <= 70; width += 1 + width / 6) {
    for (uint32_t height = 1; height <= 70; height += 1 + height / 6) {
      struct image_header header;
      struct image *pixels = make_pixels(width, height, false), *planes = make_planes(pixels);
      struct base_buffer file = encode(planes, &best);
      struct image *back = decode(&file, &header);
      assert_int_equal(back->format, IMAGE_YUV);
      assert_int_equal(back->yuv.range, IMAGE_RANGE_FULL);
      assert_true(back->yuv.chroma_x == 2 && back->yuv.chroma_y == 2 && !back->yuv.is_grey);
      for (unsigned i = 0; i < IMAGE_PLANE_A; i++) {
        for (uint32_t y = 0; y < planes->planes[i].height; y++) {
          for (uint32_t x = 0; x < planes->planes[i].width; x++) {
            const int a = image_plane_row(&planes->planes[i], y)[x], b = image_plane_row(&back->planes[i], y)[x];
            if (abs(a - b) > 5) fail_msg("%u x %u: plane %u at %u,%u is %d, not %d", width, height, i, x, y, b, a);
          }
        }
      }
      image_unref(&pixels);
      image_unref(&planes);
      image_unref(&back);
      base_buffer_finish(&file);
    }
  }
}

static void pixels_and_planes_give_the_same_file(void **state) {
  (void)state;
  const struct codec_encode_options options = {.quality = 70};
  for (int has_alpha = 0; has_alpha <= 1; has_alpha++) {
    struct image *pixels = make_pixels(77, 41, has_alpha), *planes = make_planes(pixels);
    struct base_buffer a = encode(pixels, &options), b = encode(planes, &options), again = encode(planes, &options);
    assert_int_equal(a.bytes, b.bytes);
    assert_memory_equal(a.data, b.data, a.bytes);
    assert_int_equal(again.bytes, b.bytes);
    assert_memory_equal(again.data, b.data, b.bytes);
    image_unref(&pixels);
    image_unref(&planes);
    base_buffer_finish(&a);
    base_buffer_finish(&b);
    base_buffer_finish(&again);
  }
}

static void alpha_comes_back_exactly(void **state) {
  (void)state;
  const struct codec_encode_options options = {.quality = 40};
  struct image_header header;
  struct image *pixels = make_pixels(61, 47, true);
  struct base_buffer file = encode(pixels, &options);
  struct image *back = decode(&file, &header);
  assert_true(header.has_alpha && back->has_alpha);
  for (uint32_t y = 0; y < 47; y++) {
    for (uint32_t x = 3; x < 61 * 4; x += 4) assert_int_equal(image_row(back, y)[x], image_row(pixels, y)[x]);
  }
  image_unref(&pixels);
  image_unref(&back);
  base_buffer_finish(&file);
}

static void lossless_comes_back_exactly_at_every_speed(void **state) {
  (void)state;
  for (int speed = 5; speed <= 10; speed++) {
    for (int has_alpha = 0; has_alpha <= 1; has_alpha++) {
      const struct codec_encode_options options = {.lossless = true, .avif_speed = speed};
      struct image_header header;
      struct image *pixels = make_pixels(61, 47, has_alpha);
      struct base_buffer file = encode(pixels, &options);
      struct image *back = decode(&file, &header);
      assert_int_equal(header.has_alpha, has_alpha);
      for (uint32_t y = 0; y < 47; y++) assert_memory_equal(image_row(back, y), image_row(pixels, y), 61 * 4);
      image_unref(&pixels);
      image_unref(&back);
      base_buffer_finish(&file);
    }
  }
}

static void files_grow_with_the_quality(void **state) {
  (void)state;
  size_t before = 0;
  struct image *pixels = make_pixels(200, 150, false);
  uint32_t random = 7;
  for (size_t i = 0; i < pixels->bytes; i++) {  // a grain that low qualities drop
    random = random * 1664525u + 1013904223u;
    if (i % 4 != 3) pixels->pixels[i] = (uint8_t)(pixels->pixels[i] + (random >> 28));
  }
  for (int quality = 1; quality <= 100; quality += 9) {
    const struct codec_encode_options options = {.quality = quality};
    struct base_buffer file = encode(pixels, &options);
    if (file.bytes < before) fail_msg("q=%d has %zu bytes, less than before (%zu)", quality, file.bytes, before);
    before = file.bytes;
    base_buffer_finish(&file);
  }
  image_unref(&pixels);
}

static void nonsense_is_refused(void **state) {
  (void)state;
  static const struct {
    struct codec_encode_options options;
    const char *subject;
  } cases[] = {{{.quality = 0}, "q"},
               {{.quality = 101}, "q"},
               {{.quality = 80, .avif_speed = 11}, "avif_speed"},
               {{.quality = 80, .avif_speed = -1}, "avif_speed"}};
  struct image *pixels = make_pixels(8, 8, false);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct base_fault fault = {0};
    struct base_buffer out;
    base_buffer_init(&out, PICTURE_MAX_BYTES);
    assert_int_equal(codec_encoder_for(CODEC_AVIF)->encode(pixels, &cases[i].options, &out, &fault), BASE_BAD_INPUT);
    assert_string_equal(fault.subject, cases[i].subject);
    assert_int_equal(out.bytes, 0);
    base_buffer_finish(&out);
  }
  image_unref(&pixels);
}

static void write_file(const char *path, const struct base_buffer *file) {
  FILE *stream = fopen(path, "wb");
  assert_non_null(stream);
  assert_int_equal(fwrite(file->data, 1, file->bytes, stream), file->bytes);
  assert_int_equal(fclose(stream), 0);
}

static void assert_said(const char *info, const char *what) {
  if (!strstr(info, what)) fail_msg("avifdec does not say \"%s\" but:\n%s", what, info);
}

// What avifdec --info says of the colours, which `nclx` and the coded picture state.
static void assert_colours_are_stated(const char *path) {
  char command[600], info[8192];
  snprintf(command, sizeof command, "avifdec --info %s", path);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  info[fread(info, 1, sizeof info - 1, pipe)] = '\0';
  assert_int_equal(pclose(pipe), 0);
  assert_said(info, "Format         : YUV420");
  assert_said(info, "Range          : Full");
  assert_said(info, "Color Primaries: 1");
  assert_said(info, "Transfer Char. : 13");
  assert_said(info, "Matrix Coeffs. : 6");
  assert_said(info, "ICC Profile    : Absent");
}

static void another_decoder_sees_the_same_colours(void **state) {
  (void)state;
  const struct codec_encode_options options = {.quality = 90};
  char folder[] = "/tmp/pixpop-avif-XXXXXX", avif[64], png[64], command[600];
  assert_non_null(mkdtemp(folder));
  snprintf(avif, sizeof avif, "%s/a.avif", folder);
  snprintf(png, sizeof png, "%s/a.png", folder);
  for (int has_alpha = 0; has_alpha <= 1; has_alpha++) {
    struct image_header header;
    struct image *back, *pixels = make_pixels(90, 64, has_alpha);
    struct base_buffer witness, file = encode(pixels, &options);
    write_file(avif, &file);
    assert_colours_are_stated(avif);
    snprintf(command, sizeof command, "avifdec --codec libgav1 %s %s >/dev/null", avif, png);
    assert_int_equal(system(command), 0);
    assert_int_equal(base_file_read(png, PICTURE_MAX_BYTES, &witness, NULL), BASE_OK);
    assert_int_equal(read_picture(base_buffer_span(&witness), &limits, &header, &back, NULL), BASE_OK);
    assert_int_equal(header.has_alpha, has_alpha);
    for (uint32_t y = 0; y < 64; y++) {
      for (uint32_t x = 0; x < 90 * 4; x++) {
        const int a = image_row(pixels, y)[x], b = image_row(back, y)[x];
        if (abs(a - b) > (x % 4 == 3 ? 0 : 10)) fail_msg("at %u,%u channel %u is %d, not %d", x / 4, y, x % 4, b, a);
      }
    }
    image_unref(&pixels);
    image_unref(&back);
    base_buffer_finish(&witness);
    base_buffer_finish(&file);
  }
  remove(avif);
  remove(png);
  remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(planes_come_back_as_the_same_planes_at_every_small_size),
      cmocka_unit_test(pixels_and_planes_give_the_same_file),
      cmocka_unit_test(alpha_comes_back_exactly),
      cmocka_unit_test(lossless_comes_back_exactly_at_every_speed),
      cmocka_unit_test(files_grow_with_the_quality),
      cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(another_decoder_sees_the_same_colours),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
