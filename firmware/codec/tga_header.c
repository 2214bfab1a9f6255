#include "bytes.h"
#include "stb_header.h"

// Truevision TGA file format specification 2.0, section C.
enum {
  HEADER_BYTES = 18,
  PALETTE = 1,
  TRUE_COLOUR = 2,
  GREY = 3,
  RUN_LENGTH = 8,          // added to one of the three
  MAX_RUN_PIXELS = 128,    // that one packet may stand for
  INTERLEAVE_BITS = 0xC0,  // of the descriptor: unused, must be 0
  ATTRIBUTE_BITS = 0x0F,
};

struct tga {
  unsigned kind;  // PALETTE, TRUE_COLOUR, GREY
  bool is_run_length;
  unsigned palette_entries, palette_bits;
  unsigned width, height, bits;
  uint64_t raster;  // offset of the pixels
};

static bool is_palette_sound(const struct tga *tga) {
  unsigned bits = tga->palette_bits;
  return tga->palette_entries > 0 && tga->palette_entries <= 256 && tga->bits == 8 &&
         (bits == 15 || bits == 16 || bits == 24 || bits == 32);
}

static bool is_depth_sound(const struct tga *tga) {
  if (tga->kind == PALETTE) return is_palette_sound(tga);
  if (tga->kind == GREY) return tga->bits == 8 || tga->bits == 16;
  return tga->bits == 15 || tga->bits == 16 || tga->bits == 24 || tga->bits == 32;
}

// The fewest bytes that the pixels can take.
static uint64_t least_raster_bytes(const struct tga *tga) {
  uint64_t pixels = (uint64_t)tga->width * tga->height;
  uint64_t pixel_bytes = (tga->bits + 7) / 8;
  if (!tga->is_run_length) return pixels * pixel_bytes;
  return (pixels + MAX_RUN_PIXELS - 1) / MAX_RUN_PIXELS * (1 + pixel_bytes);
}

static bool parse(struct base_span file, struct tga *out) {
  if (file.bytes < HEADER_BYTES) return false;
  const uint8_t *data = file.data;
  unsigned has_palette = data[1], type = data[2], descriptor = data[17];
  *out = (struct tga){
      .kind = type & ~(unsigned)RUN_LENGTH,
      .is_run_length = type & RUN_LENGTH,
      .palette_entries = codec_le16(data + 5),
      .palette_bits = data[7],
      .width = codec_le16(data + 12),
      .height = codec_le16(data + 14),
      .bits = data[16],
  };
  if (out->kind < PALETTE || out->kind > GREY || has_palette != (out->kind == PALETTE)) return false;
  if (!has_palette && out->palette_entries != 0) return false;
  if (out->width == 0 || out->height == 0 || descriptor & INTERLEAVE_BITS || (descriptor & ATTRIBUTE_BITS) > 8) {
    return false;
  }
  if (!is_depth_sound(out)) return false;
  // A palette's first index other than 0 is legal, but stb_image means something else by it than everybody else.
  if (has_palette && codec_le16(data + 3) != 0) return false;
  out->raster = HEADER_BYTES + (uint64_t)data[0];
  if (has_palette) out->raster += (uint64_t)out->palette_entries * ((out->palette_bits + 7) / 8);
  return true;
}

bool codec_tga_matches(struct base_span file) {
  struct tga tga;
  return parse(file, &tga) && file.bytes > tga.raster;
}

enum base_result codec_tga_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct tga tga;
  if (!parse(file, &tga) || file.bytes < tga.raster + least_raster_bytes(&tga)) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "tga", "the TGA is damaged: it ends early");
  }
  static const enum image_colour colours[] = {
      [PALETTE] = IMAGE_COLOUR_PALETTE, [TRUE_COLOUR] = IMAGE_COLOUR_RGB, [GREY] = IMAGE_COLOUR_GREY};
  *out = (struct image_header){
      .format = IMAGE_FILE_TGA,
      .width = tga.width,
      .height = tga.height,
      .orientation = IMAGE_UPRIGHT,
      .colour = colours[tga.kind],
      .bits = 8,
      .has_alpha = tga.kind == PALETTE ? tga.palette_bits == 32 : tga.bits == (tga.kind == GREY ? 16 : 32),
  };
  return BASE_OK;
}
