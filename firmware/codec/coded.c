#include "coded.h"

#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "decoders.h"

// Rows converted at a time where the result is not the picture itself, and the even number of rows above and below that
// they need for their chroma.
enum { STRIP_ROWS = 32, STRIP_OVERLAP = 2 };

enum image_orientation codec_coded_rotation(int degrees) {
  switch (degrees) {
    case 90:
      return IMAGE_ROTATE_270;
    case 180:
      return IMAGE_ROTATE_180;
    case 270:
      return IMAGE_ROTATE_90;
    default:
      return IMAGE_UPRIGHT;
  }
}

enum image_orientation codec_coded_mirror(bool swaps_sides) { return swaps_sides ? IMAGE_FLIP_H : IMAGE_FLIP_V; }

// One axis of a clap: where `size` begins in `whole`, both halves rounded down.
static bool crop_axis(const int32_t size[2], const int32_t offset[2], uint32_t whole, uint32_t *first,
                      uint32_t *count) {
  if (size[0] <= 0 || size[1] <= 0 || offset[1] <= 0) return false;
  const int64_t pixels = ((int64_t)size[0] + size[1] / 2) / size[1];
  // Twice the place, so that halves stay whole: 2 * offset + whole - pixels.
  const int64_t twice = 2 * (int64_t)offset[0] / offset[1] + (int64_t)whole - pixels;
  if (pixels == 0 || twice < 0 || twice / 2 + pixels > whole) return false;
  *first = (uint32_t)(twice / 2);
  *count = (uint32_t)pixels;
  return true;
}

bool codec_coded_crop(const int32_t clap[8], uint32_t width, uint32_t height, struct coded_rect *out) {
  return crop_axis(&clap[0], &clap[4], width, &out->x, &out->width) &&
         crop_axis(&clap[2], &clap[6], height, &out->y, &out->height);
}

enum image_colour codec_coded_colour(const avifImage *image) {
  return image->yuvFormat == AVIF_PIXEL_FORMAT_YUV400 ? IMAGE_COLOUR_GREY : IMAGE_COLOUR_RGB;
}

// NULL when the colours are sRGB's.
static struct colour_conversion *create_conversion(const avifImage *image, enum colour_layout layout) {
  if (image->icc.size > 0) return codec_colour_create(base_span_of(image->icc.data, image->icc.size), layout);
  struct colour_cicp cicp = {image->colorPrimaries, image->transferCharacteristics};
  return codec_colour_create_cicp(cicp, layout);
}

static bool is_bt601(const avifImage *image) {
  return image->matrixCoefficients == AVIF_MATRIX_COEFFICIENTS_BT470BG ||
         image->matrixCoefficients == AVIF_MATRIX_COEFFICIENTS_BT601 ||
         image->matrixCoefficients == AVIF_MATRIX_COEFFICIENTS_UNSPECIFIED;
}

static bool is_whole(const avifImage *image, const struct coded_rect *crop) {
  return crop->x == 0 && crop->y == 0 && crop->width == image->width && crop->height == image->height;
}

struct codec_picture codec_coded_plan(const avifImage *image, const struct coded_rect *crop, bool has_alpha) {
  const struct codec_picture rgba = {.format = IMAGE_RGBA8};
  struct image_yuv yuv = {.width = image->width, .height = image->height, .chroma_x = 1, .chroma_y = 1};
  yuv.range = image->yuvRange == AVIF_RANGE_FULL ? IMAGE_RANGE_FULL : IMAGE_RANGE_LIMITED;
  yuv.is_grey = image->yuvFormat == AVIF_PIXEL_FORMAT_YUV400;
  if (image->yuvFormat == AVIF_PIXEL_FORMAT_NONE || image->depth != 8 || has_alpha || !is_whole(image, crop))
    return rgba;
  if (!yuv.is_grey && !is_bt601(image)) return rgba;
  if (image->yuvFormat != AVIF_PIXEL_FORMAT_YUV444 && !yuv.is_grey) yuv.chroma_x = 2;
  if (image->yuvFormat == AVIF_PIXEL_FORMAT_YUV420) yuv.chroma_y = 2;
  struct colour_conversion *conversion = create_conversion(image, COLOUR_RGBA8);
  const bool is_srgb = conversion == NULL;
  codec_colour_destroy(&conversion);
  return is_srgb ? (struct codec_picture){.format = IMAGE_YUV, .yuv = yuv} : rgba;
}

static void copy_planes(const avifImage *image, struct image *out) {
  for (unsigned i = 0; i < AVIF_PLANE_COUNT_YUV; i++) {
    const struct image_plane *plane = &out->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      memcpy(image_plane_row(plane, y), image->yuvPlanes[i] + (size_t)y * image->yuvRowBytes[i], plane->width);
    }
  }
}

static enum base_result convert(const avifImage *image, unsigned depth, void *pixels, size_t row_bytes,
                                const char *subject, struct base_fault *fault) {
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, image);
  rgb.format = AVIF_RGB_FORMAT_RGBA;
  rgb.depth = depth;
  rgb.ignoreAlpha = image->alphaPlane == NULL;
  rgb.pixels = pixels;
  rgb.rowBytes = (uint32_t)row_bytes;
  avifResult result = avifImageYUVToRGB(image, &rgb);
  if (result == AVIF_RESULT_OK) return BASE_OK;
  if (result == AVIF_RESULT_OUT_OF_MEMORY) return BASE_FAIL(fault, BASE_NO_MEMORY, subject, "no memory for a picture");
  return BASE_FAIL(fault, BASE_UNSUPPORTED, subject,
                   "its colours can not be read: matrix %u of ITU-T H.273 in %u bits is not supported",
                   (unsigned)image->matrixCoefficients, (unsigned)image->depth);
}

static void finish_row(const struct colour_conversion *conversion, const avifImage *image, const void *in,
                       uint8_t *rgba, uint32_t width) {
  if (conversion) codec_colour_row(conversion, in, rgba, width);
  if (!image->alphaPlane) codec_make_row_opaque(rgba, width);
}

// 8 bits of the whole picture: straight to where they belong.
static enum base_result deliver_whole(const avifImage *image, struct image *out, const char *subject,
                                      struct base_fault *fault) {
  enum base_result result = convert(image, 8, out->pixels, out->stride_bytes, subject, fault);
  if (result != BASE_OK) return result;
  struct colour_conversion *conversion = create_conversion(image, COLOUR_RGBA8);
  for (uint32_t y = 0; y < out->height; y++) {
    finish_row(conversion, image, image_row(out, y), image_row(out, y), out->width);
  }
  codec_colour_destroy(&conversion);
  return BASE_OK;
}

struct strips {
  const avifImage *image;
  struct coded_rect crop;
  unsigned depth;  // 8 or 16
  const struct colour_conversion *conversion;
  uint8_t *pixels;  // STRIP_ROWS and the overlap above and below
  size_t row_bytes;
  avifImage *view;
};

// Rows `first` .. `first + count` of the crop.
static enum base_result deliver_strip(struct strips *strips, uint32_t first, uint32_t count, struct image *out,
                                      const char *subject, struct base_fault *fault) {
  const avifImage *image = strips->image;
  const uint32_t from = (strips->crop.y + first) & ~1u;
  const uint32_t top = from >= STRIP_OVERLAP ? from - STRIP_OVERLAP : 0;
  const uint32_t wanted_end = strips->crop.y + first + count + STRIP_OVERLAP;
  const uint32_t bottom = wanted_end < image->height ? wanted_end : image->height;
  const avifCropRect rect = {.x = 0, .y = top, .width = image->width, .height = bottom - top};
  if (avifImageSetViewRect(strips->view, image, &rect) != AVIF_RESULT_OK) {
    return BASE_FAIL(fault, BASE_INTERNAL, subject, "a strip of the picture can not be looked at");
  }
  enum base_result result = convert(strips->view, strips->depth, strips->pixels, strips->row_bytes, subject, fault);
  for (uint32_t y = 0; y < count && result == BASE_OK; y++) {
    const size_t sample_bytes = strips->depth / 8;
    const uint8_t *in = strips->pixels + (size_t)(strips->crop.y + first + y - top) * strips->row_bytes +
                        (size_t)strips->crop.x * 4 * sample_bytes;
    uint8_t *rgba = image_row(out, first + y);
    for (size_t i = 0; i < (size_t)out->width * 4; i++) {
      rgba[i] = strips->depth == 8 ? in[i] : codec_narrow(((const uint16_t *)(const void *)in)[i]);
    }
    finish_row(strips->conversion, image, strips->depth == 8 ? rgba : in, rgba, out->width);
  }
  return result;
}

static enum base_result deliver_strips(const avifImage *image, const struct coded_rect *crop, unsigned depth,
                                       struct image *out, const char *subject, struct base_fault *fault) {
  struct colour_conversion *conversion = create_conversion(image, depth == 8 ? COLOUR_RGBA8 : COLOUR_RGBA16);
  struct strips strips = {.image = image,
                          .crop = *crop,
                          .depth = depth,
                          .conversion = conversion,
                          .row_bytes = (size_t)image->width * 4 * (depth / 8),
                          .view = avifImageCreateEmpty()};
  strips.pixels = malloc(strips.row_bytes * (STRIP_ROWS + 2 * STRIP_OVERLAP + 2));
  enum base_result result = BASE_OK;
  if (!strips.view || !strips.pixels) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, subject, "no memory for a strip of the picture");
  }
  for (uint32_t y = 0; y < out->height && result == BASE_OK; y += STRIP_ROWS) {
    const uint32_t left = out->height - y;
    result = deliver_strip(&strips, y, left < STRIP_ROWS ? left : STRIP_ROWS, out, subject, fault);
  }
  free(strips.pixels);
  if (strips.view) avifImageDestroy(strips.view);
  codec_colour_destroy(&conversion);
  return result;
}

enum base_result codec_coded_deliver(const avifImage *image, const struct coded_rect *crop, struct image *out,
                                     const char *subject, struct base_fault *fault) {
  const struct colour_cicp cicp = {image->colorPrimaries, image->transferCharacteristics};
  const bool is_wide = image->depth > 8 && image->icc.size == 0 && codec_colour_cicp_wants_16_bits(cicp);
  BASE_ASSERT(out->width == crop->width && out->height == crop->height);
  if (out->format == IMAGE_YUV) {
    copy_planes(image, out);
    return BASE_OK;
  }
  if (is_wide || !is_whole(image, crop)) return deliver_strips(image, crop, is_wide ? 16 : 8, out, subject, fault);
  return deliver_whole(image, out, subject, fault);
}
