// Levels through Zstandard (this is its only home).
//
// The file: "pxlv", version, format, flags, chroma block (x * 16 + y), width, height, the CRC-32 of all that; then one
// Zstandard frame with its checksum. The frame's content is the picture's memory as image_create and image_create_yuv
// lay it out, so that it is unpacked in place: each row as the difference to the one above it (mod 256), zeros where no
// samples are. Numbers are little-endian.
#include "codec/level.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/checked.h"
#include "bytes.h"

enum {
  VERSION = 1,
  HEAD_BYTES = 20,
  CHECKED_BYTES = 16,  // of the head
  PACKING_LEVEL = 1,
  STRIP_BYTES = 64 * 1024,  // of rows that are packed at a time, at least one row
  MAX_SIDE = 1 << 16,
  MAX_BYTES = 1 << 30,  // of the picture's memory
};

enum { FLAG_ALPHA = 1, FLAG_GREY = 2, FLAG_LIMITED = 4, FLAGS = 7 };

static const uint8_t magic[4] = {'p', 'x', 'l', 'v'};

// The kind and size of a level: a picture without its memory.
struct shape {
  enum image_format format;
  struct image_yuv yuv;  // only size and alpha count for RGBA8
};

static enum base_result damaged(struct base_fault *fault, const char *text) {
  return BASE_FAIL(fault, BASE_CORRUPT, "level", "the level is damaged: %s", text);
}

static struct shape shape_of(const struct image *image) {
  struct shape shape = {.format = image->format, .yuv = image->yuv};
  shape.yuv.width = image->width;
  shape.yuv.height = image->height;
  shape.yuv.has_alpha = image->has_alpha;
  return shape;
}

// Bytes of the picture's samples in memory, or false for a size that no level has.
static bool content_bytes(const struct shape *shape, size_t *out) {
  const struct image_yuv *yuv = &shape->yuv;
  if (yuv->width == 0 || yuv->height == 0 || yuv->width > MAX_SIDE || yuv->height > MAX_SIDE) return false;
  if (shape->format == IMAGE_RGBA8) {
    *out = (size_t)yuv->width * yuv->height * 4;
  } else if (image_yuv_bytes(yuv, out) != BASE_OK) {
    return false;
  }
  return *out <= MAX_BYTES;
}

static void put_le32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void write_head(const struct shape *shape, uint8_t head[HEAD_BYTES]) {
  const struct image_yuv *yuv = &shape->yuv;
  const bool has_planes = shape->format == IMAGE_YUV;
  memcpy(head, magic, sizeof magic);
  head[4] = VERSION;
  head[5] = (uint8_t)shape->format;
  head[6] = yuv->has_alpha ? FLAG_ALPHA : 0;
  if (has_planes && yuv->is_grey) head[6] |= FLAG_GREY;
  if (has_planes && yuv->range == IMAGE_RANGE_LIMITED) head[6] |= FLAG_LIMITED;
  head[7] = has_planes ? (uint8_t)(yuv->chroma_x << 4 | yuv->chroma_y) : 0;
  put_le32(head + 8, yuv->width);
  put_le32(head + 12, yuv->height);
  put_le32(head + CHECKED_BYTES, (uint32_t)crc32(0, head, CHECKED_BYTES));
}

// A head is sound when it is the one that would be written for what it says.
static enum base_result read_head(struct base_span bytes, struct shape *out, struct base_fault *fault) {
  uint8_t wanted[HEAD_BYTES];
  if (bytes.bytes < HEAD_BYTES) return damaged(fault, "it ends early");
  const uint8_t *head = bytes.data;
  *out = (struct shape){.format = head[5] == IMAGE_YUV ? IMAGE_YUV : IMAGE_RGBA8};
  out->yuv.width = codec_le32(head + 8);
  out->yuv.height = codec_le32(head + 12);
  out->yuv.has_alpha = head[6] & FLAG_ALPHA;
  out->yuv.is_grey = head[6] & FLAG_GREY;
  out->yuv.range = head[6] & FLAG_LIMITED ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL;
  out->yuv.chroma_x = head[7] >> 4;
  out->yuv.chroma_y = head[7] & 15;
  write_head(out, wanted);
  if (memcmp(head, wanted, HEAD_BYTES) != 0) return damaged(fault, "its head is none of this version");
  const bool is_grey_with_blocks = out->yuv.is_grey && (out->yuv.chroma_x != 1 || out->yuv.chroma_y != 1);
  return is_grey_with_blocks ? damaged(fault, "grey has no chroma") : BASE_OK;
}

// Rows that are predicted from each other: a plane, or all of RGBA8.
struct layer {
  uint8_t *samples;
  size_t stride_bytes;
  uint32_t height;
  // In the content: of the samples, of a row with its padding, behind the last row.
  size_t row_bytes, pitch_bytes, tail_bytes;
};

static size_t list_layers(const struct image *image, struct layer out[IMAGE_MAX_PLANES]) {
  if (image->format == IMAGE_RGBA8) {
    const size_t row_bytes = (size_t)image->width * 4;
    out[0] = (struct layer){image->pixels, image->stride_bytes, image->height, row_bytes, row_bytes, 0};
    return 1;
  }
  size_t count = 0;
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    const size_t bytes = (size_t)plane->stride_bytes * plane->height;
    if (!plane->samples) continue;
    out[count++] = (struct layer){plane->samples, plane->stride_bytes, plane->height,
                                  plane->width,   plane->stride_bytes, base_round_up(bytes, IMAGE_PAGE_BYTES) - bytes};
  }
  return count;
}

struct packer {
  ZSTD_CCtx *context;
  struct base_buffer *out;
  uint8_t *strip;
  size_t strip_bytes, strip_capacity;
};

static enum base_result pack_strip(struct packer *packer, ZSTD_EndDirective end) {
  ZSTD_inBuffer in = {packer->strip, packer->strip_bytes, 0};
  size_t left = 1;
  while (end == ZSTD_e_end ? left != 0 : in.pos < in.size) {
    const enum base_result result = base_buffer_reserve(packer->out, STRIP_BYTES);
    if (result != BASE_OK) return result;
    ZSTD_outBuffer out = {packer->out->data + packer->out->bytes, STRIP_BYTES, 0};
    left = ZSTD_compressStream2(packer->context, &out, &in, end);
    if (ZSTD_isError(left)) return BASE_NO_MEMORY;
    packer->out->bytes += out.pos;
  }
  packer->strip_bytes = 0;
  return BASE_OK;
}

// Room for `bytes` more of the content, zeroed.
static enum base_result take_room(struct packer *packer, size_t bytes, uint8_t **out) {
  if (packer->strip_capacity - packer->strip_bytes < bytes) {
    const enum base_result result = pack_strip(packer, ZSTD_e_continue);
    if (result != BASE_OK) return result;
  }
  *out = packer->strip + packer->strip_bytes;
  memset(*out, 0, bytes);
  packer->strip_bytes += bytes;
  return BASE_OK;
}

static void write_differences(const uint8_t *restrict row, const uint8_t *restrict above, uint8_t *restrict out,
                              size_t bytes) {
  for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(row[i] - above[i]);
}

static enum base_result pack_layer(struct packer *packer, const struct layer *layer) {
  uint8_t *to;
  for (uint32_t y = 0; y < layer->height; y++) {
    const uint8_t *row = layer->samples + y * layer->stride_bytes;
    const enum base_result result = take_room(packer, layer->pitch_bytes, &to);
    if (result != BASE_OK) return result;
    if (y == 0) {
      memcpy(to, row, layer->row_bytes);
    } else {
      write_differences(row, row - layer->stride_bytes, to, layer->row_bytes);
    }
  }
  return take_room(packer, layer->tail_bytes, &to);
}

static bool packer_open(struct packer *packer, size_t bytes, size_t pitch_bytes) {
  packer->context = ZSTD_createCCtx();
  packer->strip_capacity = base_max_u64(STRIP_BYTES, pitch_bytes);
  packer->strip = malloc(packer->strip_capacity);
  return packer->context && packer->strip &&
         !ZSTD_isError(ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, PACKING_LEVEL)) &&
         !ZSTD_isError(ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1)) &&
         !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(packer->context, bytes));
}

static void packer_close(struct packer *packer) {
  ZSTD_freeCCtx(packer->context);
  free(packer->strip);
}

enum base_result codec_level_encode(const struct image *level, struct base_buffer *out, struct base_fault *fault) {
  const struct shape shape = shape_of(level);
  struct layer layers[IMAGE_MAX_PLANES];
  const size_t count = list_layers(level, layers), before = out->bytes;
  struct packer packer = {.out = out};
  uint8_t head[HEAD_BYTES];
  size_t bytes;
  if (!content_bytes(&shape, &bytes)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "level", "%u x %u is no size of a level", level->width, level->height);
  }
  write_head(&shape, head);
  enum base_result result = base_buffer_append(out, head, HEAD_BYTES);
  if (result == BASE_OK && !packer_open(&packer, bytes, layers[0].pitch_bytes)) result = BASE_NO_MEMORY;
  for (size_t i = 0; i < count && result == BASE_OK; i++) result = pack_layer(&packer, &layers[i]);
  if (result == BASE_OK) result = pack_strip(&packer, ZSTD_e_end);
  packer_close(&packer);
  if (result == BASE_OK) return BASE_OK;
  out->bytes = before;
  return BASE_FAIL(fault, result, "level", "no room to pack a level of %u x %u", level->width, level->height);
}

static void add_above(const uint8_t *restrict above, uint8_t *restrict row, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) row[i] = (uint8_t)(row[i] + above[i]);
}

static enum base_result unpack(struct base_span frame, size_t bytes, struct image *image, struct base_fault *fault) {
  struct layer layers[IMAGE_MAX_PLANES];
  const size_t unpacked = ZSTD_decompress(image->pixels, bytes, frame.data, frame.bytes);
  if (unpacked != bytes) return damaged(fault, ZSTD_isError(unpacked) ? ZSTD_getErrorName(unpacked) : "it ends early");
  const size_t count = list_layers(image, layers);
  for (size_t i = 0; i < count; i++) {
    const struct layer *layer = &layers[i];
    for (uint32_t y = 1; y < layer->height; y++) {
      uint8_t *row = layer->samples + y * layer->stride_bytes;
      add_above(row - layer->stride_bytes, row, layer->row_bytes);
    }
  }
  return BASE_OK;
}

enum base_result codec_level_decode(struct base_span bytes, struct image **out, struct base_fault *fault) {
  struct shape shape;
  size_t content;
  *out = NULL;
  enum base_result result = read_head(bytes, &shape, fault);
  if (result != BASE_OK) return result;
  if (!content_bytes(&shape, &content)) return damaged(fault, "no level has its size");
  const struct base_span frame = base_span_slice(bytes, HEAD_BYTES, bytes.bytes);
  // Before anything is allocated: one frame, all of it, of exactly the picture's size.
  if (ZSTD_findFrameCompressedSize(frame.data, frame.bytes) != frame.bytes ||
      ZSTD_getFrameContentSize(frame.data, frame.bytes) != content) {
    return damaged(fault, "it holds more or less than its picture");
  }
  result = shape.format == IMAGE_YUV ? image_create_yuv(&shape.yuv, out)
                                     : image_create(shape.yuv.width, shape.yuv.height, shape.yuv.has_alpha, out);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "level", "no memory for a level");
  result = unpack(frame, content, *out, fault);
  if (result != BASE_OK) image_unref(out);
  return result;
}
