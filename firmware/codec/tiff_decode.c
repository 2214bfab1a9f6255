// TIFF through libtiff: the first page, row by row or tile by tile, to RGBA8.
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "decoders.h"
#include "tiff_file.h"
#include "tiff_pixels.h"

// A block that has to be held whole: a tile, or a strip that libtiff converts. Rows of strips are read one by one.
enum { MAX_BLOCK_BYTES = 256 << 20 };

struct reader {
  struct tiff_file file;
  struct tiff_pixels pixels;
  uint8_t *block;
};

static enum base_result damaged(const struct reader *reader, struct base_fault *fault) {
  return codec_tiff_damaged(&reader->file, "its pixels can not be read", fault);
}

// True after any complaint, also of a call that nevertheless said it went well.
static bool has_complained(const struct reader *reader) { return reader->file.error[0] != '\0'; }

static enum base_result allocate_block(struct reader *reader, size_t bytes, struct base_fault *fault) {
  if (bytes == 0) return damaged(reader, fault);
  if (bytes > MAX_BLOCK_BYTES) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "tiff", "this kind of TIFF is not read: blocks of %zu bytes", bytes);
  }
  reader->block = malloc(bytes);
  return reader->block ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "tiff", "no memory to decode the TIFF");
}

static enum base_result read_rows(struct reader *reader, unsigned plane, struct image *out, struct base_fault *fault) {
  const struct tiff_file *file = &reader->file;
  for (uint32_t y = 0; y < out->height; y++) {
    uint8_t *rgba = image_row(out, y);
    if (TIFFReadScanline(file->tiff, reader->block, y, (uint16_t)plane) < 0 || has_complained(reader)) {
      return damaged(reader, fault);
    }
    if (file->is_separate) {
      codec_tiff_pixels_plane(&reader->pixels, reader->block, plane, rgba, out->width);
    } else {
      codec_tiff_pixels_row(&reader->pixels, reader->block, rgba, out->width);
    }
  }
  return BASE_OK;
}

// The part of a tile that lies on the picture.
static void place_tile(struct reader *reader, uint32_t x, uint32_t y, unsigned plane, struct image *out) {
  const struct tiff_file *file = &reader->file;
  const uint32_t width = (uint32_t)base_min_u64(file->tile_width, out->width - x);
  const uint32_t height = (uint32_t)base_min_u64(file->tile_height, out->height - y);
  const size_t row_bytes = (size_t)TIFFTileRowSize64(file->tiff);
  for (uint32_t row = 0; row < height; row++) {
    const uint8_t *samples = reader->block + row * row_bytes;
    uint8_t *rgba = image_row(out, y + row) + (size_t)x * 4;
    if (file->is_separate) {
      codec_tiff_pixels_plane(&reader->pixels, samples, plane, rgba, width);
    } else {
      codec_tiff_pixels_row(&reader->pixels, samples, rgba, width);
    }
  }
}

static enum base_result read_tiles(struct reader *reader, unsigned plane, size_t bytes, struct image *out,
                                   struct base_fault *fault) {
  const struct tiff_file *file = &reader->file;
  for (uint64_t y = 0; y < out->height; y += file->tile_height) {
    for (uint64_t x = 0; x < out->width; x += file->tile_width) {
      const tmsize_t got = TIFFReadTile(file->tiff, reader->block, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane);
      if (got < 0 || (size_t)got != bytes || has_complained(reader)) return damaged(reader, fault);
      place_tile(reader, (uint32_t)x, (uint32_t)y, plane, out);
    }
  }
  return BASE_OK;
}

static enum base_result read_planes(struct reader *reader, struct image *out, struct base_fault *fault) {
  const struct tiff_file *file = &reader->file;
  const uint64_t wanted = file->is_tiled ? TIFFTileSize64(file->tiff) : TIFFScanlineSize64(file->tiff);
  const size_t bytes = wanted < SIZE_MAX ? (size_t)wanted : SIZE_MAX;
  const unsigned planes = file->is_separate ? file->samples : 1;
  enum base_result result = allocate_block(reader, bytes, fault);
  for (unsigned plane = 0; plane < planes && result == BASE_OK; plane++) {
    if (!codec_tiff_pixels_wants(&reader->pixels, plane)) continue;
    result = file->is_tiled ? read_tiles(reader, plane, bytes, out, fault) : read_rows(reader, plane, out, fault);
  }
  for (uint32_t y = 0; y < out->height && result == BASE_OK && file->is_separate; y++) {
    codec_tiff_pixels_finish_row(&reader->pixels, image_row(out, y), out->width);
  }
  return result;
}

// libtiff's RGBA, whose rows run from the bottom up.
static void place_library_block(const uint32_t *raster, uint32_t raster_width, uint32_t rows, uint32_t x, uint32_t y,
                                uint32_t width, struct image *out) {
  for (uint32_t row = 0; row < rows && y + row < out->height; row++) {
    const uint32_t *in = raster + (size_t)(rows - 1 - row) * raster_width;
    uint8_t *rgba = image_row(out, y + row) + (size_t)x * 4;
    for (uint32_t column = 0; column < width; column++, rgba += 4) {
      rgba[0] = (uint8_t)TIFFGetR(in[column]);
      rgba[1] = (uint8_t)TIFFGetG(in[column]);
      rgba[2] = (uint8_t)TIFFGetB(in[column]);
      rgba[3] = 255;
    }
  }
}

static enum base_result read_through_library(struct reader *reader, struct image *out, struct base_fault *fault) {
  struct tiff_file *file = &reader->file;
  const uint32_t block_width = file->is_tiled ? file->tile_width : file->width;
  const uint32_t block_height = file->is_tiled ? file->tile_height : file->strip_rows;
  size_t bytes;
  char text[1024] = "";
  if (!base_mul3_size(block_width, block_height, sizeof(uint32_t), &bytes)) return damaged(reader, fault);
  if (!TIFFRGBAImageOK(file->tiff, text)) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "tiff", "this kind of TIFF is not read: %.200s", text);
  }
  enum base_result result = allocate_block(reader, bytes, fault);
  if (result != BASE_OK) return result;
  uint32_t *raster = (uint32_t *)(void *)reader->block;
  for (uint64_t y = 0; y < out->height; y += block_height) {
    for (uint64_t x = 0; x < out->width; x += block_width) {
      const uint32_t at_x = (uint32_t)x, at_y = (uint32_t)y;
      const bool is_read = file->is_tiled ? TIFFReadRGBATileExt(file->tiff, at_x, at_y, raster, 1)
                                          : TIFFReadRGBAStripExt(file->tiff, at_y, raster, 1);
      if (!is_read || has_complained(reader)) return damaged(reader, fault);
      // A strip's raster ends with the picture, a tile's does not.
      const uint32_t rows = file->is_tiled ? block_height : (uint32_t)base_min_u64(block_height, out->height - y);
      place_library_block(raster, block_width, rows, at_x, at_y, (uint32_t)base_min_u64(block_width, out->width - x),
                          out);
    }
  }
  return BASE_OK;
}

static bool tiff_matches(struct base_span file) {
  static const uint8_t marks[4][4] = {{'I', 'I', 42, 0}, {'M', 'M', 0, 42}, {'I', 'I', 43, 0}, {'M', 'M', 0, 43}};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    if (file.bytes >= 8 && memcmp(file.data, marks[i], sizeof marks[i]) == 0) return true;
  }
  return false;
}

static enum image_colour colour_of(const struct tiff_file *file) {
  switch (file->kind) {
    case TIFF_KIND_GREY:
      return IMAGE_COLOUR_GREY;
    case TIFF_KIND_PALETTE:
      return IMAGE_COLOUR_PALETTE;
    case TIFF_KIND_CMYK:
      return IMAGE_COLOUR_CMYK;
    default:
      return IMAGE_COLOUR_RGB;
  }
}

static enum base_result tiff_inspect(struct base_span bytes, struct image_header *out, struct base_fault *fault) {
  struct tiff_file file;
  enum base_result result = codec_tiff_open(&file, bytes, fault);
  if (result == BASE_OK) {
    const uint16_t bits = file.kind == TIFF_KIND_PALETTE ? 8 : file.bits;
    *out = (struct image_header){
        .format = IMAGE_FILE_TIFF,
        .width = file.width,
        .height = file.height,
        .orientation = file.orientation,
        .colour = colour_of(&file),
        .bits = (uint8_t)(bits > 16 ? 16 : bits),
        .has_alpha = file.alpha >= 0,
        .has_icc = file.profile.bytes > 0,
    };
  }
  codec_tiff_finish(&file);
  return result;
}

static enum base_result tiff_decode(struct base_span bytes, const struct image_header *header, struct image *out,
                                    struct base_fault *fault) {
  struct reader reader = {0};
  (void)header;
  enum base_result result = codec_tiff_open(&reader.file, bytes, fault);
  const struct tiff_file *file = &reader.file;
  if (result == BASE_OK &&
      (file->width != out->width || file->height != out->height || (file->alpha >= 0) != out->has_alpha)) {
    result = codec_tiff_damaged(file, "it is not what its header said", fault);
  }
  if (result == BASE_OK) result = codec_tiff_pixels_init(&reader.pixels, file, fault);
  if (result == BASE_OK) {
    result =
        file->kind == TIFF_KIND_LIBRARY ? read_through_library(&reader, out, fault) : read_planes(&reader, out, fault);
  }
  free(reader.block);
  codec_tiff_pixels_finish(&reader.pixels);
  codec_tiff_finish(&reader.file);
  return result;
}

const struct codec_decoder codec_tiff_decoder = {
    .format = IMAGE_FILE_TIFF,
    .matches = tiff_matches,
    .inspect = tiff_inspect,
    .plan = codec_plan_rgba,
    .decode = tiff_decode,
};
