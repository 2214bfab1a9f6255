// A decoded picture in memory: pixel format, planes, ownership.
//
// Images are ref-counted; their pixels do not change once shared. Rows run top to bottom.
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum image_format {
  IMAGE_RGBA8,  // 4 bytes a pixel: R, G, B, A in sRGB; alpha straight (not premultiplied)
};

struct image {
  atomic_uint refs;
  enum image_format format;
  uint32_t width;
  uint32_t height;
  uint32_t stride_bytes;  // >= width * 4
  bool has_alpha;         // false: every alpha byte is 255
  uint8_t *pixels;
  size_t bytes;                                 // stride_bytes * height
  void (*release)(void *pixels, size_t bytes);  // NULL: free()
};

// Zero-sized or overflowing sizes give BASE_TOO_LARGE; pixels are not initialised.
enum base_result image_create(uint32_t width, uint32_t height, bool has_alpha, struct image **out) BASE_CHECKED;
// Takes pixels from elsewhere (a mapped memfd). `bytes` must hold stride_bytes * height (asserted).
enum base_result image_adopt(uint8_t *pixels, size_t bytes, uint32_t width, uint32_t height, uint32_t stride_bytes,
                             bool has_alpha, void (*release)(void *pixels, size_t bytes),
                             struct image **out) BASE_CHECKED;
struct image *image_ref(struct image *image);
void image_unref(struct image **image);
static inline uint8_t *image_row(const struct image *image, uint32_t y) {
  return image->pixels + (size_t)y * image->stride_bytes;
}
// Fills the whole picture with one colour.
void image_fill(struct image *image, const uint8_t rgba[4]);
// Composes over an opaque background in place (8-bit, rounded); has_alpha becomes false.
void image_flatten(struct image *image, const uint8_t rgb[3]);

#endif
