// PNG through libspng, scanline by scanline: only as much is inflated as the picture has pixels.
#include "decoders.h"

#include <stdlib.h>
#include <string.h>

#include "metadata/exif.h"

#include <spng.h>

#include "colour.h"
#include "png_chunks.h"

// What one ancillary chunk may inflate to, and all of them together. Their number libspng limits itself, to 1000.
enum { MAX_CHUNK_BYTES = 16 << 20, MAX_ANCILLARY_BYTES = 32 << 20 };
// Pixel data that any picture may carry, however small.
enum { MAX_SPARE_PACKED_BYTES = 64 << 10 };

// Where the pixels of a pass lie (PNG specification, section 8.2): rows come from libspng, columns from here.
struct pass_columns {
  uint32_t first, step;
};
static const struct pass_columns adam7_columns[7] = {{0, 8}, {4, 8}, {0, 4}, {2, 4}, {0, 2}, {1, 2}, {0, 1}};
static const struct pass_columns all_columns = {0, 1};

struct reader {
  spng_ctx *context;
  struct spng_ihdr header;
  struct colour_conversion *conversion;
  uint8_t *scanline;  // as libspng delivers it: RGBA, 8 or 16 bits
  size_t scanline_bytes;
  uint8_t *rgba;  // the scanline in 8 bits
};

static enum base_result damaged(struct base_fault *fault, int error) {
  if (error == SPNG_EMEM) return BASE_FAIL(fault, BASE_NO_MEMORY, "png", "no memory to decode the PNG");
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "png", "the PNG is damaged: %s", spng_strerror(error));
}

static int context_open(struct base_span file, spng_ctx **out, struct spng_ihdr *header) {
  *out = spng_ctx_new(0);
  if (!*out) return SPNG_EMEM;
  int error = spng_set_chunk_limits(*out, MAX_CHUNK_BYTES, MAX_ANCILLARY_BYTES);
  if (!error) error = spng_set_png_buffer(*out, file.data, file.bytes);
  if (!error) error = spng_get_ihdr(*out, header);
  return error;
}

static enum image_colour colour_of(const struct spng_ihdr *header) {
  switch (header->color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return IMAGE_COLOUR_GREY;
    case SPNG_COLOR_TYPE_INDEXED:
      return IMAGE_COLOUR_PALETTE;
    default:
      return IMAGE_COLOUR_RGB;
  }
}

// The chunks that count for the header; those with a wrong checksum do not, as when decoding. eXIf may also stand
// behind the pixels.
static void inspect_chunks(struct base_span file, struct image_header *out) {
  struct png_chunk chunk;
  bool has_pixels = false;
  struct png_walk walk = codec_png_walk(file);
  while (codec_png_walk_next(&walk, &chunk) && !codec_png_chunk_is(&chunk, "IEND")) {
    if (codec_png_chunk_is(&chunk, "IDAT")) {
      has_pixels = true;
    } else if (codec_png_chunk_is(&chunk, "eXIf") && codec_png_chunk_is_sound(&chunk)) {
      out->orientation = metadata_exif_orientation(chunk.data);
    } else if (!has_pixels && codec_png_chunk_is(&chunk, "tRNS") && codec_png_chunk_is_sound(&chunk)) {
      out->has_alpha = true;
    } else if (!has_pixels && codec_png_chunk_is(&chunk, "iCCP") && codec_png_chunk_is_sound(&chunk)) {
      out->has_icc = true;
    }
  }
}

static enum base_result png_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  spng_ctx *context;
  struct spng_ihdr header;
  int error = context_open(file, &context, &header);
  spng_ctx_free(context);
  if (error) return damaged(fault, error);
  *out = (struct image_header){
      .format = IMAGE_FILE_PNG,
      .width = header.width,
      .height = header.height,
      .orientation = IMAGE_UPRIGHT,
      .colour = colour_of(&header),
      .bits = header.color_type == SPNG_COLOR_TYPE_INDEXED ? 8 : header.bit_depth,
      .has_alpha =
          header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA || header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA,
  };
  inspect_chunks(file, out);
  return BASE_OK;
}

// What libspng does not look at: a file without its last bytes, which it takes for whole once it has seen the end
// chunk's name, and pixel data behind the last scanline, which it never inflates (a zip bomb's way to look harmless).
static enum base_result check_chunks(struct base_span file, const struct spng_ihdr *header, struct base_fault *fault) {
  static const unsigned samples[7] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};  // by colour type
  struct png_chunk chunk;
  struct png_walk walk = codec_png_walk(file);
  uint64_t packed_bytes = 0;
  bool has_end = false;
  while (!has_end && codec_png_walk_next(&walk, &chunk)) {
    has_end = codec_png_chunk_is(&chunk, "IEND");
    if (codec_png_chunk_is(&chunk, "IDAT")) packed_bytes += chunk.data.bytes;
  }
  if (!has_end) return BASE_FAIL(fault, BASE_UNPROCESSABLE, "png", "the PNG is damaged: it ends early");
  // Deflate never doubles its input; interlacing adds at most a filter byte a pass and row.
  BASE_ASSERT(header->color_type < 7);
  uint64_t row_bytes = ((uint64_t)header->width * samples[header->color_type] * header->bit_depth + 7) / 8;
  if (packed_bytes > MAX_SPARE_PACKED_BYTES + 2 * header->height * (row_bytes + 7))
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "png", "the PNG carries more pixel data than its size can use");
  return BASE_OK;
}

static bool is_16_bits(const struct reader *reader) { return reader->header.bit_depth == 16; }

static void create_conversion(struct reader *reader) {
  struct spng_iccp profile;
  if (spng_get_iccp(reader->context, &profile) != SPNG_OK) return;
  reader->conversion = codec_colour_create(base_span_of(profile.profile, profile.profile_len),
                                           is_16_bits(reader) ? COLOUR_RGBA16 : COLOUR_RGBA8);
}

static enum base_result reader_open(struct reader *reader, struct base_span file, const struct image *out,
                                    struct base_fault *fault) {
  *reader = (struct reader){0};
  int error = context_open(file, &reader->context, &reader->header);
  if (error) return damaged(fault, error);
  enum base_result result = check_chunks(file, &reader->header, fault);
  if (result != BASE_OK) return result;
  if (reader->header.width != out->width || reader->header.height != out->height) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "png", "the PNG has another size than its header said");
  }
  // 16 bits are narrowed here: libspng would cut the low byte off instead of rounding.
  int format = is_16_bits(reader) ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8;
  error = spng_decode_image(reader->context, NULL, 0, format, SPNG_DECODE_TRNS | SPNG_DECODE_PROGRESSIVE);
  if (error) return damaged(fault, error);
  create_conversion(reader);
  reader->scanline_bytes = (size_t)out->width * (is_16_bits(reader) ? 8 : 4);
  reader->scanline = malloc(reader->scanline_bytes);
  reader->rgba = is_16_bits(reader) ? malloc((size_t)out->width * 4) : reader->scanline;
  if (!reader->scanline || !reader->rgba) return damaged(fault, SPNG_EMEM);
  return BASE_OK;
}

static void reader_close(struct reader *reader) {
  codec_colour_destroy(&reader->conversion);
  if (reader->rgba != reader->scanline) free(reader->rgba);
  free(reader->scanline);
  spng_ctx_free(reader->context);
}

// The scanline's `count` pixels in 8-bit sRGB, into reader->rgba.
static void convert_scanline(struct reader *reader, uint32_t count) {
  if (is_16_bits(reader)) {
    for (size_t i = 0; i < (size_t)count * 4; i++) {
      uint16_t wide;
      memcpy(&wide, reader->scanline + i * sizeof wide, sizeof wide);
      reader->rgba[i] = codec_narrow(wide);
    }
  }
  if (reader->conversion) codec_colour_row(reader->conversion, reader->scanline, reader->rgba, count);
}

static void place_scanline(struct reader *reader, struct pass_columns columns, uint8_t *row, uint32_t width) {
  if (columns.first >= width) return;
  uint32_t count = (width - columns.first + columns.step - 1) / columns.step;
  convert_scanline(reader, count);
  uint8_t *to = row + (size_t)columns.first * 4;
  if (columns.step == 1) {
    memcpy(to, reader->rgba, (size_t)count * 4);
    return;
  }
  for (uint32_t i = 0; i < count; i++, to += (size_t)columns.step * 4) memcpy(to, reader->rgba + (size_t)i * 4, 4);
}

static enum base_result decode_scanlines(struct reader *reader, struct image *out, struct base_fault *fault) {
  int error = SPNG_OK;
  while (error == SPNG_OK) {
    struct spng_row_info info;
    error = spng_get_row_info(reader->context, &info);
    if (error) return damaged(fault, error);
    error = spng_decode_scanline(reader->context, reader->scanline, reader->scanline_bytes);
    if (error != SPNG_OK && error != SPNG_EOI) return damaged(fault, error);
    BASE_ASSERT(info.row_num < out->height && info.pass >= 0 && info.pass < 7);
    struct pass_columns columns = reader->header.interlace_method ? adam7_columns[info.pass] : all_columns;
    place_scanline(reader, columns, image_row(out, info.row_num), out->width);
  }
  // The rest of the chunks, checksums included.
  error = spng_decode_chunks(reader->context);
  return error ? damaged(fault, error) : BASE_OK;
}

static enum base_result png_decode(struct base_span file, const struct image_header *header, struct image *out,
                                   struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = reader_open(&reader, file, out, fault);
  if (result == BASE_OK) result = decode_scanlines(&reader, out, fault);
  reader_close(&reader);
  return result;
}

const struct codec_decoder codec_png_decoder = {
    .format = IMAGE_FILE_PNG,
    .matches = codec_png_has_signature,
    .inspect = png_inspect,
    .plan = codec_plan_rgba,
    .decode = png_decode,
};
