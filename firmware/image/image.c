#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "image/convert.h"

enum { BYTES_A_PIXEL = 4 };

// Whole pages, so that a device can import them. *bytes is rounded up. NULL also when that overflows.
static uint8_t *allocate_pages(size_t *bytes) {
  if (*bytes > SIZE_MAX - IMAGE_PAGE_BYTES) return NULL;
  *bytes = base_round_up(*bytes, IMAGE_PAGE_BYTES);
  return aligned_alloc(IMAGE_PAGE_BYTES, *bytes);
}

static struct image *image_wrap(uint8_t *pixels, size_t bytes, uint32_t width, uint32_t height, uint32_t stride_bytes,
                                bool has_alpha) {
  struct image *image = calloc(1, sizeof *image);
  if (!image) return NULL;
  atomic_init(&image->refs, 1);
  image->format = IMAGE_RGBA8;
  image->width = width;
  image->height = height;
  image->stride_bytes = stride_bytes;
  image->has_alpha = has_alpha;
  image->pixels = pixels;
  image->bytes = bytes;
  return image;
}

enum base_result image_create(uint32_t width, uint32_t height, bool has_alpha, struct image **out) {
  size_t stride_bytes, bytes;
  *out = NULL;
  if (width == 0 || height == 0) return BASE_TOO_LARGE;
  if (!base_mul_size(width, BYTES_A_PIXEL, &stride_bytes) || stride_bytes > UINT32_MAX) return BASE_TOO_LARGE;
  if (!base_mul_size(stride_bytes, height, &bytes)) return BASE_TOO_LARGE;
  uint8_t *pixels = allocate_pages(&bytes);
  if (!pixels) return BASE_NO_MEMORY;
  *out = image_wrap(pixels, bytes, width, height, (uint32_t)stride_bytes, has_alpha);
  if (*out) return BASE_OK;
  free(pixels);
  return BASE_NO_MEMORY;
}

enum base_result image_adopt(uint8_t *pixels, size_t bytes, uint32_t width, uint32_t height, uint32_t stride_bytes,
                             bool has_alpha, void (*release)(void *pixels, size_t bytes), struct image **out) {
  size_t needed;
  *out = NULL;
  BASE_ASSERT(width > 0 && height > 0);
  BASE_ASSERT(stride_bytes / BYTES_A_PIXEL >= width);
  BASE_ASSERT(base_mul_size(stride_bytes, height, &needed) && bytes >= needed);
  *out = image_wrap(pixels, bytes, width, height, stride_bytes, has_alpha);
  if (!*out) return BASE_NO_MEMORY;
  (*out)->release = release;
  return BASE_OK;
}

struct image *image_ref(struct image *image) {
  unsigned before = atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
  BASE_ASSERT(before > 0);
  return image;
}

void image_unref(struct image **image) {
  struct image *gone = *image;
  *image = NULL;
  if (!gone || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1) return;
  if (gone->release) {
    gone->release(gone->pixels, gone->bytes);
  } else {
    free(gone->pixels);
  }
  free(gone);
}

// Pixels may change only while nobody else can see them.
static void assert_unshared(struct image *image) {
  BASE_ASSERT(atomic_load_explicit(&image->refs, memory_order_acquire) == 1);
}

static void fill_planes(struct image *image, const uint8_t rgba[4]) {
  uint8_t sample[IMAGE_MAX_PLANES];
  image_convert_colour(rgba, image->yuv.range, sample);
  sample[IMAGE_PLANE_A] = rgba[3];
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) memset(image_plane_row(plane, y), sample[i], plane->width);
  }
}

void image_fill(struct image *image, const uint8_t rgba[4]) {
  assert_unshared(image);
  BASE_ASSERT(image->has_alpha || rgba[3] == 255);
  if (image->format == IMAGE_YUV) {
    fill_planes(image, rgba);
    return;
  }
  uint8_t *first = image_row(image, 0);
  for (uint32_t x = 0; x < image->width; x++) memcpy(first + (size_t)x * BYTES_A_PIXEL, rgba, BYTES_A_PIXEL);
  for (uint32_t y = 1; y < image->height; y++) {
    memcpy(image_row(image, y), first, (size_t)image->width * BYTES_A_PIXEL);
  }
}

static uint8_t compose_channel(unsigned over, unsigned under, unsigned alpha) {
  return (uint8_t)((over * alpha + under * (255 - alpha) + 127) / 255);
}

static void flatten_row(uint8_t *row, uint32_t width, const uint8_t rgb[3]) {
  for (uint8_t *pixel = row, *end = row + (size_t)width * BYTES_A_PIXEL; pixel < end; pixel += BYTES_A_PIXEL) {
    unsigned alpha = pixel[3];
    if (alpha == 255) continue;
    for (int channel = 0; channel < 3; channel++) pixel[channel] = compose_channel(pixel[channel], rgb[channel], alpha);
    pixel[3] = 255;
  }
}

void image_flatten(struct image *image, const uint8_t rgb[3]) {
  assert_unshared(image);
  BASE_ASSERT(image->format == IMAGE_RGBA8);
  if (!image->has_alpha) return;
  for (uint32_t y = 0; y < image->height; y++) flatten_row(image_row(image, y), image->width, rgb);
  image->has_alpha = false;
}
