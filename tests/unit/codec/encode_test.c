#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"
#include "image/convert.h"
#include "reading.h"

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;
static const struct codec_encode_options plain = {.quality = 80, .effort = 4};

enum { WIDTH = 61, HEIGHT = 47 };

static uint8_t smooth(uint32_t x, uint32_t y, uint32_t channel) {
  static const uint32_t across[4] = {4, 0, 2, 3}, down[4] = {0, 5, 2, 1};
  return (uint8_t)((x * across[channel] + y * down[channel]) & 0xFF);
}

static struct image *make_image(bool has_alpha) {
  struct image *image;
  assert_int_equal(image_create(WIDTH, HEIGHT, has_alpha, &image), BASE_OK);
  for (uint32_t y = 0; y < HEIGHT; y++) {
    for (uint32_t x = 0; x < WIDTH * 4; x++) {
      image_row(image, y)[x] =
          x % 4 == 3 ? (has_alpha ? (uint8_t)(smooth(x / 4, y, 3) | 1) : 255) : smooth(x / 4, y, x % 4);
    }
  }
  return image;
}

static struct base_buffer encode(enum codec_output output, const struct image *image,
                                 const struct codec_encode_options *options) {
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  const struct codec_encoder *encoder = codec_encoder_for(output);
  if (encoder->encode(image, options, &out, &fault) != BASE_OK) fail_msg("%s: %s", encoder->name, fault.text);
  return out;
}

// As RGBA8, whatever the decoder makes of it.
static struct image *decode(struct base_span file, struct image_header *header) {
  struct image *image, *pixels;
  struct base_fault fault = {0};
  if (read_picture(file, &limits, header, &image, &fault) != BASE_OK) fail_msg("%s", fault.text);
  if (image->format == IMAGE_RGBA8) return image;
  assert_int_equal(image_create(image->width, image->height, image->has_alpha, &pixels), BASE_OK);
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width; x++) {
      double exact[4];
      picture_pixel(image, x, y, exact);
      for (size_t c = 0; c < 4; c++) image_row(pixels, y)[(size_t)x * 4 + c] = (uint8_t)(exact[c] + 0.5);
    }
  }
  image_unref(&image);
  return pixels;
}

static double mean_error(const struct image *a, const struct image *b) {
  double sum = 0;
  assert_int_equal(a->width, b->width);
  assert_int_equal(a->height, b->height);
  for (uint32_t y = 0; y < a->height; y++) {
    for (uint32_t x = 0; x < a->width * 4; x++) sum += abs(image_row(a, y)[x] - image_row(b, y)[x]);
  }
  return sum / ((double)a->width * a->height * 4);
}

// Encodes, decodes again and returns the mean error of a channel.
static double round_trip(enum codec_output output, bool has_alpha, const struct codec_encode_options *options,
                         size_t *bytes) {
  struct image_header header;
  struct image *image = make_image(has_alpha);
  struct base_buffer file = encode(output, image, options);
  struct image *back = decode(base_buffer_span(&file), &header);
  double error = mean_error(image, back);
  *bytes = file.bytes;
  assert_int_equal(header.has_alpha, has_alpha);
  assert_int_equal(header.orientation, IMAGE_UPRIGHT);
  assert_false(header.has_icc);
  assert_string_equal(image_file_format_name(header.format), codec_encoder_for(output)->name);
  image_unref(&back);
  image_unref(&image);
  base_buffer_finish(&file);
  return error;
}

static void lossy_pictures_come_back_nearly_the_same_and_smaller_when_quality_falls(void **state) {
  (void)state;
  size_t fine_bytes, coarse_bytes;
  for (int output = CODEC_WEBP; output <= CODEC_JPEG; output++) {
    struct codec_encode_options fine = plain, coarse = plain;
    fine.quality = 95;
    coarse.quality = 20;
    double fine_error = round_trip((enum codec_output)output, false, &fine, &fine_bytes);
    double coarse_error = round_trip((enum codec_output)output, false, &coarse, &coarse_bytes);
    assert_true(fine_error < 4);
    assert_true(coarse_error > fine_error);
    assert_true(coarse_bytes < fine_bytes);
  }
}

static void webp_keeps_alpha_when_lossy_or_sharp(void **state) {
  (void)state;
  size_t bytes;
  struct codec_encode_options options = plain;
  assert_true(round_trip(CODEC_WEBP, true, &options, &bytes) < 8);
  options.sharp_yuv = true;
  assert_true(round_trip(CODEC_WEBP, true, &options, &bytes) < 8);
}

static void lossless_outputs_come_back_exactly_at_every_effort(void **state) {
  (void)state;
  size_t bytes;
  for (int effort = 0; effort <= 6; effort++) {
    for (int has_alpha = 0; has_alpha <= 1; has_alpha++) {
      struct codec_encode_options options = {.quality = 80, .lossless = true, .effort = effort};
      assert_true(round_trip(CODEC_WEBP, has_alpha, &options, &bytes) == 0);
      assert_true(round_trip(CODEC_PNG, has_alpha, &options, &bytes) == 0);
    }
  }
}

// The planes of a picture of ours; odd sizes leave chroma blocks half full.
static struct image *make_planes(const struct image *pixels, enum image_range range) {
  const struct image_yuv yuv = {.width = pixels->width,
                                .height = pixels->height,
                                .range = range,
                                .chroma_x = 2,
                                .chroma_y = 2,
                                .has_alpha = pixels->has_alpha};
  struct image *planes;
  assert_int_equal(image_create_yuv(&yuv, &planes), BASE_OK);
  memset(planes->pixels, 0x77, planes->bytes);
  image_convert_to_yuv(pixels, 0, 0, pixels->width, pixels->height, planes);
  return planes;
}

static struct image *make_pixels(uint32_t width, uint32_t height) {
  struct image *image;
  assert_int_equal(image_create(width, height, false, &image), BASE_OK);
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width * 4; x++) {
      image_row(image, y)[x] = x % 4 == 3 ? 255 : (uint8_t)(40 + 2 * (x / 4) + 3 * y + 20 * (x % 4));
    }
  }
  return image;
}

static void webp_of_planes_is_as_good_as_webp_of_pixels(void **state) {
  (void)state;
  struct codec_encode_options fine = plain;
  fine.quality = 95;
  for (int has_alpha = 0; has_alpha <= 1; has_alpha++) {
    struct image_header header;
    struct image *pixels = make_image(has_alpha), *planes = make_planes(pixels, IMAGE_RANGE_LIMITED);
    struct base_buffer file = encode(CODEC_WEBP, planes, &fine), other = encode(CODEC_WEBP, pixels, &fine);
    struct image *back = decode(base_buffer_span(&file), &header);
    struct image *other_back = decode(base_buffer_span(&other), &header);
    assert_int_equal(header.has_alpha, has_alpha);
    assert_true(mean_error(pixels, back) < mean_error(pixels, other_back) * 1.1 + 0.2);
    assert_true(file.bytes < other.bytes * 11 / 10);
    for (uint32_t y = 0; y < HEIGHT && has_alpha; y++) {
      for (uint32_t x = 3; x < WIDTH * 4; x += 4) assert_int_equal(image_row(back, y)[x], image_row(pixels, y)[x]);
    }
    image_unref(&pixels);
    image_unref(&planes);
    image_unref(&back);
    image_unref(&other_back);
    base_buffer_finish(&file);
    base_buffer_finish(&other);
  }
}

static void webp_flattens_only_what_is_not_seen(void **state) {
  (void)state;
  struct image_header header;
  struct image *pixels = make_image(true);
  for (uint32_t y = 0; y < HEIGHT; y++) {
    for (uint32_t x = 0; x < WIDTH; x++) image_row(pixels, y)[x * 4 + 3] = x < 32 ? 0 : 255;
  }
  struct image *planes = make_planes(pixels, IMAGE_RANGE_LIMITED);
  struct base_buffer file = encode(CODEC_WEBP, planes, &plain);
  struct image *back = decode(base_buffer_span(&file), &header);
  double sum = 0;
  for (uint32_t y = 0; y < HEIGHT; y++) {
    for (uint32_t x = 0; x < WIDTH; x++) {
      const uint8_t *a = image_row(pixels, y) + (size_t)x * 4, *b = image_row(back, y) + (size_t)x * 4;
      assert_int_equal(a[3], b[3]);
      for (int c = 0; c < 3 && x >= 32; c++) sum += abs(a[c] - b[c]);
    }
  }
  assert_true(sum / ((WIDTH - 32) * HEIGHT * 3) < 10);
  image_unref(&pixels);
  image_unref(&planes);
  image_unref(&back);
  base_buffer_finish(&file);
}

static void shared_planes_without_alpha_stay_as_they_are(void **state) {
  (void)state;
  struct image *pixels = make_image(false);
  for (int output = CODEC_WEBP; output <= CODEC_JPEG; output++) {
    struct image *planes = make_planes(pixels, output == CODEC_WEBP ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL);
    struct image *other = image_ref(planes);
    uint8_t *before = malloc(planes->bytes);
    memcpy(before, planes->pixels, planes->bytes);
    struct base_buffer file = encode((enum codec_output)output, planes, &plain);
    assert_memory_equal(before, planes->pixels, planes->bytes);
    free(before);
    image_unref(&other);
    image_unref(&planes);
    base_buffer_finish(&file);
  }
  image_unref(&pixels);
}

static void assert_planes_near(const struct image *a, const struct image *b, int tolerance) {
  assert_int_equal(b->format, IMAGE_YUV);
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    assert_int_equal(a->planes[i].width, b->planes[i].width);
    assert_int_equal(a->planes[i].height, b->planes[i].height);
    for (uint32_t y = 0; y < a->planes[i].height; y++) {
      for (uint32_t x = 0; x < a->planes[i].width; x++) {
        int difference = image_plane_row(&a->planes[i], y)[x] - image_plane_row(&b->planes[i], y)[x];
        if (abs(difference) > tolerance) {
          fail_msg("%u x %u: plane %u at %u,%u is off by %d", a->width, a->height, i, x, y, difference);
        }
      }
    }
  }
}

// The filling of blocks shows here: an edge of it would ring in the last samples.
static void jpeg_of_planes_comes_back_as_the_same_planes_at_every_small_size(void **state) {
  (void)state;
  const struct codec_encode_options best = {.quality = 100, .effort = 4};
  for (uint32_t width = 1; width <= 36; width += 1 + width / 12) {
    for (uint32_t height = 1; height <= 36; height += 1 + height / 12) {
      struct image_header header;
      struct image *back, *pixels = make_pixels(width, height), *planes = make_planes(pixels, IMAGE_RANGE_FULL);
      struct base_buffer file = encode(CODEC_JPEG, planes, &best);
      assert_int_equal(read_picture(base_buffer_span(&file), &limits, &header, &back, NULL), BASE_OK);
      assert_int_equal(back->yuv.chroma_x, 2);
      assert_int_equal(back->yuv.chroma_y, 2);
      assert_planes_near(planes, back, 2);
      image_unref(&pixels);
      image_unref(&planes);
      image_unref(&back);
      base_buffer_finish(&file);
    }
  }
}

static void jpeg_of_planes_is_as_small_as_jpeg_of_pixels(void **state) {
  (void)state;
  struct image *pixels = make_image(false), *planes = make_planes(pixels, IMAGE_RANGE_FULL);
  struct base_buffer file = encode(CODEC_JPEG, planes, &plain), other = encode(CODEC_JPEG, pixels, &plain);
  assert_true(file.bytes < other.bytes * 11 / 10);
  image_unref(&pixels);
  image_unref(&planes);
  base_buffer_finish(&file);
  base_buffer_finish(&other);
}

static bool holds(const struct base_buffer *file, const char *mark, size_t bytes) {
  return memmem(file->data, file->bytes, mark, bytes) != NULL;
}

static void assert_jpeg_is_progressive_420(const struct image *image) {
  struct base_buffer file = encode(CODEC_JPEG, image, &plain);
  // SOF2 with three components, the first sampled 2 x 2.
  const uint8_t *frame = memmem(file.data, file.bytes, "\xFF\xC2", 2);
  assert_non_null(frame);
  assert_int_equal(frame[9], 3);
  assert_int_equal(frame[11], 0x22);
  assert_int_equal(frame[14], 0x11);
  assert_false(holds(&file, "Exif", 4));
  assert_false(holds(&file, "ICC_PROFILE", 11));
  base_buffer_finish(&file);
}

static void jpeg_is_progressive_subsampled_and_without_metadata(void **state) {
  (void)state;
  struct image *pixels = make_image(false), *planes = make_planes(pixels, IMAGE_RANGE_FULL);
  assert_jpeg_is_progressive_420(pixels);
  assert_jpeg_is_progressive_420(planes);
  image_unref(&pixels);
  image_unref(&planes);
}

static void jpeg_survives_growing_over_many_chunks(void **state) {
  (void)state;
  struct image *image;
  uint32_t random = 1;
  assert_int_equal(image_create(500, 400, false, &image), BASE_OK);
  for (size_t i = 0; i < image->bytes; i++) {
    random = random * 1664525u + 1013904223u;
    image->pixels[i] = i % 4 == 3 ? 255 : (uint8_t)(random >> 24);
  }
  struct codec_encode_options options = {.quality = 100, .effort = 4};
  struct image_header header;
  struct base_buffer file = encode(CODEC_JPEG, image, &options);
  assert_true(file.bytes > 100000);
  struct image *back = decode(base_buffer_span(&file), &header);
  assert_int_equal(back->width, 500);
  image_unref(&back);
  image_unref(&image);
  base_buffer_finish(&file);
}

static void encoding_appends_and_leaves_the_buffer_alone_when_it_fails(void **state) {
  (void)state;
  struct image *image = make_image(false);
  for (int output = 0; output < CODEC_OUTPUT_COUNT; output++) {
    const struct codec_encoder *encoder = codec_encoder_for((enum codec_output)output);
    struct base_fault fault = {0};
    struct base_buffer out;
    base_buffer_init(&out, 40);
    assert_int_equal(base_buffer_append(&out, "before", 6), BASE_OK);
    assert_int_equal(encoder->encode(image, &plain, &out, &fault), BASE_TOO_LARGE);
    assert_int_equal(out.bytes, 6);
    base_buffer_finish(&out);
    base_buffer_init(&out, PICTURE_MAX_BYTES);
    assert_int_equal(base_buffer_append(&out, "before", 6), BASE_OK);
    assert_int_equal(encoder->encode(image, &plain, &out, NULL), BASE_OK);
    assert_memory_equal(out.data, "before", 6);
    assert_non_null(codec_decoder_for(base_span_slice(base_buffer_span(&out), 6, out.bytes)));
    base_buffer_finish(&out);
  }
  image_unref(&image);
}

static void assert_refused(enum codec_output output, const struct codec_encode_options *options, const char *subject) {
  struct base_fault fault = {0};
  struct base_buffer out;
  struct image *image = make_image(false);
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  assert_int_equal(codec_encoder_for(output)->encode(image, options, &out, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, subject);
  assert_int_equal(out.bytes, 0);
  base_buffer_finish(&out);
  image_unref(&image);
}

static void nonsense_options_are_refused(void **state) {
  (void)state;
  assert_refused(CODEC_JPEG, &(struct codec_encode_options){.quality = 80, .lossless = true}, "q");
  assert_refused(CODEC_JPEG, &(struct codec_encode_options){.quality = 0}, "q");
  assert_refused(CODEC_WEBP, &(struct codec_encode_options){.quality = 101}, "q");
  assert_refused(CODEC_WEBP, &(struct codec_encode_options){.quality = 80, .effort = 7}, "effort");
  assert_refused(CODEC_PNG, &(struct codec_encode_options){.quality = 80, .effort = -1}, "effort");
}

static void side_over_the_format_is_refused_before_encoding(void **state) {
  (void)state;
  struct image *image;
  struct base_fault fault = {0};
  struct base_buffer out;
  assert_int_equal(image_create(16384, 1, false, &image), BASE_OK);
  image_fill(image, (const uint8_t[]){1, 2, 3, 255});
  base_buffer_init(&out, PICTURE_MAX_BYTES);
  assert_int_equal(codec_encoder_for(CODEC_WEBP)->encode(image, &plain, &out, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "size");
  base_buffer_finish(&out);
  image_unref(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lossy_pictures_come_back_nearly_the_same_and_smaller_when_quality_falls),
      cmocka_unit_test(webp_keeps_alpha_when_lossy_or_sharp),
      cmocka_unit_test(lossless_outputs_come_back_exactly_at_every_effort),
      cmocka_unit_test(webp_of_planes_is_as_good_as_webp_of_pixels),
      cmocka_unit_test(webp_flattens_only_what_is_not_seen),
      cmocka_unit_test(shared_planes_without_alpha_stay_as_they_are),
      cmocka_unit_test(jpeg_of_planes_comes_back_as_the_same_planes_at_every_small_size),
      cmocka_unit_test(jpeg_of_planes_is_as_small_as_jpeg_of_pixels),
      cmocka_unit_test(jpeg_is_progressive_subsampled_and_without_metadata),
      cmocka_unit_test(jpeg_survives_growing_over_many_chunks),
      cmocka_unit_test(encoding_appends_and_leaves_the_buffer_alone_when_it_fails),
      cmocka_unit_test(nonsense_options_are_refused),
      cmocka_unit_test(side_over_the_format_is_refused_before_encoding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
