// The memory of YUV pictures: planes one after another, each beginning on a page.
#include <stdlib.h>

#include "base/checked.h"
#include "image/image.h"

struct extent {
  uint32_t width, height;
};

static struct extent plane_extent(const struct image_yuv *yuv, unsigned plane) {
  const struct extent none = {0, 0}, whole = {yuv->width, yuv->height};
  if (plane == IMAGE_PLANE_Y) return whole;
  if (plane == IMAGE_PLANE_A) return yuv->has_alpha ? whole : none;
  if (yuv->is_grey) return none;
  return (struct extent){(yuv->width + yuv->chroma_x - 1u) / yuv->chroma_x,
                         (yuv->height + yuv->chroma_y - 1u) / yuv->chroma_y};
}

// Fills in the planes, their samples counted from `memory`; false when the sizes overflow.
static bool lay_out(const struct image_yuv *yuv, uint8_t *memory, struct image_plane planes[IMAGE_MAX_PLANES],
                    size_t *out_bytes) {
  size_t offset = 0;
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct extent extent = plane_extent(yuv, i);
    const size_t stride_bytes = base_round_up(extent.width, IMAGE_ROW_ALIGNMENT);
    size_t bytes;
    planes[i] = (struct image_plane){0};
    if (extent.width == 0) continue;
    if (stride_bytes > UINT32_MAX || !base_mul_size(stride_bytes, extent.height, &bytes)) return false;
    if (bytes > SIZE_MAX - IMAGE_PAGE_BYTES) return false;
    bytes = base_round_up(bytes, IMAGE_PAGE_BYTES);
    planes[i] = (struct image_plane){.samples = memory ? memory + offset : NULL,
                                     .width = extent.width,
                                     .height = extent.height,
                                     .stride_bytes = (uint32_t)stride_bytes};
    if (!base_add_size(offset, bytes, &offset)) return false;
  }
  *out_bytes = offset;
  return true;
}

static bool is_sound(const struct image_yuv *yuv) {
  const bool has_block_x = yuv->chroma_x == 1 || yuv->chroma_x == 2 || yuv->chroma_x == 4;
  const bool has_block_y = yuv->chroma_y == 1 || yuv->chroma_y == 2;
  return yuv->width > 0 && yuv->height > 0 && has_block_x && has_block_y && yuv->width <= INT32_MAX &&
         yuv->height <= INT32_MAX;
}

enum base_result image_yuv_bytes(const struct image_yuv *yuv, size_t *out) {
  struct image_plane planes[IMAGE_MAX_PLANES];
  *out = 0;
  return is_sound(yuv) && lay_out(yuv, NULL, planes, out) ? BASE_OK : BASE_TOO_LARGE;
}

enum base_result image_adopt_yuv(uint8_t *pixels, size_t bytes, const struct image_yuv *yuv,
                                 void (*release)(void *pixels, size_t bytes), struct image **out) {
  size_t needed = 0;
  *out = NULL;
  BASE_ASSERT(image_yuv_bytes(yuv, &needed) == BASE_OK && bytes >= needed);
  struct image *image = calloc(1, sizeof *image);
  if (!image) return BASE_NO_MEMORY;
  atomic_init(&image->refs, 1);
  image->format = IMAGE_YUV;
  image->width = yuv->width;
  image->height = yuv->height;
  image->has_alpha = yuv->has_alpha;
  image->yuv = *yuv;
  image->pixels = pixels;
  image->bytes = bytes;
  image->release = release;
  BASE_ASSERT(lay_out(yuv, pixels, image->planes, &needed));
  *out = image;
  return BASE_OK;
}

enum base_result image_create_yuv(const struct image_yuv *yuv, struct image **out) {
  size_t bytes;
  *out = NULL;
  const enum base_result result = image_yuv_bytes(yuv, &bytes);
  if (result != BASE_OK) return result;
  uint8_t *pixels = aligned_alloc(IMAGE_PAGE_BYTES, bytes);
  if (!pixels) return BASE_NO_MEMORY;
  if (image_adopt_yuv(pixels, bytes, yuv, NULL, out) == BASE_OK) return BASE_OK;
  free(pixels);
  return BASE_NO_MEMORY;
}
