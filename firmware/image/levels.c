// Sums of boxes, made once and cascaded: those of 1/4 from those of 1/2, those of 1/8 from those of 1/4.
//
// A picture is a few layers: each plane for itself, or all of RGBA8. Beyond the edges lie mirrored source samples, not
// mirrored sums: which samples are in a box does not depend on how it is summed up.
#include "image/levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "image/header.h"

// How the samples of a layer are summed up. Counts are of samples.
struct summing {
  unsigned channels;   // numbers a sample
  unsigned sum_bytes;  // a number
  void (*add_rows)(const uint8_t *a, const uint8_t *b, void *sums, size_t count);
  void (*add_sums)(const void *a, const void *b, void *sums, size_t count);
  // Adds neighbours: `count` samples from twice as many.
  void (*fold)(const void *sums, void *folded, size_t count);
  // The means of boxes of 1 << shift samples.
  void (*write_means)(const void *sums, unsigned shift, uint8_t *out, size_t count);
};

static void plane_add_rows(const uint8_t *restrict a, const uint8_t *restrict b, void *restrict sums, size_t count) {
  uint16_t *restrict out = sums;
  for (size_t i = 0; i < count; i++) out[i] = (uint16_t)(a[i] + b[i]);
}

static void plane_add_sums(const void *restrict a, const void *restrict b, void *restrict sums, size_t count) {
  const uint16_t *restrict left = a, *restrict right = b;
  uint16_t *restrict out = sums;
  for (size_t i = 0; i < count; i++) out[i] = (uint16_t)(left[i] + right[i]);
}

static void plane_fold(const void *restrict sums, void *restrict folded, size_t count) {
  const uint16_t *restrict in = sums;
  uint16_t *restrict out = folded;
  for (size_t i = 0; i < count; i++) out[i] = (uint16_t)(in[2 * i] + in[2 * i + 1]);
}

// The largest sum is 64 * 255: it fits, and so does the half that rounds.
static void plane_write_means(const void *restrict sums, unsigned shift, uint8_t *restrict out, size_t count) {
  const uint16_t *restrict in = sums;
  const uint16_t half = (uint16_t)(1u << (shift - 1));
  for (size_t i = 0; i < count; i++) out[i] = (uint8_t)((uint16_t)(in[i] + half) >> shift);
}

static void opaque_add_rows(const uint8_t *restrict a, const uint8_t *restrict b, void *restrict sums, size_t count) {
  plane_add_rows(a, b, sums, count * 4);
}

static void opaque_add_sums(const void *restrict a, const void *restrict b, void *restrict sums, size_t count) {
  plane_add_sums(a, b, sums, count * 4);
}

static void opaque_fold(const void *restrict sums, void *restrict folded, size_t count) {
  const uint16_t *restrict in = sums;
  uint16_t *restrict out = folded;
  for (size_t i = 0; i < count; i++) {
    for (size_t c = 0; c < 4; c++) out[4 * i + c] = (uint16_t)(in[8 * i + c] + in[8 * i + 4 + c]);
  }
}

static void opaque_write_means(const void *restrict sums, unsigned shift, uint8_t *restrict out, size_t count) {
  plane_write_means(sums, shift, out, count * 4);
}

// With alpha the colours are summed up times their alpha; the fourth number is the sum of the alphas.
static void alpha_add_rows(const uint8_t *restrict a, const uint8_t *restrict b, void *restrict sums, size_t count) {
  uint32_t *restrict out = sums;
  for (size_t i = 0; i < count * 4; i += 4) {
    const uint32_t above = a[i + 3], below = b[i + 3];
    out[i] = a[i] * above + b[i] * below;
    out[i + 1] = a[i + 1] * above + b[i + 1] * below;
    out[i + 2] = a[i + 2] * above + b[i + 2] * below;
    out[i + 3] = above + below;
  }
}

static void alpha_add_sums(const void *restrict a, const void *restrict b, void *restrict sums, size_t count) {
  const uint32_t *restrict left = a, *restrict right = b;
  uint32_t *restrict out = sums;
  for (size_t i = 0; i < count * 4; i++) out[i] = left[i] + right[i];
}

static void alpha_fold(const void *restrict sums, void *restrict folded, size_t count) {
  const uint32_t *restrict in = sums;
  uint32_t *restrict out = folded;
  for (size_t i = 0; i < count; i++) {
    for (size_t c = 0; c < 4; c++) out[4 * i + c] = in[8 * i + c] + in[8 * i + 4 + c];
  }
}

// No colour where nothing is visible.
static void alpha_write_means(const void *restrict sums, unsigned shift, uint8_t *restrict out, size_t count) {
  const uint32_t *restrict in = sums;
  for (size_t i = 0; i < count * 4; i += 4) {
    const uint32_t alpha = in[i + 3], mean = (alpha + (1u << (shift - 1))) >> shift;
    for (size_t c = 0; c < 3; c++) out[i + c] = mean == 0 ? 0 : (uint8_t)((in[i + c] + alpha / 2) / alpha);
    out[i + 3] = (uint8_t)mean;
  }
}

static const struct summing plane_summing = {1,          sizeof(uint16_t), plane_add_rows, plane_add_sums,
                                             plane_fold, plane_write_means};
static const struct summing opaque_summing = {4,           sizeof(uint16_t),  opaque_add_rows, opaque_add_sums,
                                              opaque_fold, opaque_write_means};
static const struct summing alpha_summing = {4,          sizeof(uint32_t), alpha_add_rows, alpha_add_sums,
                                             alpha_fold, alpha_write_means};

struct layer {
  const struct summing *summing;
  struct image_plane from;              // width and height in samples
  struct image_plane to[IMAGE_LEVELS];  // samples NULL: not wanted
};

struct sweep {
  const struct layer *layer;
  uint32_t width;                  // of a source row and what is mirrored at its end: whole boxes of the smallest level
  uint8_t *row_sums;               // of two source rows or of two rows of sums, before they are folded
  uint8_t *sums[IMAGE_LEVELS][2];  // the latest two rows of sums a level
};

static uint32_t mirrored(uint32_t at, uint32_t side) {
  at %= 2 * side;
  return at < side ? at : 2 * side - 1 - at;
}

// Makes the sums of row `y` of the half-size level, from two source rows.
static void sum_source_rows(struct sweep *sweep, uint32_t y) {
  const struct image_plane *from = &sweep->layer->from;
  const struct summing *summing = sweep->layer->summing;
  const size_t sample_bytes = (size_t)summing->channels * summing->sum_bytes;
  summing->add_rows(image_plane_row(from, mirrored(2 * y, from->height)),
                    image_plane_row(from, mirrored(2 * y + 1, from->height)), sweep->row_sums, from->width);
  for (uint32_t x = from->width; x < sweep->width; x++) {
    memcpy(sweep->row_sums + x * sample_bytes, sweep->row_sums + mirrored(x, from->width) * sample_bytes, sample_bytes);
  }
  summing->fold(sweep->row_sums, sweep->sums[0][y & 1], sweep->width / 2);
}

// Makes the sums of row `y` of a level, and of all that they are made of; writes the rows that are wanted on the way.
static void make_row(struct sweep *sweep, unsigned level, uint32_t y) {
  const struct summing *summing = sweep->layer->summing;
  const struct image_plane *to = &sweep->layer->to[level];
  if (level == 0) {
    sum_source_rows(sweep, y);
  } else {
    make_row(sweep, level - 1, 2 * y);
    make_row(sweep, level - 1, 2 * y + 1);
    summing->add_sums(sweep->sums[level - 1][0], sweep->sums[level - 1][1], sweep->row_sums, sweep->width >> level);
    summing->fold(sweep->row_sums, sweep->sums[level][y & 1], sweep->width >> (level + 1));
  }
  // Beyond a level's last row there are only sums for the levels above.
  if (to->samples && y < to->height) {
    summing->write_means(sweep->sums[level][y & 1], 2 * (level + 1), image_plane_row(to, y), to->width);
  }
}

// `top`: the smallest level that is wanted.
static enum base_result make_layer(const struct layer *layer, unsigned top) {
  const uint32_t shrink = image_level_shrink(top);
  const uint32_t width = image_shrunk_side(layer->from.width, shrink) * shrink;
  const size_t row_bytes = base_round_up((size_t)width * layer->summing->channels * layer->summing->sum_bytes, 64);
  struct sweep sweep = {.layer = layer, .width = width};
  // One row of the full width, then two of each level: at most 1 + 2 * (1/2 + 1/4 + 1/8) rows.
  uint8_t *memory = aligned_alloc(64, row_bytes * 3);
  if (!memory) return BASE_NO_MEMORY;
  sweep.row_sums = memory;
  uint8_t *next = memory + row_bytes;
  for (unsigned level = 0; level <= top; level++) {
    for (unsigned i = 0; i < 2; i++, next += row_bytes >> (level + 1)) sweep.sums[level][i] = next;
  }
  for (uint32_t y = 0; y < image_shrunk_side(layer->from.height, shrink); y++) make_row(&sweep, top, y);
  free(memory);
  return BASE_OK;
}

static struct image_plane pixels_of(const struct image *image) {
  return (struct image_plane){image->pixels, image->width, image->height, image->stride_bytes};
}

static struct layer layer_of(const struct image *source, struct image *const levels[IMAGE_LEVELS], unsigned plane) {
  const bool has_planes = source->format == IMAGE_YUV;
  struct layer layer = {.from = has_planes ? source->planes[plane] : pixels_of(source)};
  layer.summing = has_planes ? &plane_summing : source->has_alpha ? &alpha_summing : &opaque_summing;
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    if (levels[i]) layer.to[i] = has_planes ? levels[i]->planes[plane] : pixels_of(levels[i]);
  }
  return layer;
}

static enum base_result create_level(const struct image *source, unsigned shrink, struct image **out) {
  struct image_yuv yuv = source->yuv;
  yuv.width = image_shrunk_side(source->width, shrink);
  yuv.height = image_shrunk_side(source->height, shrink);
  if (source->format == IMAGE_YUV) return image_create_yuv(&yuv, out);
  return image_create(yuv.width, yuv.height, source->has_alpha, out);
}

enum base_result image_make_levels(const struct image *source, const bool wanted[IMAGE_LEVELS],
                                   struct image *out[IMAGE_LEVELS]) {
  enum base_result result = BASE_OK;
  unsigned top = 0;
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    out[i] = NULL;
    if (!wanted[i] || result != BASE_OK) continue;
    result = create_level(source, image_level_shrink(i), &out[i]);
    top = i;
  }
  const unsigned layers = source->format == IMAGE_YUV ? IMAGE_MAX_PLANES : 1;
  for (unsigned i = 0; i < layers && result == BASE_OK; i++) {
    const struct layer layer = layer_of(source, out, i);
    if (out[top] && layer.from.samples) result = make_layer(&layer, top);
  }
  for (unsigned i = 0; i < IMAGE_LEVELS && result != BASE_OK; i++) image_unref(&out[i]);
  return result;
}
