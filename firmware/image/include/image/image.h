// A decoded picture in memory: pixel format, planes, ownership.
//
// Images are ref-counted; their pixels do not change once shared. Rows run top to bottom. Memory begins on a page and
// is whole pages, so that a device can import it (IMAGE_PAGE_BYTES).
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum image_format {
  IMAGE_RGBA8,  // 4 bytes a pixel: R, G, B, A in sRGB; alpha straight (not premultiplied)
  IMAGE_YUV,  // planes of 8-bit samples: Y, U (Cb), V (Cr), A; BT.601 of sRGB; chroma sited in the middle of its block
};

// What a sample of a YUV plane means (ITU-T T.871 and BT.601). Alpha is 0..255 in both.
enum image_range {
  IMAGE_RANGE_FULL,     // JPEG: Y 0..255, U and V 128 + -127.5..127.5
  IMAGE_RANGE_LIMITED,  // WebP: Y 16..235, U and V 16..240
};

enum image_plane_index { IMAGE_PLANE_Y, IMAGE_PLANE_U, IMAGE_PLANE_V, IMAGE_PLANE_A, IMAGE_MAX_PLANES };

enum { IMAGE_PAGE_BYTES = 4096, IMAGE_ROW_ALIGNMENT = 64 };

struct image_plane {
  uint8_t *samples;
  uint32_t width, height;
  uint32_t stride_bytes;  // a multiple of IMAGE_ROW_ALIGNMENT; what lies beyond `width` is undefined
};

// The kind and size of a YUV picture: everything its memory layout follows from.
struct image_yuv {
  uint32_t width, height;
  enum image_range range;
  uint8_t chroma_x, chroma_y;  // pixels a chroma sample covers along each axis: 1, 2 or 4 (4 along x only)
  bool is_grey;                // no U and V planes: they would be 128 throughout
  bool has_alpha;              // an A plane of the full size
};

struct image {
  atomic_uint refs;
  enum image_format format;
  uint32_t width;
  uint32_t height;
  bool has_alpha;                               // RGBA8, false: every alpha byte is 255
  uint32_t stride_bytes;                        // RGBA8: >= width * 4
  struct image_yuv yuv;                         // YUV
  struct image_plane planes[IMAGE_MAX_PLANES];  // YUV; absent ones have samples NULL and sizes 0
  uint8_t *pixels;                              // the memory, all planes
  size_t bytes;
  void (*release)(void *pixels, size_t bytes);  // NULL: free()
};

// Zero-sized or overflowing sizes give BASE_TOO_LARGE; pixels are not initialised.
enum base_result image_create(uint32_t width, uint32_t height, bool has_alpha, struct image **out) BASE_CHECKED;
enum base_result image_create_yuv(const struct image_yuv *yuv, struct image **out) BASE_CHECKED;
// Bytes of a YUV picture's memory, whole pages. BASE_TOO_LARGE as above and for a chroma block that does not exist.
enum base_result image_yuv_bytes(const struct image_yuv *yuv, size_t *out) BASE_CHECKED;
// Takes pixels from elsewhere (a mapped memfd). `bytes` must hold stride_bytes * height (asserted).
enum base_result image_adopt(uint8_t *pixels, size_t bytes, uint32_t width, uint32_t height, uint32_t stride_bytes,
                             bool has_alpha, void (*release)(void *pixels, size_t bytes),
                             struct image **out) BASE_CHECKED;
// The same for planes laid out as image_create_yuv does it; `bytes` must hold image_yuv_bytes (asserted).
enum base_result image_adopt_yuv(uint8_t *pixels, size_t bytes, const struct image_yuv *yuv,
                                 void (*release)(void *pixels, size_t bytes), struct image **out) BASE_CHECKED;
struct image *image_ref(struct image *image);
void image_unref(struct image **image);
static inline uint8_t *image_row(const struct image *image, uint32_t y) {
  return image->pixels + (size_t)y * image->stride_bytes;
}
static inline uint8_t *image_plane_row(const struct image_plane *plane, uint32_t y) {
  return plane->samples + (size_t)y * plane->stride_bytes;
}
// Fills the whole picture with one colour (converted to the planes' range).
void image_fill(struct image *image, const uint8_t rgba[4]);
// Composes RGBA8 over an opaque background in place (8-bit, rounded); has_alpha becomes false.
void image_flatten(struct image *image, const uint8_t rgb[3]);

#endif
