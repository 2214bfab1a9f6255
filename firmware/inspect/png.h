// One PNG file being walked (PNG third edition, with APNG). png.c reads the chunks, png_rules.c knows which may stand
// where and how long they are.
#ifndef INSPECT_PNG_H
#define INSPECT_PNG_H

#include "structure.h"

enum png_colour { PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGBA = 6 };

struct png_chunk {
  struct base_span data;
  struct inspect_code type;
  uint64_t offset;  // of its length field
  uint64_t bytes;   // length field to checksum
};

struct png {
  struct inspect_walk *walk;
  uint64_t at;
  uint64_t seen;  // one bit a kind of chunk in png_rules.c's table
  uint32_t width, height;
  uint8_t depth, colour;
  uint32_t palette_entries;
  bool has_header, has_data, is_data_over, has_end, has_profile;
  bool has_codes;                     // cICP: what other chunks say is for readers that do not know it
  enum image_colour_space primaries;  // cHRM
  bool is_srgb;                       // sRGB
  uint8_t stream_head[2];             // of the zlib stream, which the first IDAT chunks may cut
  uint8_t stream_head_bytes;
  uint32_t streams;                             // compressed texts so far
  uint32_t frames_said, frames, next_sequence;  // APNG
  bool is_frame_open;                           // an fcTL without data yet
};

// A structure finding about a chunk.
void inspect_png_damaged(struct png *png, const struct png_chunk *chunk, const char *text);
// Checks place, number and length of a chunk against those before it. False for a kind that is not known.
bool inspect_png_rules(struct png *png, const struct png_chunk *chunk);
// After the last chunk: what has to be there.
void inspect_png_rules_conclude(struct png *png);

#endif
