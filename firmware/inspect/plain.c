// PSD, PNM and TGA: what their heads say, and where their pictures end.
#include <string.h>

#include "photoshop.h"

static void damaged(struct inspect_walk *walk, uint64_t offset, const char *place, const char *text) {
  image_report_find(walk->report, IMAGE_RULE_STRUCTURE, offset, 0, place, "%s", text);
}

// Hands on the picture's data, `bytes` from `offset` or what is there of it; returns where it ends.
static uint64_t walk_data(struct inspect_walk *walk, uint64_t offset, uint64_t bytes) {
  uint64_t left = walk->file.bytes - offset;
  if (bytes > left) damaged(walk, walk->file.bytes, "", "the picture's data ends early");
  bytes = base_min_u64(bytes, left);
  inspect_data(walk, base_span_slice(walk->file, offset, bytes));
  return offset + bytes;
}

static uint64_t product(uint64_t a, uint64_t b) {
  uint64_t result;
  return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

// --- PSD (Adobe Photoshop file formats specification) ---

enum { PSD_HEAD_BYTES = 26, PSD_RESOURCES = 1, PSD_SECTIONS = 3, PSD_RAW = 0, PSD_RLE = 1 };
enum psd_mode { PSD_BITMAP, PSD_GREY, PSD_INDEXED, PSD_RGB, PSD_CMYK, PSD_MULTICHANNEL = 7, PSD_DUOTONE, PSD_LAB };

static bool psd_matches(struct base_span file) {
  return file.bytes >= PSD_HEAD_BYTES && inspect_begins(file, "8BPS\0\1", 6);
}

static void read_psd_head(struct inspect_walk *walk) {
  const uint8_t *head = walk->file.data;
  unsigned channels = inspect_be16(head + 12), bits = inspect_be16(head + 22), mode = inspect_be16(head + 24);
  enum image_colour colour = mode == PSD_CMYK                     ? IMAGE_COLOUR_CMYK
                             : mode == PSD_INDEXED                ? IMAGE_COLOUR_PALETTE
                             : mode == PSD_RGB || mode == PSD_LAB ? IMAGE_COLOUR_RGB
                                                                  : IMAGE_COLOUR_GREY;
  unsigned own = mode == PSD_CMYK ? 4 : mode == PSD_RGB || mode == PSD_LAB ? 3 : 1;
  if (channels < own || channels > 56) damaged(walk, 12, "header", "a number of channels that its mode can not have");
  if (bits != 1 && bits != 8 && bits != 16 && bits != 32) damaged(walk, 22, "header", "a depth that does not exist");
  if (mode > PSD_LAB || mode == 5 || mode == 6) damaged(walk, 24, "header", "a mode that does not exist");
  if (!inspect_is_zeros(base_span_slice(walk->file, 6, 6))) damaged(walk, 6, "header", "reserved bytes are not zero");
  if (mode == PSD_CMYK) inspect_colour_says(walk, IMAGE_SPACE_CMYK, IMAGE_SPACE_FROM_MARKER);
  if (mode == PSD_LAB) inspect_colour_says(walk, IMAGE_SPACE_LAB, IMAGE_SPACE_FROM_MARKER);
  uint8_t shown = (uint8_t)(channels > own ? own + 1 : own);
  walk->report->has_alpha = channels > own;
  inspect_picture(walk, inspect_be32(head + 18), inspect_be32(head + 14),
                  bits > 16  ? 32
                  : bits > 8 ? 16
                             : (uint8_t)bits,
                  shown, colour);
  inspect_frames(walk, 1);
}

// The composite picture from its compression field at `at`: where it ends.
static uint64_t walk_psd_picture(struct inspect_walk *walk, uint64_t at) {
  const uint8_t *head = walk->file.data;
  uint64_t channels = inspect_be16(head + 12), rows = product(channels, inspect_be32(head + 14));
  uint64_t row_bytes = ((uint64_t)inspect_be32(head + 18) * inspect_be16(head + 22) + 7) / 8;
  unsigned compression = inspect_be16(head + at);
  at += 2;
  if (compression == PSD_RAW) return walk_data(walk, at, product(rows, row_bytes));
  if (compression == PSD_RLE && inspect_has(walk->file, at, product(rows, 2))) {
    uint64_t bytes = rows * 2;
    for (uint64_t row = 0; row < rows; row++) bytes += inspect_be16(head + at + row * 2);
    return walk_data(walk, at, bytes);
  }
  if (compression > 3) damaged(walk, at - 2, "picture", "an unknown compression");
  return walk_data(walk, at, walk->file.bytes - at);
}

static uint64_t psd_walk(struct inspect_walk *walk) {
  struct base_span file = walk->file;
  uint64_t at = PSD_HEAD_BYTES;
  read_psd_head(walk);
  for (int section = 0; section < PSD_SECTIONS; section++) {
    walk->report->parts++;
    if (!inspect_has(file, at, 4) || !inspect_has(file, at + 4, inspect_be32(file.data + at))) {
      damaged(walk, at, "", "a section reaches behind the end");
      return file.bytes;
    }
    struct base_span part = base_span_slice(file, at + 4, inspect_be32(file.data + at));
    at += 4 + part.bytes;
    if (section != PSD_RESOURCES) continue;
    struct inspect_photoshop resources = {0};
    inspect_photoshop(walk, &resources, part, "resources");
    inspect_photoshop_conclude(walk, &resources, "resources");
  }
  if (inspect_has(file, at, 2)) return walk_psd_picture(walk, at);
  damaged(walk, at, "", "it has no picture data");
  return file.bytes;
}

const struct inspect_walker inspect_psd = {IMAGE_FILE_PSD, psd_matches, psd_walk};

// --- binary PGM and PPM (Netpbm) ---

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool pnm_matches(struct base_span file) {
  return file.bytes >= 3 && file.data[0] == 'P' && (file.data[1] == '5' || file.data[1] == '6') &&
         (is_space(file.data[2]) || file.data[2] == '#');
}

// One decimal field behind white space and comments, at most `limit`.
static bool read_number(struct base_span file, uint64_t *at, uint32_t limit, uint32_t *out) {
  bool in_comment = false;
  for (; *at < file.bytes; ++*at) {
    uint8_t c = file.data[*at];
    if (!in_comment && !is_space(c) && c != '#') break;
    in_comment = in_comment ? c != '\n' && c != '\r' : c == '#';
  }
  uint64_t value = 0, start = *at;
  for (; *at < file.bytes && file.data[*at] >= '0' && file.data[*at] <= '9'; ++*at) {
    value = value * 10 + (uint64_t)(file.data[*at] - '0');
    if (value > limit) return false;
  }
  *out = (uint32_t)value;
  return *at > start;
}

static uint64_t pnm_walk(struct inspect_walk *walk) {
  enum { MAX_SIDE = 1 << 24, MAX_VALUE = 65535 };
  struct base_span file = walk->file;
  uint8_t channels = file.data[1] == '6' ? 3 : 1;
  uint32_t width, height, most;
  uint64_t at = 2;
  walk->report->parts = 1;
  if (!read_number(file, &at, MAX_SIDE, &width) || !read_number(file, &at, MAX_SIDE, &height) ||
      !read_number(file, &at, MAX_VALUE, &most) || most == 0 || at >= file.bytes || !is_space(file.data[at])) {
    damaged(walk, at, "header", "the header makes no sense");
    return file.bytes;
  }
  if (width == 0 || height == 0) damaged(walk, 0, "header", "a side of zero");
  inspect_text(walk, base_span_slice(file, 0, at), "header");
  inspect_picture(walk, width, height, most > 255 ? 16 : 8, channels,
                  channels == 3 ? IMAGE_COLOUR_RGB : IMAGE_COLOUR_GREY);
  inspect_frames(walk, 1);
  return walk_data(walk, at + 1, product((uint64_t)width * height, channels * (most > 255 ? 2u : 1u)));
}

const struct inspect_walker inspect_pnm = {IMAGE_FILE_PNM, pnm_matches, pnm_walk};

// --- TGA (Truevision TGA file format specification 2.0) ---

enum { TGA_HEAD_BYTES = 18, TGA_FOOTER_BYTES = 26, TGA_PALETTE = 1, TGA_COLOUR = 2, TGA_GREY = 3, TGA_RUN_LENGTH = 8 };

// It has no signature: every field has to make sense, with those of the others.
static bool tga_matches(struct base_span file) {
  if (file.bytes < TGA_HEAD_BYTES) return false;
  const uint8_t *head = file.data;
  unsigned kind = head[2] & ~(unsigned)TGA_RUN_LENGTH, entries = inspect_le16(head + 5), bits = head[16];
  unsigned palette_bits = head[7], descriptor = head[17];
  bool is_palette = kind == TGA_PALETTE;
  if (kind < TGA_PALETTE || kind > TGA_GREY || head[1] != is_palette) return false;
  if (inspect_le16(head + 12) == 0 || inspect_le16(head + 14) == 0 || descriptor & 0xC0 || (descriptor & 15) > 8)
    return false;
  if (!is_palette) {
    bool is_depth = kind == TGA_GREY ? bits == 8 || bits == 16 : bits == 15 || bits == 16 || bits == 24 || bits == 32;
    return entries == 0 && is_depth;
  }
  return entries > 0 && entries <= 256 && bits == 8 && inspect_le16(head + 3) == 0 &&
         (palette_bits == 15 || palette_bits == 16 || palette_bits == 24 || palette_bits == 32);
}

// Bytes of run-length packets that stand for `pixels`; more than the file has when they do not end in it.
static uint64_t packet_bytes(struct base_span packets, uint64_t pixels, uint64_t pixel_bytes) {
  uint64_t at = 0;
  while (pixels > 0) {
    if (at >= packets.bytes) return UINT64_MAX;
    uint64_t run = (packets.data[at] & 0x7Fu) + 1;
    at += 1 + (packets.data[at] & 0x80 ? 1 : run) * pixel_bytes;
    pixels -= base_min_u64(run, pixels);
  }
  return at;
}

static uint64_t tga_walk(struct inspect_walk *walk) {
  struct base_span file = walk->file;
  const uint8_t *head = file.data;
  unsigned kind = head[2] & ~(unsigned)TGA_RUN_LENGTH, bits = head[16];
  bool is_palette = kind == TGA_PALETTE;
  bool has_alpha = is_palette ? head[7] == 32 : bits == (kind == TGA_GREY ? 16 : 32);
  uint64_t at = TGA_HEAD_BYTES + (uint64_t)head[0];
  uint64_t pixels = (uint64_t)inspect_le16(head + 12) * inspect_le16(head + 14), pixel_bytes = (bits + 7) / 8;
  uint8_t channels = kind == TGA_COLOUR ? 3 : 1;
  walk->report->parts = 1;
  walk->report->has_alpha = has_alpha;
  inspect_picture(walk, inspect_le16(head + 12), inspect_le16(head + 14), 8,
                  (uint8_t)(channels + (has_alpha && !is_palette)),
                  is_palette           ? IMAGE_COLOUR_PALETTE
                  : kind == TGA_COLOUR ? IMAGE_COLOUR_RGB
                                       : IMAGE_COLOUR_GREY);
  inspect_frames(walk, 1);
  inspect_text(walk, base_span_slice(file, TGA_HEAD_BYTES, head[0]), "id");
  if (is_palette) at += (uint64_t)inspect_le16(head + 5) * ((head[7] + 7u) / 8);
  if (at >= file.bytes) {
    damaged(walk, file.bytes, "", "it has no picture data");
    return file.bytes;
  }
  struct base_span rest = base_span_slice(file, at, file.bytes);
  bool is_packed = head[2] & TGA_RUN_LENGTH;
  uint64_t end = walk_data(walk, at, is_packed ? packet_bytes(rest, pixels, pixel_bytes) : pixels * pixel_bytes);
  if (file.bytes - end < TGA_FOOTER_BYTES) return end;
  // Version 2 puts areas of its own between picture and footer, the dates and comments among them.
  struct base_span more = base_span_slice(file, end, file.bytes), footer = base_span_slice(more, more.bytes - 18, 18);
  if (!inspect_begins(footer, "TRUEVISION-XFILE.\0", 18)) return end;
  walk->report->parts++;
  inspect_text(walk, more, "footer");
  return file.bytes;
}

const struct inspect_walker inspect_tga = {IMAGE_FILE_TGA, tga_matches, tga_walk};
