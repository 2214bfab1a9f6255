// BMP (BITMAPFILEHEADER, then BITMAPCOREHEADER .. BITMAPV5HEADER as wingdi.h defines them).
#include <stdlib.h>

#include "structure.h"

enum {
  FILE_HEADER_BYTES = 14,
  CORE_BYTES = 12,
  INFO_BYTES = 40,
  INFO_RGB_BYTES = 52,
  INFO_RGBA_BYTES = 56,
  OS2_BYTES = 64,
  V4_BYTES = 108,
  V5_BYTES = 124,
};

enum compression { PLAIN, RLE8, RLE4, BIT_FIELDS, AS_JPEG, AS_PNG, ALPHA_BIT_FIELDS };

struct bmp {
  struct inspect_walk *walk;
  const uint8_t *header;  // behind the file header
  uint32_t header_bytes, width, height, bits, compression, said_image_bytes, said_colours;
  uint64_t pixels;  // offset of the picture's data, as the file header says
};

static void damaged(struct bmp *bmp, uint64_t offset, uint64_t bytes, const char *place, const char *text) {
  image_report_find(bmp->walk->report, IMAGE_RULE_STRUCTURE, offset, bytes, place, "%s", text);
}

static void read_core(struct bmp *bmp) {
  bmp->width = inspect_le16(bmp->header + 4);
  bmp->height = inspect_le16(bmp->header + 6);
  if (inspect_le16(bmp->header + 8) != 1)
    damaged(bmp, FILE_HEADER_BYTES, CORE_BYTES, "header", "it has other than one plane");
  bmp->bits = inspect_le16(bmp->header + 10);
}

static void read_info(struct bmp *bmp) {
  int32_t height = (int32_t)inspect_le32(bmp->header + 8);
  bmp->width = inspect_le32(bmp->header + 4);
  bmp->height = height < 0 ? 0u - (uint32_t)height : (uint32_t)height;  // negative: top row first
  if (inspect_le16(bmp->header + 12) != 1) {
    damaged(bmp, FILE_HEADER_BYTES, bmp->header_bytes, "header", "it has other than one plane");
  }
  bmp->bits = inspect_le16(bmp->header + 14);
  bmp->compression = inspect_le32(bmp->header + 16);
  bmp->said_image_bytes = inspect_le32(bmp->header + 20);
  bmp->said_colours = inspect_le32(bmp->header + 32);
  if (height < 0 && bmp->compression != PLAIN && bmp->compression != BIT_FIELDS &&
      bmp->compression != ALPHA_BIT_FIELDS) {
    damaged(bmp, FILE_HEADER_BYTES, bmp->header_bytes, "header", "a compressed picture can not be top down");
  }
}

static const char *header_problem(const struct bmp *bmp) {
  uint32_t bits = bmp->bits;
  bool is_usual = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
  if (bmp->width == 0 || bmp->width > INT32_MAX || bmp->height == 0 || bmp->height > INT32_MAX) {
    return "a size that can not be";
  }
  switch (bmp->compression) {
    case PLAIN:
      return is_usual ? NULL : "a colour depth that does not exist";
    case RLE8:
      return bits == 8 ? NULL : "run lengths of bytes in a picture of other depth";
    case RLE4:
      return bits == 4 ? NULL : "run lengths of half bytes in a picture of other depth";
    case BIT_FIELDS:
    case ALPHA_BIT_FIELDS:
      return bits == 16 || bits == 32 ? NULL : "colour masks in a picture that can not have any";
    case AS_JPEG:
    case AS_PNG:
      return "a JPEG or PNG picture inside: only printers take that";
    default:
      return "an unknown compression";
  }
}

// Bytes of masks and palette behind the header.
static uint64_t table_bytes(const struct bmp *bmp) {
  uint64_t bytes = 0, entry_bytes = bmp->header_bytes == CORE_BYTES ? 3 : 4;
  if (bmp->header_bytes == INFO_BYTES && bmp->compression == BIT_FIELDS) bytes = 12;
  if (bmp->header_bytes == INFO_BYTES && bmp->compression == ALPHA_BIT_FIELDS) bytes = 16;
  uint64_t colours = bmp->said_colours;
  if (colours == 0 && bmp->bits <= 8) colours = (uint64_t)1 << bmp->bits;
  return bytes + colours * entry_bytes;
}

// Bytes of the picture's data; to the file's end where only a decoder could tell.
static uint64_t data_bytes(const struct bmp *bmp) {
  uint64_t row = ((uint64_t)bmp->width * bmp->bits + 31) / 32 * 4, bytes;
  if (bmp->compression != PLAIN && bmp->compression != BIT_FIELDS && bmp->compression != ALPHA_BIT_FIELDS) {
    return bmp->said_image_bytes ? bmp->said_image_bytes : bmp->walk->file.bytes - bmp->pixels;
  }
  return __builtin_mul_overflow(row, (uint64_t)bmp->height, &bytes) ? UINT64_MAX : bytes;
}

static uint64_t read_profile(struct bmp *bmp, bool is_linked) {
  struct inspect_walk *walk = bmp->walk;
  uint64_t offset = FILE_HEADER_BYTES + (uint64_t)inspect_le32(bmp->header + 112),
           bytes = inspect_le32(bmp->header + 116);
  if (!inspect_has(walk->file, offset, bytes) || offset < FILE_HEADER_BYTES + (uint64_t)bmp->header_bytes) {
    damaged(bmp, FILE_HEADER_BYTES, V5_BYTES, "profile", "the profile lies where it can not be");
    return 0;
  }
  struct base_span part = base_span_slice(walk->file, offset, bytes);
  if (is_linked) {
    image_report_find(walk->report, IMAGE_RULE_PROFILE, offset, bytes, "profile",
                      "the profile is a file of the computer that wrote the picture");
    inspect_text(walk, part, "profile");
  } else if (bytes > INSPECT_MAX_PROFILE) {
    image_report_find(walk->report, IMAGE_RULE_CHUNK_SIZE, offset, bytes, "profile", "a profile of %llu bytes",
                      (unsigned long long)bytes);
  } else {
    inspect_profile(walk, part, offset, "profile");
  }
  return offset + bytes;
}

// What V4 and V5 headers say of colours. Returns where an embedded profile ends; 0 without one.
static uint64_t read_colours(struct bmp *bmp) {
  enum { CALIBRATED = 0, SRGB = 0x73524742, WINDOWS = 0x57696E20, LINKED = 0x4C494E4B, EMBEDDED = 0x4D424544 };
  if (bmp->header_bytes < V4_BYTES) return 0;
  switch (inspect_le32(bmp->header + 56)) {
    case SRGB:
    case WINDOWS:
      inspect_colour_says(bmp->walk, IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK);
      return 0;
    case LINKED:
      return bmp->header_bytes == V5_BYTES ? read_profile(bmp, true) : 0;
    case EMBEDDED:
      return bmp->header_bytes == V5_BYTES ? read_profile(bmp, false) : 0;
    case CALIBRATED:  // end points that many writers leave zero
      return 0;
    default:
      damaged(bmp, FILE_HEADER_BYTES, bmp->header_bytes, "header", "an unknown colour space");
      return 0;
  }
}

static void report_picture(struct bmp *bmp) {
  bool is_palette = bmp->bits <= 8;
  bool has_mask = bmp->header_bytes >= INFO_RGBA_BYTES && bmp->header_bytes != OS2_BYTES && bmp->compression != PLAIN &&
                  inspect_le32(bmp->header + 52) != 0;
  bool has_alpha = bmp->bits == 32 || has_mask;
  bmp->walk->report->has_alpha = has_alpha;
  inspect_picture(bmp->walk, bmp->width, bmp->height, 8,
                  is_palette  ? 1
                  : has_alpha ? 4
                              : 3,
                  is_palette ? IMAGE_COLOUR_PALETTE : IMAGE_COLOUR_RGB);
  inspect_frames(bmp->walk, 1);
}

// Hands on the data and what lies in front of it; returns where it ends.
static uint64_t walk_data(struct bmp *bmp) {
  struct inspect_walk *walk = bmp->walk;
  uint64_t tables = FILE_HEADER_BYTES + (uint64_t)bmp->header_bytes + table_bytes(bmp), size = walk->file.bytes;
  if (bmp->pixels > size) {
    damaged(bmp, 10, 4, "header", "the picture's data would begin behind the end");
    return size;
  }
  if (bmp->pixels < tables) {
    damaged(bmp, 10, 4, "header", "the picture's data begins inside of header or palette");
  } else {
    inspect_hidden(walk, tables, bmp->pixels - tables, "header");
  }
  uint64_t bytes = data_bytes(bmp), left = size - bmp->pixels;
  if (bytes > left) damaged(bmp, bmp->pixels, left, "pixels", "the picture's data ends early");
  bytes = base_min_u64(bytes, left);
  inspect_data(walk, base_span_slice(walk->file, bmp->pixels, bytes));
  return bmp->pixels + bytes;
}

static bool knows_header(uint32_t bytes) {
  return bytes == CORE_BYTES || bytes == INFO_BYTES || bytes == INFO_RGB_BYTES || bytes == INFO_RGBA_BYTES ||
         bytes == OS2_BYTES || bytes == V4_BYTES || bytes == V5_BYTES;
}

static bool matches(struct base_span file) {
  return file.bytes >= FILE_HEADER_BYTES + CORE_BYTES && inspect_begins(file, "BM", 2) &&
         knows_header(inspect_le32(file.data + FILE_HEADER_BYTES));
}

static uint64_t walk_file(struct inspect_walk *walk) {
  struct base_span file = walk->file;
  struct bmp bmp = {.walk = walk,
                    .header = file.data + FILE_HEADER_BYTES,
                    .header_bytes = inspect_le32(file.data + FILE_HEADER_BYTES),
                    .pixels = inspect_le32(file.data + 10)};
  walk->report->parts = 1;
  if (!inspect_has(file, FILE_HEADER_BYTES, bmp.header_bytes)) {
    damaged(&bmp, 0, file.bytes, "header", "the header is cut off");
    return file.bytes;
  }
  if (bmp.header_bytes == CORE_BYTES) {
    read_core(&bmp);
  } else {
    read_info(&bmp);
  }
  const char *problem = header_problem(&bmp);
  if (problem) damaged(&bmp, FILE_HEADER_BYTES, bmp.header_bytes, "header", problem);
  report_picture(&bmp);
  uint64_t end = walk_data(&bmp), profile_end = read_colours(&bmp);
  if (profile_end > end) {
    uint64_t profile = profile_end - inspect_le32(bmp.header + 116);
    if (profile > end) inspect_hidden(walk, end, profile - end, "profile");
    end = profile_end;
  }
  // Some writers leave the size zero; some pad what they count.
  uint32_t said = inspect_le32(file.data + 2);
  if (said != 0 && said != file.bytes && said != end) {
    damaged(&bmp, 2, 4, "header", "the size that it says is not the file's");
  }
  return end;
}

const struct inspect_walker inspect_bmp = {IMAGE_FILE_BMP, matches, walk_file};
