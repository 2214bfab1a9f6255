// PNG through libspng, row by row; RGB without alpha when the picture has none.
#include "encoders.h"

#include <limits.h>
#include <stdlib.h>

#include <spng.h>

// zlib levels by effort; 4, the default, is zlib's own default level.
static const int zlib_levels[CODEC_MAX_EFFORT + 1] = {1, 2, 3, 5, 6, 8, 9};

struct sink {
  struct base_buffer *out;
  enum base_result result;
};

static int write_to_sink(spng_ctx *context, void *user, void *data, size_t bytes) {
  (void)context;
  struct sink *sink = user;
  sink->result = base_buffer_append(sink->out, data, bytes);
  return sink->result == BASE_OK ? SPNG_OK : SPNG_IO_ERROR;
}

static void drop_alpha(const uint8_t *rgba, uint8_t *rgb, uint32_t width) {
  for (uint32_t x = 0; x < width; x++, rgba += 4, rgb += 3) {
    rgb[0] = rgba[0];
    rgb[1] = rgba[1];
    rgb[2] = rgba[2];
  }
}

static int begin(spng_ctx *context, const struct image *image, int effort, struct sink *sink) {
  struct spng_ihdr header = {
      .width = image->width,
      .height = image->height,
      .bit_depth = 8,
      .color_type = image->has_alpha ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR,
  };
  int error = spng_set_png_stream(context, write_to_sink, sink);
  if (!error) error = spng_set_option(context, SPNG_IMG_COMPRESSION_LEVEL, zlib_levels[effort]);
  if (!error) error = spng_set_ihdr(context, &header);
  if (!error) error = spng_encode_image(context, NULL, 0, SPNG_FMT_PNG, SPNG_ENCODE_PROGRESSIVE | SPNG_ENCODE_FINALIZE);
  return error;
}

// SPNG_EOI is how libspng says that the last row was taken and the file is finished.
static int write_rows(spng_ctx *context, const struct image *image, uint8_t *rgb) {
  int error = SPNG_OK;
  for (uint32_t y = 0; y < image->height && error == SPNG_OK; y++) {
    const uint8_t *row = image_row(image, y);
    if (image->has_alpha) {
      error = spng_encode_row(context, row, (size_t)image->width * 4);
    } else {
      drop_alpha(row, rgb, image->width);
      error = spng_encode_row(context, rgb, (size_t)image->width * 3);
    }
  }
  return error;
}

static enum base_result png_encode(const struct image *image, const struct codec_encode_options *options,
                                   struct base_buffer *out, struct base_fault *fault) {
  BASE_ASSERT(image->format == IMAGE_RGBA8);
  if (options->effort < 0 || options->effort > CODEC_MAX_EFFORT) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "effort", "effort must be 0..%d", CODEC_MAX_EFFORT);
  }
  enum base_result result = BASE_OK;
  size_t before = out->bytes;
  struct sink sink = {.out = out, .result = BASE_OK};
  spng_ctx *context = spng_ctx_new(SPNG_CTX_ENCODER);
  uint8_t *rgb = malloc((size_t)image->width * 3);
  if (!context || !rgb) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "png", "no memory to encode %u x %u as PNG", image->width, image->height);
    goto out;
  }
  int error = begin(context, image, options->effort, &sink);
  if (error == SPNG_OK) error = write_rows(context, image, rgb);
  if (error != SPNG_EOI) {
    out->bytes = before;
    result = sink.result != BASE_OK ? sink.result : error == SPNG_EMEM ? BASE_NO_MEMORY : BASE_INTERNAL;
    result = BASE_FAIL(fault, result, "png", "encoding %u x %u as PNG: %s", image->width, image->height,
                       spng_strerror(error));
  }
out:
  free(rgb);
  spng_ctx_free(context);
  return result;
}

const struct codec_encoder codec_png_encoder = {
    .output = CODEC_PNG,
    .name = "png",
    .media_type = "image/png",
    .keeps_alpha = true,
    .has_lossless = true,
    .max_side = INT_MAX,
    .encode = png_encode,
};
