// GIF (CompuServe, GIF89a specification): blocks, their sub-blocks, frames and extensions.
#include <string.h>

#include "structure.h"
#include "text_scan.h"

enum {
  SCREEN_BYTES = 13,  // signature and logical screen descriptor
  DESCRIPTOR_BYTES = 10,
  EXTENSION = 0x21,
  IMAGE = 0x2C,
  TRAILER = 0x3B,
  PLAIN_TEXT = 0x01,
  GRAPHIC_CONTROL = 0xF9,
  COMMENT = 0xFE,
  APPLICATION = 0xFF,
};

struct gif {
  struct inspect_walk *walk;
  uint64_t at;
  uint32_t width, height;
  bool has_global_table, has_transparency, is_covered, has_trailer;
  uint64_t frames;
};

static void damaged(struct gif *gif, uint64_t offset, uint64_t bytes, const char *place, const char *text) {
  image_report_find(gif->walk->report, IMAGE_RULE_STRUCTURE, offset, bytes, place, "%s", text);
}

static uint64_t table_bytes(uint8_t flags) { return flags & 0x80 ? (uint64_t)3 << ((flags & 7) + 1) : 0; }

// The sub-blocks from gif->at, which moves behind them; `out` is all of them with their counts. False when they do not
// end.
static bool skip_blocks(struct gif *gif, const char *place, struct base_span *out) {
  struct base_span file = gif->walk->file;
  uint64_t start = gif->at, at = start;
  while (at < file.bytes && file.data[at] != 0) at += 1 + (uint64_t)file.data[at];
  bool has_end = at < file.bytes;
  gif->at = has_end ? at + 1 : file.bytes;
  *out = base_span_slice(file, start, gif->at - start);
  if (!has_end) damaged(gif, start, out->bytes, place, "its blocks do not end");
  return has_end;
}

// The texts of sub-blocks as one: what a reader of comments sees.
static void scan_joined(struct gif *gif, struct base_span blocks, const char *place) {
  struct inspect_text_scan scan = {0};
  uint8_t window[INSPECT_TEXT_WINDOW];  // a push for each of a million blocks of one byte would cost far more than they
  size_t bytes = 0;
  if (!inspect_spend(gif->walk, blocks.bytes)) return;
  for (size_t at = 0; at < blocks.bytes && blocks.data[at] != 0; at += 1 + (size_t)blocks.data[at]) {
    struct base_span block = base_span_slice(blocks, at + 1, blocks.data[at]);
    if (block.bytes > sizeof window - bytes) {
      inspect_text_scan_push(&scan, base_span_of(window, bytes));
      bytes = 0;
    }
    if (block.bytes > 0) memcpy(window + bytes, block.data, block.bytes);
    bytes += block.bytes;
  }
  inspect_text_scan_push(&scan, base_span_of(window, bytes));
  if (blocks.bytes > INSPECT_MAX_TEXT) {
    image_report_find(gif->walk->report, IMAGE_RULE_CHUNK_SIZE, inspect_offset(gif->walk, blocks), blocks.bytes, place,
                      "a text of %zu bytes; at most %d are usual", blocks.bytes, INSPECT_MAX_TEXT);
  }
  inspect_text_scan_conclude(&scan, gif->walk, blocks, false, place);
}

// Eleven bytes of name and code. XMP lies there as it is, not in sub-blocks; a trailer of falling numbers brings
// readers of sub-blocks to its end (XMP specification part 3, 1.1.2).
static void read_application(struct gif *gif, struct base_span blocks) {
  struct inspect_walk *walk = gif->walk;
  static const char *const known[] = {"NETSCAPE2.0", "ANIMEXTS1.0", "ICCRGBG1012", "MGK8BIM0000",
                                      "MGKIPTC0000", "ImageMagick", "fractint"};
  struct base_span name = base_span_slice(blocks, 1, 11);
  if (blocks.bytes < 13 || blocks.data[0] != 11) {
    damaged(gif, inspect_offset(walk, blocks), blocks.bytes, "application", "its name has not eleven characters");
    return;
  }
  struct base_span data = base_span_slice(blocks, 12, blocks.bytes);
  if (base_span_is(name, "XMP DataXMP")) {
    walk->report->has_xmp = true;
    // The trailer is no text: 1, 255, 254 .. 0, 0.
    inspect_text(walk, base_span_slice(data, 0, data.bytes > 258 ? data.bytes - 258 : data.bytes), "XMP");
    return;
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (base_span_starts_with(name, known[i])) return;
  }
  inspect_unread(walk, data, "application");
  if (data.bytes >= INSPECT_MAX_UNKNOWN) {
    inspect_hidden(walk, inspect_offset(walk, data), data.bytes, "application");
  }
}

static void read_extension(struct gif *gif) {
  struct base_span file = gif->walk->file, blocks;
  uint64_t start = gif->at;
  if (!inspect_has(file, start, 3)) {
    damaged(gif, start, file.bytes - start, "extension", "an extension is cut off");
    gif->at = file.bytes;
    return;
  }
  uint8_t label = file.data[start + 1];
  gif->at += 2;
  skip_blocks(gif, "extension", &blocks);
  switch (label) {
    case GRAPHIC_CONTROL:
      if (blocks.bytes != 6 || blocks.data[0] != 4) {
        damaged(gif, start, gif->at - start, "control", "a graphic control block has four bytes");
      } else if (blocks.data[1] & 1) {
        gif->has_transparency = true;
      }
      return;
    case COMMENT:
      scan_joined(gif, blocks, "comment");
      return;
    case PLAIN_TEXT:
      scan_joined(gif, blocks, "plain text");
      return;
    case APPLICATION:
      read_application(gif, blocks);
      return;
    default:
      image_report_find(gif->walk->report, IMAGE_RULE_STRUCTURE, start, gif->at - start, "extension",
                        "an extension of unknown kind 0x%02X", label);
      inspect_unread(gif->walk, blocks, "extension");
      inspect_hidden(gif->walk, start, gif->at - start, "extension");
  }
}

static void check_frame(struct gif *gif, uint64_t start) {
  const uint8_t *at = gif->walk->file.data + start;
  uint32_t left = inspect_le16(at + 1), top = inspect_le16(at + 3);
  uint32_t width = inspect_le16(at + 5), height = inspect_le16(at + 7);
  if (width == 0 || height == 0) damaged(gif, start, DESCRIPTOR_BYTES, "frame", "a side of zero");
  if (left + width > gif->width || top + height > gif->height) {
    damaged(gif, start, DESCRIPTOR_BYTES, "frame", "a frame that does not lie on the screen");
  }
  if (!(at[9] & 0x80) && !gif->has_global_table) {
    damaged(gif, start, DESCRIPTOR_BYTES, "frame", "a frame without any colour table");
  }
  if (at[9] & 0x40 && gif->frames == 0) gif->walk->report->is_progressive = true;
  if (gif->frames == 0) gif->is_covered = width == gif->width && height == gif->height;
}

static void read_frame(struct gif *gif) {
  struct base_span file = gif->walk->file, blocks;
  uint64_t start = gif->at;
  if (!inspect_has(file, start, DESCRIPTOR_BYTES + 1)) {
    damaged(gif, start, file.bytes - start, "frame", "a frame is cut off");
    gif->at = file.bytes;
    return;
  }
  check_frame(gif, start);
  gif->frames++;
  uint64_t code_size = start + DESCRIPTOR_BYTES + table_bytes(file.data[start + 9]);
  if (!inspect_has(file, code_size, 2)) {
    damaged(gif, start, file.bytes - start, "frame", "a frame is cut off");
    gif->at = file.bytes;
    return;
  }
  if (file.data[code_size] < 2 || file.data[code_size] > 8) {
    damaged(gif, code_size, 1, "frame", "a code size that can not be");
  }
  gif->at = code_size + 1;
  if (!skip_blocks(gif, "frame", &blocks)) {
    inspect_data(gif->walk, blocks);
    return;
  }
  if (blocks.bytes <= 1) damaged(gif, start, gif->at - start, "frame", "a frame without data");
  inspect_data(gif->walk, blocks);
}

// To the next byte that begins a block. Some writers leave zeros there, which are empty sub-blocks.
static void skip_stray(struct gif *gif) {
  struct base_span file = gif->walk->file;
  uint64_t start = gif->at, at = start;
  while (at < file.bytes && file.data[at] != EXTENSION && file.data[at] != IMAGE && file.data[at] != TRAILER) at++;
  gif->at = at;
  if (at == start || inspect_is_zeros(base_span_slice(file, start, at - start))) return;
  inspect_hidden(gif->walk, start, at - start, "");
  damaged(gif, start, at - start, "", "bytes between two blocks");
}

static bool walk_block(struct gif *gif) {
  struct base_span file = gif->walk->file;
  skip_stray(gif);
  if (gif->at >= file.bytes || !inspect_next_part(gif->walk, gif->at)) return false;
  switch (file.data[gif->at]) {
    case IMAGE:
      read_frame(gif);
      return true;
    case EXTENSION:
      read_extension(gif);
      return true;
    default:
      gif->at++;
      gif->has_trailer = true;
      return false;
  }
}

static bool matches(struct base_span file) {
  return inspect_begins(file, "GIF87a", 6) || inspect_begins(file, "GIF89a", 6);
}

static uint64_t walk_file(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  struct base_span file = walk->file;
  struct gif gif = {.walk = walk, .at = SCREEN_BYTES, .is_covered = true};
  if (file.bytes < SCREEN_BYTES) {
    damaged(&gif, 0, file.bytes, "", "the screen descriptor is cut off");
    return file.bytes;
  }
  gif.width = inspect_le16(file.data + 6);
  gif.height = inspect_le16(file.data + 8);
  gif.has_global_table = file.data[10] & 0x80;
  gif.at += table_bytes(file.data[10]);
  if (gif.at > file.bytes) {
    damaged(&gif, SCREEN_BYTES, file.bytes - SCREEN_BYTES, "", "the colour table is cut off");
    gif.at = file.bytes;
  }
  if (gif.width == 0 || gif.height == 0) damaged(&gif, 6, 4, "", "a side of zero");
  while (walk_block(&gif)) {
  }
  if (gif.frames == 0) damaged(&gif, 0, 0, "", "it has no picture");
  if (!gif.has_trailer) damaged(&gif, gif.at, 0, "", "it ends without its trailer");
  report->has_alpha = gif.has_transparency || !gif.is_covered;
  inspect_picture(walk, gif.width, gif.height, 8, 1, IMAGE_COLOUR_PALETTE);
  inspect_frames(walk, gif.frames);
  return gif.at;
}

const struct inspect_walker inspect_gif = {IMAGE_FILE_GIF, matches, walk_file};
