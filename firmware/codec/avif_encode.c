// AVIF through libavif and libaom, one thread a picture: 4:2:0, BT.601 of sRGB in full range, said so in `nclx`.
#include "encoders.h"

#include <stdio.h>

#include <avif/avif.h>

#include "image/convert.h"

enum { DEFAULT_SPEED = 8, MAX_SPEED = AVIF_SPEED_FASTEST, MAX_SIDE = 65536 };

// libaom's quantizer (0 best .. 63) for every ten of q, where SSIM of luma and PSNR of the planes are those of libwebp
// at that q: the mean over eight photographs of 1200 pixels, at speed 8. Between two rows it is linear.
static const uint8_t quantizers[] = {52, 45, 41, 38, 35, 33, 31, 29, 24, 12, 3};
enum { QUALITY_STEP = 10 };

static int quantizer_of(int quality) {
  const int row = quality / QUALITY_STEP, rest = quality % QUALITY_STEP;
  if (rest == 0) return quantizers[row];
  const int drop = quantizers[row] - quantizers[row + 1];
  return quantizers[row] - (drop * rest + QUALITY_STEP / 2) / QUALITY_STEP;
}

static enum base_result check_options(const struct image *image, const struct codec_encode_options *options,
                                      struct base_fault *fault) {
  enum base_result result = codec_check_side(&codec_avif_encoder, image, fault);
  if (result == BASE_OK && !options->lossless) result = codec_check_quality(options, fault);
  if (result == BASE_OK && (options->avif_speed < 0 || options->avif_speed > MAX_SPEED)) {
    result =
        BASE_FAIL(fault, BASE_BAD_INPUT, "avif_speed", "avif_speed must be 1..%d, or 0 for the default", MAX_SPEED);
  }
  return result;
}

static enum base_result failed(avifResult result, const struct image *image, const char *detail,
                               struct base_fault *fault) {
  const enum base_result kind = result == AVIF_RESULT_OUT_OF_MEMORY ? BASE_NO_MEMORY : BASE_INTERNAL;
  return BASE_FAIL(fault, kind, "avif", "encoding %u x %u as AVIF: %s%s%s", image->width, image->height,
                   avifResultToString(result), detail[0] ? ": " : "", detail);
}

// A frame without planes, of sRGB's colours.
static avifImage *create_frame(const struct image *image, avifPixelFormat format, avifMatrixCoefficients matrix) {
  avifImage *frame = avifImageCreate((int)image->width, (int)image->height, 8, format);
  if (!frame) return NULL;
  frame->colorPrimaries = AVIF_COLOR_PRIMARIES_BT709;
  frame->transferCharacteristics = AVIF_TRANSFER_CHARACTERISTICS_SRGB;
  frame->matrixCoefficients = matrix;
  frame->yuvRange = AVIF_RANGE_FULL;
  return frame;
}

// Hands over the planes where they lie.
static avifImage *borrow_planes(const struct image *image) {
  const struct image_plane *planes = image->planes;
  avifImage *frame = create_frame(image, AVIF_PIXEL_FORMAT_YUV420, AVIF_MATRIX_COEFFICIENTS_BT601);
  if (!frame) return NULL;
  for (unsigned i = 0; i < AVIF_PLANE_COUNT_YUV; i++) {
    frame->yuvPlanes[i] = planes[i].samples;
    frame->yuvRowBytes[i] = planes[i].stride_bytes;
  }
  frame->alphaPlane = planes[IMAGE_PLANE_A].samples;
  frame->alphaRowBytes = planes[IMAGE_PLANE_A].stride_bytes;
  return frame;
}

// Without loss the planes are G, B and R themselves (ITU-T H.273, matrix 0).
static avifImage *copy_pixels(const struct image *image) {
  avifImage *frame = create_frame(image, AVIF_PIXEL_FORMAT_YUV444, AVIF_MATRIX_COEFFICIENTS_IDENTITY);
  if (!frame) return NULL;
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, frame);
  rgb.format = AVIF_RGB_FORMAT_RGBA;
  rgb.ignoreAlpha = !image->has_alpha;
  rgb.pixels = image->pixels;
  rgb.rowBytes = image->stride_bytes;
  if (avifImageRGBToYUV(frame, &rgb) == AVIF_RESULT_OK) return frame;
  avifImageDestroy(frame);
  return NULL;
}

static avifEncoder *create_encoder(const struct codec_encode_options *options) {
  avifEncoder *encoder = avifEncoderCreate();
  if (!encoder) return NULL;
  encoder->codecChoice = AVIF_CODEC_CHOICE_AOM;
  encoder->maxThreads = 1;
  encoder->speed = options->avif_speed ? options->avif_speed : DEFAULT_SPEED;
  encoder->minQuantizerAlpha = encoder->maxQuantizerAlpha = AVIF_QUANTIZER_LOSSLESS;
  encoder->minQuantizer = encoder->maxQuantizer = AVIF_QUANTIZER_LOSSLESS;
  if (options->lossless) return encoder;
  char level[12];
  (void)snprintf(level, sizeof level, "%d", quantizer_of(options->quality));
  encoder->maxQuantizer = AVIF_QUANTIZER_WORST_QUALITY;
  avifEncoderSetCodecSpecificOption(encoder, "color:end-usage", "q");
  avifEncoderSetCodecSpecificOption(encoder, "color:cq-level", level);
  return encoder;
}

static enum base_result encode_frame(const struct image *image, const avifImage *frame,
                                     const struct codec_encode_options *options, struct base_buffer *out,
                                     struct base_fault *fault) {
  avifEncoder *encoder = create_encoder(options);
  if (!encoder) return failed(AVIF_RESULT_OUT_OF_MEMORY, image, "", fault);
  avifRWData file = AVIF_DATA_EMPTY;
  enum base_result result = BASE_OK;
  const avifResult written = avifEncoderWrite(encoder, frame, &file);
  if (written != AVIF_RESULT_OK) {
    result = failed(written, image, encoder->diag.error, fault);
  } else {
    result = base_buffer_append(out, file.data, file.size);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "avif", "the AVIF file does not fit into its buffer");
  }
  avifRWDataFree(&file);
  avifEncoderDestroy(encoder);
  return result;
}

// Pixels as the planes that lossy files hold; the caller's.
static enum base_result make_planes(const struct image *pixels, struct image **out, struct base_fault *fault) {
  const struct image_yuv yuv = {.width = pixels->width,
                                .height = pixels->height,
                                .range = IMAGE_RANGE_FULL,
                                .chroma_x = 2,
                                .chroma_y = 2,
                                .has_alpha = pixels->has_alpha};
  const enum base_result result = image_create_yuv(&yuv, out);
  if (result != BASE_OK) return failed(AVIF_RESULT_OUT_OF_MEMORY, pixels, "", fault);
  image_convert_to_yuv(pixels, 0, 0, pixels->width, pixels->height, *out);
  return BASE_OK;
}

static enum base_result avif_encode(const struct image *image, const struct codec_encode_options *options,
                                    struct base_buffer *out, struct base_fault *fault) {
  struct image *planes = NULL;
  if (image->format == IMAGE_YUV) BASE_ASSERT(!options->lossless && codec_is_420(image, IMAGE_RANGE_FULL));
  enum base_result result = check_options(image, options, fault);
  if (result == BASE_OK && image->format != IMAGE_YUV && !options->lossless)
    result = make_planes(image, &planes, fault);
  if (result != BASE_OK) return result;
  avifImage *frame = options->lossless ? copy_pixels(image) : borrow_planes(planes ? planes : image);
  if (frame) {
    result = encode_frame(image, frame, options, out, fault);
    avifImageDestroy(frame);  // frees only planes of its own
  } else {
    result = failed(AVIF_RESULT_OUT_OF_MEMORY, image, "", fault);
  }
  image_unref(&planes);
  return result;
}

const struct codec_encoder codec_avif_encoder = {
    .output = CODEC_AVIF,
    .name = "avif",
    .media_type = "image/avif",
    .keeps_alpha = true,
    .has_lossless = true,
    .max_side = MAX_SIDE,
    .encode = avif_encode,
};
