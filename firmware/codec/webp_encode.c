// WebP through libwebp.
#include "encoders.h"

#include <stddef.h>

#include <webp/encode.h>

// VP8's first partition holds the block modes in at most 512 KiB: large busy pictures overflow it. Each further
// attempt spends fewer bits on them (libwebp's partition_limit, 0..100).
static const int partition_limits[] = {0, 70, 100};

struct sink {
  struct base_buffer *out;
  enum base_result result;
};

static int write_to_sink(const uint8_t *data, size_t bytes, const WebPPicture *picture) {
  struct sink *sink = picture->custom_ptr;
  sink->result = base_buffer_append(sink->out, data, bytes);
  return sink->result == BASE_OK;
}

static enum base_result configure(const struct codec_encode_options *options, WebPConfig *config,
                                  struct base_fault *fault) {
  if (options->effort < 0 || options->effort > CODEC_MAX_EFFORT) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "effort", "effort must be 0..%d", CODEC_MAX_EFFORT);
  }
  if (!WebPConfigInit(config))
    return BASE_FAIL(fault, BASE_INTERNAL, "webp", "libwebp has another version than its headers");
  if (options->lossless) {
    // libwebp's nine lossless levels over our six.
    if (WebPConfigLosslessPreset(config, options->effort * 9 / CODEC_MAX_EFFORT)) return BASE_OK;
    return BASE_FAIL(fault, BASE_INTERNAL, "webp", "libwebp refuses its own lossless preset");
  }
  config->quality = (float)options->quality;
  config->method = options->effort;
  config->use_sharp_yuv = options->sharp_yuv;
  return BASE_OK;
}

static enum base_result encode_failed(const WebPPicture *picture, const struct sink *sink, struct base_fault *fault) {
  // libwebp does not always say that writing was what failed.
  if (sink->result != BASE_OK) {
    return BASE_FAIL(fault, sink->result, "webp", "the WebP file does not fit into its buffer");
  }
  switch (picture->error_code) {
    case VP8_ENC_ERROR_OUT_OF_MEMORY:
    case VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY:
      return BASE_FAIL(fault, BASE_NO_MEMORY, "webp", "no memory to encode %d x %d as WebP", picture->width,
                       picture->height);
    default:
      return BASE_FAIL(fault, BASE_INTERNAL, "webp", "libwebp failed with error %d", picture->error_code);
  }
}

static enum base_result import_pixels(const struct image *image, WebPPicture *picture, struct base_fault *fault) {
  int stride_bytes = (int)image->stride_bytes;
  int imported = image->has_alpha ? WebPPictureImportRGBA(picture, image->pixels, stride_bytes)
                                  : WebPPictureImportRGBX(picture, image->pixels, stride_bytes);
  if (imported) return BASE_OK;
  return BASE_FAIL(fault, BASE_NO_MEMORY, "webp", "no memory to encode %u x %u as WebP", image->width, image->height);
}

// Hands over the planes where they lie: libwebp frees only memory of its own.
static void borrow_planes(const struct image *image, WebPPicture *picture) {
  const struct image_plane *planes = image->planes;
  picture->colorspace = image->has_alpha ? WEBP_YUV420A : WEBP_YUV420;
  picture->y = planes[IMAGE_PLANE_Y].samples;
  picture->u = planes[IMAGE_PLANE_U].samples;
  picture->v = planes[IMAGE_PLANE_V].samples;
  picture->a = planes[IMAGE_PLANE_A].samples;
  picture->y_stride = (int)planes[IMAGE_PLANE_Y].stride_bytes;
  picture->uv_stride = (int)planes[IMAGE_PLANE_U].stride_bytes;
  picture->a_stride = (int)planes[IMAGE_PLANE_A].stride_bytes;
}

static enum base_result encode_picture(WebPConfig *config, WebPPicture *picture, struct base_buffer *out,
                                       struct base_fault *fault) {
  struct sink sink = {.out = out, .result = BASE_OK};
  size_t before = out->bytes;
  picture->writer = write_to_sink;
  picture->custom_ptr = &sink;
  for (size_t i = 0; i < sizeof partition_limits / sizeof *partition_limits; i++) {
    config->partition_limit = partition_limits[i];
    if (WebPEncode(config, picture)) return BASE_OK;
    out->bytes = before;
    if (picture->error_code != VP8_ENC_ERROR_PARTITION0_OVERFLOW) break;
  }
  return encode_failed(picture, &sink, fault);
}

static enum base_result webp_encode(const struct image *image, const struct codec_encode_options *options,
                                    struct base_buffer *out, struct base_fault *fault) {
  WebPConfig config;
  WebPPicture picture;
  if (image->format == IMAGE_YUV) {
    BASE_ASSERT(codec_is_420(image, IMAGE_RANGE_LIMITED) && !options->lossless && !options->sharp_yuv);
    BASE_ASSERT(!image->has_alpha || atomic_load_explicit(&image->refs, memory_order_acquire) == 1);
  }
  enum base_result result = codec_check_side(&codec_webp_encoder, image, fault);
  if (result == BASE_OK && !options->lossless) result = codec_check_quality(options, fault);
  if (result == BASE_OK) result = configure(options, &config, fault);
  if (result != BASE_OK) return result;
  if (!WebPPictureInit(&picture)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "webp", "libwebp has another version than its headers");
  }
  picture.width = (int)image->width;
  picture.height = (int)image->height;
  // Lossless and sharp YUV start from RGB; plain lossy is converted while it is imported, which halves the memory.
  picture.use_argb = options->lossless || options->sharp_yuv;
  if (image->format == IMAGE_YUV) {
    borrow_planes(image, &picture);
  } else {
    result = import_pixels(image, &picture, fault);
  }
  if (result == BASE_OK) result = encode_picture(&config, &picture, out, fault);
  WebPPictureFree(&picture);
  return result;
}

const struct codec_encoder codec_webp_encoder = {
    .output = CODEC_WEBP,
    .name = "webp",
    .media_type = "image/webp",
    .keeps_alpha = true,
    .has_lossless = true,
    .max_side = WEBP_MAX_DIMENSION,
    .encode = webp_encode,
};
