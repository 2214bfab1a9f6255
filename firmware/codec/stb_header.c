#include "stb_header.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"

static enum base_result damaged(struct base_fault *fault, const char *format, const char *text) {
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, format, "the %s is damaged: %s", format, text);
}

// GIF (CompuServe, GIF89a specification)

enum {
  GIF_SCREEN_BYTES = 13,  // signature and logical screen descriptor
  GIF_DESCRIPTOR_BYTES = 10,
  GIF_EXTENSION = 0x21,
  GIF_GRAPHIC_CONTROL = 0xF9,
  GIF_IMAGE = 0x2C,
};

bool codec_gif_matches(struct base_span file) {
  return file.bytes >= GIF_SCREEN_BYTES && (memcmp(file.data, "GIF87a", 6) == 0 || memcmp(file.data, "GIF89a", 6) == 0);
}

static size_t gif_colour_table_bytes(uint8_t flags) { return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0; }

// Behind the sub-blocks that begin at `at`; the file's size when they do not end.
static size_t gif_skip_blocks(struct base_span file, size_t at) {
  while (at < file.bytes && file.data[at] != 0) at += 1 + (size_t)file.data[at];
  return at < file.bytes ? at + 1 : file.bytes;
}

// Finds the first image descriptor and whether a colour is transparent in it. 0 when there is none.
static size_t gif_first_image(struct base_span file, bool *has_transparency) {
  size_t at = GIF_SCREEN_BYTES + gif_colour_table_bytes(file.data[10]);
  *has_transparency = false;
  while (at + GIF_DESCRIPTOR_BYTES <= file.bytes) {
    const uint8_t *block = file.data + at;
    if (block[0] == GIF_IMAGE) return at;
    if (block[0] != GIF_EXTENSION) return 0;
    if (block[1] == GIF_GRAPHIC_CONTROL && block[2] == 4) *has_transparency = block[3] & 1;
    at = gif_skip_blocks(file, at + 2);
  }
  return 0;
}

enum base_result codec_gif_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  bool has_transparency;
  size_t image = gif_first_image(file, &has_transparency);
  if (image == 0) return damaged(fault, "gif", "it has no picture");
  uint32_t width = codec_le16(file.data + 6), height = codec_le16(file.data + 8);
  const uint8_t *descriptor = file.data + image;
  uint32_t left = codec_le16(descriptor + 1), top = codec_le16(descriptor + 3);
  uint32_t frame_width = codec_le16(descriptor + 5), frame_height = codec_le16(descriptor + 7);
  if (left + frame_width > width || top + frame_height > height) {
    return damaged(fault, "gif", "its first picture does not lie on its screen");
  }
  *out = (struct image_header){
      .format = IMAGE_FILE_GIF,
      .width = width,
      .height = height,
      .orientation = IMAGE_UPRIGHT,
      .colour = IMAGE_COLOUR_PALETTE,
      .bits = 8,
      .has_alpha = has_transparency || frame_width != width || frame_height != height,
  };
  return BASE_OK;
}

// BMP (BITMAPFILEHEADER, BITMAPCOREHEADER .. BITMAPV5HEADER)

enum {
  BMP_FILE_HEADER_BYTES = 14,
  BMP_CORE_BYTES = 12,
  BMP_INFO_BYTES = 40,
  BMP_INFO_MASKS_BYTES = 56,
  BMP_V4_BYTES = 108,
  BMP_V5_BYTES = 124,
  BMP_PLAIN = 0,
  BMP_BITFIELDS = 3,
};

static bool bmp_knows_header(uint32_t bytes) {
  return bytes == BMP_CORE_BYTES || bytes == BMP_INFO_BYTES || bytes == BMP_INFO_MASKS_BYTES || bytes == BMP_V4_BYTES ||
         bytes == BMP_V5_BYTES;
}

bool codec_bmp_matches(struct base_span file) {
  return file.bytes >= BMP_FILE_HEADER_BYTES + BMP_CORE_BYTES && memcmp(file.data, "BM", 2) == 0 &&
         bmp_knows_header(codec_le32(file.data + 14));
}

// Rows stand bottom up when the height is positive, top down when it is negative.
static bool bmp_height(uint32_t field, uint32_t *out) {
  int32_t height = (int32_t)field;
  if (height == INT32_MIN) return false;
  *out = (uint32_t)abs(height);
  return true;
}

static bool bmp_knows_depth(unsigned bits, uint32_t compression) {
  if (compression == BMP_BITFIELDS) return bits == 16 || bits == 32;
  return bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
}

enum base_result codec_bmp_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  const uint8_t *data = file.data;
  uint32_t header_bytes = codec_le32(data + 14), offset = codec_le32(data + 10);
  bool is_core = header_bytes == BMP_CORE_BYTES;
  if (file.bytes < BMP_FILE_HEADER_BYTES + (size_t)header_bytes || offset >= file.bytes) {
    return damaged(fault, "bmp", "it ends early");
  }
  uint32_t width = is_core ? codec_le16(data + 18) : codec_le32(data + 18);
  uint32_t height = is_core ? codec_le16(data + 20) : 0;
  if (!is_core && !bmp_height(codec_le32(data + 22), &height))
    return damaged(fault, "bmp", "its height makes no sense");
  unsigned planes = is_core ? codec_le16(data + 22) : codec_le16(data + 26);
  unsigned bits = is_core ? codec_le16(data + 24) : codec_le16(data + 28);
  uint32_t compression = is_core ? BMP_PLAIN : codec_le32(data + 30);
  if (planes != 1) return damaged(fault, "bmp", "its header makes no sense");
  if (compression != BMP_PLAIN && compression != BMP_BITFIELDS) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "bmp", "compressed BMP files are not read");
  }
  if (!bmp_knows_depth(bits, compression)) return damaged(fault, "bmp", "its colour depth makes no sense");
  bool has_alpha_mask = header_bytes >= BMP_V4_BYTES && compression == BMP_BITFIELDS && codec_le32(data + 66) != 0;
  *out = (struct image_header){
      .format = IMAGE_FILE_BMP,
      .width = width,
      .height = height,
      .orientation = IMAGE_UPRIGHT,
      .colour = bits <= 8 ? IMAGE_COLOUR_PALETTE : IMAGE_COLOUR_RGB,
      .bits = 8,
      .has_alpha = bits == 32 || has_alpha_mask,
  };
  return BASE_OK;
}

// PSD (Adobe Photoshop file formats specification)

enum {
  PSD_HEADER_BYTES = 26,
  PSD_SECTIONS = 3,  // colour mode data, image resources, layers; each with its length in front
  PSD_MODE_RGB = 3,
  PSD_RAW = 0,
  PSD_RLE = 1,
  PSD_MAX_CHANNELS = 16,
};

bool codec_psd_matches(struct base_span file) {
  return file.bytes >= PSD_HEADER_BYTES && memcmp(file.data, "8BPS\0\1", 6) == 0;
}

// Offset of the composite picture's compression field; false when the sections run over the file's end.
static bool psd_find_picture(struct base_span file, uint64_t *out) {
  uint64_t at = PSD_HEADER_BYTES;
  for (int i = 0; i < PSD_SECTIONS; i++) {
    if (at + 4 > file.bytes) return false;
    at += 4 + (uint64_t)codec_be32(file.data + at);
  }
  *out = at;
  return at + 2 <= file.bytes;
}

enum base_result codec_psd_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  const uint8_t *data = file.data;
  uint64_t picture;
  unsigned channels = codec_be16(data + 12), bits = codec_be16(data + 22), mode = codec_be16(data + 24);
  if (!psd_find_picture(file, &picture)) return damaged(fault, "psd", "it ends early");
  unsigned compression = codec_be16(data + picture);
  if (mode != PSD_MODE_RGB || channels < 3 || channels > PSD_MAX_CHANNELS || (bits != 8 && bits != 16)) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "psd", "only RGB PSD files of 8 or 16 bits are read");
  }
  if (compression > PSD_RLE || (compression == PSD_RLE && bits == 16)) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "psd", "PSD files compressed in this way are not read");
  }
  *out = (struct image_header){
      .format = IMAGE_FILE_PSD,
      .width = codec_be32(data + 18),
      .height = codec_be32(data + 14),
      .orientation = IMAGE_UPRIGHT,
      .colour = IMAGE_COLOUR_RGB,
      .bits = (uint8_t)bits,
      .has_alpha = channels >= 4,
  };
  return BASE_OK;
}
