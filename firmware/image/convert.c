// In float, which is exact to a ten-thousandth of a step here, so that only true ties could round differently.
#include "image/convert.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS_AT_A_TIME = 256 };

// Of full range: ITU-T T.871.
static const float red_weight = 0.299f, green_weight = 0.587f, blue_weight = 0.114f;
static const float red_of_v = 1.402f, blue_of_u = 1.772f;
static const float green_of_u = 0.344136286f, green_of_v = 0.714136286f;

// A sample is value * gain + offset, value being 0..255 of luma and -127.5..127.5 of chroma.
struct scale {
  float luma_gain, luma_offset, chroma_gain;
};

static struct scale scale_of(enum image_range range) {
  const struct scale full = {1, 0, 1}, limited = {219.0f / 255, 16, 224.0f / 255};
  return range == IMAGE_RANGE_FULL ? full : limited;
}

// Rounded to nearest and held within a byte.
static inline uint8_t to_byte(float value) {
  const int32_t rounded = (int32_t)(value + 0.5f);
  return (uint8_t)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

static inline float luma_of(float red, float green, float blue) {
  return red_weight * red + green_weight * green + blue_weight * blue;
}

static inline uint8_t luma_sample(const struct scale *scale, float red, float green, float blue) {
  return to_byte(luma_of(red, green, blue) * scale->luma_gain + scale->luma_offset);
}

static inline uint8_t chroma_sample(const struct scale *scale, float colour, float luma, float of_chroma) {
  return to_byte((colour - luma) * (scale->chroma_gain / of_chroma) + 128);
}

void image_convert_colour(const uint8_t rgb[3], enum image_range range, uint8_t out_yuv[3]) {
  const struct scale scale = scale_of(range);
  const float luma = luma_of(rgb[0], rgb[1], rgb[2]);
  out_yuv[0] = luma_sample(&scale, rgb[0], rgb[1], rgb[2]);
  out_yuv[1] = chroma_sample(&scale, rgb[2], luma, blue_of_u);
  out_yuv[2] = chroma_sample(&scale, rgb[0], luma, red_of_v);
}

static void convert_row_to_rgba(const uint8_t *restrict y, const uint8_t *restrict u, const uint8_t *restrict v,
                                const uint8_t *restrict a, const struct scale *scale, uint8_t *restrict rgba,
                                uint32_t width) {
  const float luma_gain = 1 / scale->luma_gain, chroma_gain = 1 / scale->chroma_gain, offset = scale->luma_offset;
  for (size_t x = 0; x < width; x++) {
    const float luma = (y[x] - offset) * luma_gain;
    const float blue = (u[x] - 128.0f) * chroma_gain, red = (v[x] - 128.0f) * chroma_gain;
    rgba[4 * x] = to_byte(luma + red_of_v * red);
    rgba[4 * x + 1] = to_byte(luma - green_of_u * blue - green_of_v * red);
    rgba[4 * x + 2] = to_byte(luma + blue_of_u * blue);
    rgba[4 * x + 3] = a[x];
  }
}

enum base_result image_convert_to_rgba(const struct image *yuv, struct image **out) {
  *out = NULL;
  BASE_ASSERT(yuv->format == IMAGE_YUV && yuv->yuv.chroma_x == 1 && yuv->yuv.chroma_y == 1);
  const struct scale scale = scale_of(yuv->yuv.range);
  const struct image_plane *planes = yuv->planes;
  // Rows of planes that are not there.
  uint8_t *neutral = malloc((size_t)yuv->width * 2);
  if (!neutral) return BASE_NO_MEMORY;
  uint8_t *opaque = neutral + yuv->width;
  memset(neutral, 128, yuv->width);
  memset(opaque, 255, yuv->width);
  const enum base_result result = image_create(yuv->width, yuv->height, yuv->has_alpha, out);
  for (uint32_t y = 0; y < yuv->height && result == BASE_OK; y++) {
    const uint8_t *u = yuv->yuv.is_grey ? neutral : image_plane_row(&planes[IMAGE_PLANE_U], y);
    const uint8_t *v = yuv->yuv.is_grey ? neutral : image_plane_row(&planes[IMAGE_PLANE_V], y);
    const uint8_t *a = yuv->has_alpha ? image_plane_row(&planes[IMAGE_PLANE_A], y) : opaque;
    convert_row_to_rgba(image_plane_row(&planes[IMAGE_PLANE_Y], y), u, v, a, &scale, image_row(*out, y), yuv->width);
  }
  free(neutral);
  return result;
}

static void convert_luma_row(const uint8_t *restrict rgba, const struct scale *scale, uint8_t *restrict out,
                             uint32_t width) {
  const struct scale local = *scale;
  for (size_t x = 0; x < width; x++) out[x] = luma_sample(&local, rgba[4 * x], rgba[4 * x + 1], rgba[4 * x + 2]);
}

// The mean colours of some blocks, one after another.
struct colours {
  uint32_t count;
  float red[BLOCKS_AT_A_TIME], green[BLOCKS_AT_A_TIME], blue[BLOCKS_AT_A_TIME];
};

static void add_block(struct colours *colours, const uint8_t *pixels, size_t stride_bytes, uint32_t columns,
                      uint32_t rows) {
  uint32_t red = 0, green = 0, blue = 0, weight = 0;
  for (uint32_t row = 0; row < rows; row++, pixels += stride_bytes) {
    for (uint32_t column = 0; column < columns; column++) {
      const uint8_t *pixel = pixels + (size_t)column * 4;
      red += (uint32_t)pixel[0] * pixel[3];
      green += (uint32_t)pixel[1] * pixel[3];
      blue += (uint32_t)pixel[2] * pixel[3];
      weight += pixel[3];
    }
  }
  // Of a block that is not seen at all the colour is none.
  const float share = weight ? 1.0f / (float)weight : 0;
  colours->red[colours->count] = (float)red * share;
  colours->green[colours->count] = (float)green * share;
  colours->blue[colours->count++] = (float)blue * share;
}

static void convert_colours(const struct colours *colours, const struct scale *scale, uint8_t *restrict u,
                            uint8_t *restrict v) {
  const struct scale local = *scale;
  for (size_t i = 0; i < colours->count; i++) {
    const float luma = luma_of(colours->red[i], colours->green[i], colours->blue[i]);
    u[i] = chroma_sample(&local, colours->blue[i], luma, blue_of_u);
    v[i] = chroma_sample(&local, colours->red[i], luma, red_of_v);
  }
}

static void copy_alpha_row(const uint8_t *restrict rgba, uint8_t *restrict out, uint32_t width) {
  for (size_t x = 0; x < width; x++) out[x] = rgba[4 * x + 3];
}

struct area {
  uint32_t x, y, width, height;
};

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

// One row of chroma samples, from `rows` rows of `width` pixels.
static void convert_chroma_row(const uint8_t *pixels, size_t stride_bytes, uint32_t width, uint32_t rows,
                               uint32_t across, const struct scale *scale, uint8_t *u, uint8_t *v) {
  struct colours colours;
  for (uint32_t x = 0; x < width; u += colours.count, v += colours.count) {
    for (colours.count = 0; colours.count < BLOCKS_AT_A_TIME && x < width; x += across) {
      const uint8_t *block = pixels + (size_t)x * 4;
      // The usual block in numbers that the compiler sees.
      if (across == 2 && rows == 2 && width - x >= 2) {
        add_block(&colours, block, stride_bytes, 2, 2);
      } else {
        add_block(&colours, block, stride_bytes, smaller(across, width - x), rows);
      }
    }
    convert_colours(&colours, scale, u, v);
  }
}

static void convert_chroma(const struct image *rgba, struct area area, const struct scale *scale,
                           struct image *target) {
  const uint32_t across = target->yuv.chroma_x, down = target->yuv.chroma_y;
  for (uint32_t y = 0; y < area.height; y += down) {
    uint8_t *u = image_plane_row(&target->planes[IMAGE_PLANE_U], (area.y + y) / down) + area.x / across;
    uint8_t *v = image_plane_row(&target->planes[IMAGE_PLANE_V], (area.y + y) / down) + area.x / across;
    convert_chroma_row(image_row(rgba, area.y + y) + (size_t)area.x * 4, rgba->stride_bytes, area.width,
                       smaller(down, area.height - y), across, scale, u, v);
  }
}

static bool lies_within(struct area area, const struct image *image) {
  return area.x <= image->width && area.width <= image->width - area.x && area.y <= image->height &&
         area.height <= image->height - area.y;
}

void image_convert_to_yuv(const struct image *rgba, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
                          struct image *target) {
  const struct area area = {x, y, width, height};
  BASE_ASSERT(rgba->format == IMAGE_RGBA8 && target->format == IMAGE_YUV);
  BASE_ASSERT(target->has_alpha || !rgba->has_alpha);
  BASE_ASSERT(lies_within(area, rgba) && lies_within(area, target));
  BASE_ASSERT(x % target->yuv.chroma_x == 0 && y % target->yuv.chroma_y == 0);
  const struct scale scale = scale_of(target->yuv.range);
  for (uint32_t row = y; row < y + height; row++) {
    const uint8_t *from = image_row(rgba, row) + (size_t)x * 4;
    convert_luma_row(from, &scale, image_plane_row(&target->planes[IMAGE_PLANE_Y], row) + x, width);
    if (!target->has_alpha) continue;
    copy_alpha_row(from, image_plane_row(&target->planes[IMAGE_PLANE_A], row) + x, width);
  }
  if (!target->yuv.is_grey) convert_chroma(rgba, area, &scale, target);
}
