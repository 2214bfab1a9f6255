// BMP, GIF (first frame), PSD (composite) and TGA through stb_image (this is its only home).
//
// stb_image reads zeros past the end of a file and trusts sizes; so it reads through callbacks that notice the
// end, allocates within a budget, and only sees files whose headers stb_header.c and tga_header.c have accepted.
#include "decoders.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stb_header.h"

enum {
  BUDGET_BYTES_A_PIXEL = 16,  // GIF needs 9, PSD of 16 bits 8, the others up to 8
  BUDGET_FIXED_BYTES = 1 << 20,
  MAX_PIXELS = INT_MAX / 8,  // stb_image counts bytes in int
  BLOCK_HEAD_BYTES = 16,     // keeps the alignment that malloc gives
  GIF_BACKGROUND_OFFSET = 11,
};

static _Thread_local size_t budget_bytes;

// Zeroed, so that whatever a short file leaves unwritten is not somebody else's old memory.
static void *budget_alloc(size_t bytes) {
  if (bytes > budget_bytes || budget_bytes - bytes < BLOCK_HEAD_BYTES) return NULL;
  uint8_t *block = calloc(1, BLOCK_HEAD_BYTES + bytes);
  if (!block) return NULL;
  memcpy(block, &bytes, sizeof bytes);
  budget_bytes -= BLOCK_HEAD_BYTES + bytes;
  return block + BLOCK_HEAD_BYTES;
}

static void budget_free(void *data) {
  size_t bytes;
  if (!data) return;
  uint8_t *block = (uint8_t *)data - BLOCK_HEAD_BYTES;
  memcpy(&bytes, block, sizeof bytes);
  budget_bytes += BLOCK_HEAD_BYTES + bytes;
  free(block);
}

static void *budget_realloc(void *data, size_t old_bytes, size_t bytes) {
  void *moved = budget_alloc(bytes);
  if (!moved) return NULL;
  if (data) memcpy(moved, data, old_bytes < bytes ? old_bytes : bytes);
  budget_free(data);
  return moved;
}

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_PSD
#define STBI_ONLY_TGA
#define STBI_ASSERT(condition) BASE_ASSERT(condition)
#define STBI_MALLOC(bytes) budget_alloc(bytes)
#define STBI_REALLOC_SIZED(data, old_bytes, bytes) budget_realloc(data, old_bytes, bytes)
#define STBI_FREE(data) budget_free(data)
// For the whole file: gcc looks for functions that are never defined at its end.
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#include <stb_image.h>
#pragma GCC diagnostic pop

struct source {
  struct base_span file;
  size_t at;
  bool hides_background;
  bool overran;  // more was wanted than the file holds
};

static int source_read(void *user, char *out, int bytes) {
  struct source *source = user;
  size_t left = source->file.bytes - source->at;
  size_t taken = bytes > 0 ? (size_t)bytes : 0;
  if (taken > left) taken = left;
  if (taken == 0 && bytes > 0) source->overran = true;
  memcpy(out, source->file.data + source->at, taken);
  // stb_image paints a GIF's background colour where the first frame is transparent, unless that colour is number
  // 0; browsers leave such pixels transparent.
  if (source->hides_background && source->at <= GIF_BACKGROUND_OFFSET && source->at + taken > GIF_BACKGROUND_OFFSET) {
    out[GIF_BACKGROUND_OFFSET - source->at] = 0;
  }
  source->at += taken;
  return (int)taken;
}

static void source_skip(void *user, int bytes) {
  struct source *source = user;
  size_t left = source->file.bytes - source->at;
  if (bytes < 0 || (size_t)bytes > left) {
    source->overran = true;
    source->at = source->file.bytes;
  } else {
    source->at += (size_t)bytes;
  }
}

static int source_is_at_end(void *user) {
  const struct source *source = user;
  return source->at == source->file.bytes;
}

static const stbi_io_callbacks source_callbacks = {.read = source_read, .skip = source_skip, .eof = source_is_at_end};

static void copy_row_8(const uint8_t *in, uint8_t *rgba, uint32_t width) { memcpy(rgba, in, (size_t)width * 4); }

static void copy_row_16(const uint16_t *in, uint8_t *rgba, uint32_t width) {
  for (size_t i = 0; i < (size_t)width * 4; i++) rgba[i] = codec_narrow(in[i]);
}

static void copy_rows(const void *pixels, bool is_wide, bool has_alpha, struct image *out) {
  for (uint32_t y = 0; y < out->height; y++) {
    size_t first = (size_t)y * out->width * 4;
    uint8_t *row = image_row(out, y);
    if (is_wide) {
      copy_row_16((const uint16_t *)pixels + first, row, out->width);
    } else {
      copy_row_8((const uint8_t *)pixels + first, row, out->width);
    }
    if (!has_alpha) codec_make_row_opaque(row, out->width);
  }
}

static enum base_result damaged(struct base_fault *fault, enum image_file_format format, const char *text) {
  const char *name = image_file_format_name(format);
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, name, "the %s is damaged: %s", name, text);
}

static enum base_result stb_decode(struct base_span file, const struct image_header *header, struct image *out,
                                   struct base_fault *fault) {
  BASE_ASSERT(header->width == out->width && header->height == out->height);
  int width = 0, height = 0;
  bool is_wide = header->bits == 16;
  uint64_t pixel_count = (uint64_t)out->width * out->height;
  struct source source = {.file = file, .hides_background = header->format == IMAGE_FILE_GIF};
  if (pixel_count > MAX_PIXELS) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_pixels", "at most %d pixels of this format are read", MAX_PIXELS);
  }
  budget_bytes = (size_t)pixel_count * BUDGET_BYTES_A_PIXEL + BUDGET_FIXED_BYTES;
  void *pixels = is_wide ? (void *)stbi_load_16_from_callbacks(&source_callbacks, &source, &width, &height, NULL, 4)
                         : (void *)stbi_load_from_callbacks(&source_callbacks, &source, &width, &height, NULL, 4);
  enum base_result result = BASE_OK;
  if (source.overran) {
    result = damaged(fault, header->format, "it ends early");
  } else if (!pixels) {
    const char *reason = stbi_failure_reason();
    result = damaged(fault, header->format, reason ? reason : "it can not be decoded");
  } else if ((uint32_t)width != out->width || (uint32_t)height != out->height) {
    result = damaged(fault, header->format, "it has another size than its header said");
  } else {
    copy_rows(pixels, is_wide, header->has_alpha, out);
  }
  stbi_image_free(pixels);
  return result;
}

const struct codec_decoder codec_gif_decoder = {.format = IMAGE_FILE_GIF,
                                                .matches = codec_gif_matches,
                                                .inspect = codec_gif_inspect,
                                                .plan = codec_plan_rgba,
                                                .decode = stb_decode};
const struct codec_decoder codec_bmp_decoder = {.format = IMAGE_FILE_BMP,
                                                .matches = codec_bmp_matches,
                                                .inspect = codec_bmp_inspect,
                                                .plan = codec_plan_rgba,
                                                .decode = stb_decode};
const struct codec_decoder codec_psd_decoder = {.format = IMAGE_FILE_PSD,
                                                .matches = codec_psd_matches,
                                                .inspect = codec_psd_inspect,
                                                .plan = codec_plan_rgba,
                                                .decode = stb_decode};
const struct codec_decoder codec_tga_decoder = {.format = IMAGE_FILE_TGA,
                                                .matches = codec_tga_matches,
                                                .inspect = codec_tga_inspect,
                                                .plan = codec_plan_rgba,
                                                .decode = stb_decode};
