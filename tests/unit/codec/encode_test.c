#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"

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

static struct image *decode(struct base_span file, struct image_header *header) {
  const struct codec_decoder *decoder;
  struct image *image;
  struct base_fault fault = {0};
  if (codec_inspect(file, &limits, &decoder, header, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(image_create(header->width, header->height, header->has_alpha, &image), BASE_OK);
  if (decoder->decode(file, header, 1, image, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return image;
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

static bool holds(const struct base_buffer *file, const char *mark, size_t bytes) {
  return memmem(file->data, file->bytes, mark, bytes) != NULL;
}

static void jpeg_is_progressive_subsampled_and_without_metadata(void **state) {
  (void)state;
  struct image *image = make_image(false);
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
  image_unref(&image);
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
      cmocka_unit_test(jpeg_is_progressive_subsampled_and_without_metadata),
      cmocka_unit_test(jpeg_survives_growing_over_many_chunks),
      cmocka_unit_test(encoding_appends_and_leaves_the_buffer_alone_when_it_fails),
      cmocka_unit_test(nonsense_options_are_refused),
      cmocka_unit_test(side_over_the_format_is_refused_before_encoding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
