// PNG: every chunk with its checksum, order and length, and what the chunks say.
#include "png.h"

#include <string.h>

#include <zlib.h>

enum { SIGNATURE_BYTES = 8, HEAD_BYTES = 8, CHECKSUM_BYTES = 4, MAX_KEYWORD_BYTES = 79 };

static bool is(const struct png_chunk *chunk, const char *type) { return strcmp(chunk->type.text, type) == 0; }

static void read_header(struct png *png, const struct png_chunk *chunk) {
  const uint8_t *data = chunk->data.data;
  static const uint8_t channels[] = {1, 0, 3, 1, 2, 0, 4};
  static const uint32_t depths[] = {0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};  // one bit a legal depth
  if (chunk->data.bytes != 13 || png->has_header) return;
  uint32_t width = inspect_be32(data), height = inspect_be32(data + 4);
  uint8_t depth = data[8], colour = data[9];
  if (colour > PNG_RGBA || depth > 16 || !(depths[colour] >> depth & 1)) {
    inspect_png_damaged(png, chunk, "a colour type or depth that does not exist");
    return;
  }
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    inspect_png_damaged(png, chunk, "a size that can not be");
    return;
  }
  if (data[10] != 0 || data[11] != 0 || data[12] > 1) {
    inspect_png_damaged(png, chunk, "an unknown method of compression, filtering or interlacing");
  }
  png->has_header = true;
  png->width = width;
  png->height = height;
  png->depth = depth;
  png->colour = colour;
  png->walk->report->has_alpha = (colour & 4) != 0;
  png->walk->report->is_progressive = data[12] == 1;
  inspect_picture(png->walk, width, height, depth, channels[colour],
                  colour == PNG_PALETTE ? IMAGE_COLOUR_PALETTE
                  : colour & 2          ? IMAGE_COLOUR_RGB
                                        : IMAGE_COLOUR_GREY);
}

// --- colours ---

// Primaries in 1/100000, as cHRM has them: red, green, blue, each x and y. The white point is D65 (D50 for ProPhoto).
static const struct {
  enum image_colour_space space;
  uint32_t primaries[6];
} known_primaries[] = {
    {IMAGE_SPACE_SRGB, {64000, 33000, 30000, 60000, 15000, 6000}},
    {IMAGE_SPACE_ADOBE_RGB, {64000, 33000, 21000, 71000, 15000, 6000}},
    {IMAGE_SPACE_DISPLAY_P3, {68000, 32000, 26500, 69000, 15000, 6000}},
    {IMAGE_SPACE_BT2020, {70800, 29200, 17000, 79700, 13100, 4600}},
    {IMAGE_SPACE_PROPHOTO, {73470, 26530, 15960, 84040, 3660, 10}},
};

static void read_chromaticities(struct png *png, struct base_span data) {
  enum { TOLERANCE = 300 };
  if (data.bytes != 32) return;
  enum image_colour_space space = IMAGE_SPACE_OTHER_RGB;
  for (size_t i = 0; i < sizeof known_primaries / sizeof *known_primaries && space == IMAGE_SPACE_OTHER_RGB; i++) {
    bool is_near = true;
    for (size_t k = 0; k < 6; k++) {
      int64_t difference = (int64_t)inspect_be32(data.data + 8 + 4 * k) - known_primaries[i].primaries[k];
      is_near = is_near && difference >= -TOLERANCE && difference <= TOLERANCE;
    }
    if (is_near) space = known_primaries[i].space;
  }
  png->primaries = space;
}

// ITU-T H.273: primaries, transfer, matrix (0 in PNG), range.
static void read_cicp(struct png *png, const struct png_chunk *chunk) {
  if (chunk->data.bytes != 4) return;
  unsigned primaries = chunk->data.data[0];
  png->has_codes = true;
  if (chunk->data.data[2] != 0 || chunk->data.data[3] > 1)
    inspect_png_damaged(png, chunk, "codes that PNG does not have");
  inspect_colour_says(png->walk,
                      primaries == 1    ? IMAGE_SPACE_SRGB
                      : primaries == 9  ? IMAGE_SPACE_BT2020
                      : primaries == 12 ? IMAGE_SPACE_DISPLAY_P3
                                        : IMAGE_SPACE_OTHER_RGB,
                      IMAGE_SPACE_FROM_CICP);
}

static void read_srgb(struct png *png, const struct png_chunk *chunk) {
  if (chunk->data.bytes == 1 && chunk->data.data[0] > 3) inspect_png_damaged(png, chunk, "an unknown rendering intent");
  png->is_srgb = true;
}

// PNG third edition 4.3: cICP takes precedence, and the others stand in for it where it is not known.
static void conclude_colour(struct png *png) {
  if (png->has_codes) return;
  inspect_colour_says(png->walk, png->primaries, IMAGE_SPACE_FROM_CHUNK);
  if (png->is_srgb) inspect_colour_says(png->walk, IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK);
}

// --- texts ---

// Bytes of the keyword in front of `data`, with its NUL; 0 (and a finding) when there is none.
static size_t keyword_bytes(struct png *png, const struct png_chunk *chunk) {
  struct base_span data = base_span_slice(chunk->data, 0, MAX_KEYWORD_BYTES + 1);
  const uint8_t *end = data.bytes > 0 ? memchr(data.data, 0, data.bytes) : NULL;
  if (end && end > data.data) return (size_t)(end - data.data) + 1;
  inspect_png_damaged(png, chunk, "it has no keyword of 1 to 79 characters");
  return 0;
}

// A keyword, one byte of compression method (0) and a zlib stream: zTXt and iCCP.
static bool cut_stream(struct png *png, const struct png_chunk *chunk, struct base_span *out) {
  size_t keyword = keyword_bytes(png, chunk);
  if (keyword == 0) return false;
  if (chunk->data.bytes <= keyword + 1 || chunk->data.data[keyword] != 0) {
    inspect_png_damaged(png, chunk, "an unknown method of compression");
    return false;
  }
  *out = base_span_slice(chunk->data, keyword + 1, chunk->data.bytes);
  return true;
}

// A file's compressed texts, all together, cost no more than these.
static void read_stream(struct png *png, const struct png_chunk *chunk, struct base_span stream) {
  enum { MAX_STREAMS = 1024, MAX_TEXT_BYTES = 16 * INSPECT_MAX_TEXT };
  struct image_report *report = png->walk->report;
  bool is_too_much = png->streams >= MAX_STREAMS || report->text_bytes >= MAX_TEXT_BYTES;
  if (!is_too_much) {
    png->streams++;
    inspect_text_deflated(png->walk, stream, chunk->type.text);
  } else if (png->streams <= MAX_STREAMS) {
    png->streams = MAX_STREAMS + 1;
    image_report_find(report, IMAGE_RULE_CHUNK_SIZE, chunk->offset, chunk->bytes, chunk->type.text,
                      "more than %d compressed texts, or %d bytes of text: the others were not inflated", MAX_STREAMS,
                      MAX_TEXT_BYTES);
  }
}

static void read_compressed_text(struct png *png, const struct png_chunk *chunk) {
  struct base_span stream;
  if (!cut_stream(png, chunk, &stream)) {
    inspect_text(png->walk, chunk->data, "zTXt");
    return;
  }
  inspect_text(png->walk, base_span_of(chunk->data.data, (size_t)(stream.data - chunk->data.data)), "zTXt");
  read_stream(png, chunk, stream);
}

// Keyword, flag, method, language, translated keyword, text.
static void read_international_text(struct png *png, const struct png_chunk *chunk) {
  struct base_span data = chunk->data;
  size_t keyword = keyword_bytes(png, chunk), at = keyword + 2;
  for (int i = 0; i < 2 && keyword != 0 && at < data.bytes; i++) {
    const uint8_t *end = memchr(data.data + at, 0, data.bytes - at);
    at = end ? (size_t)(end - data.data) + 1 : data.bytes + 1;
  }
  if (keyword == 0 || at > data.bytes || data.data[keyword] > 1 || data.data[keyword + 1] != 0) {
    if (keyword != 0) inspect_png_damaged(png, chunk, "its fields are cut off or unknown");
    inspect_text(png->walk, data, "iTXt");
    return;
  }
  if (base_span_starts_with(data, "XML:com.adobe.xmp")) png->walk->report->has_xmp = true;
  if (data.data[keyword] == 0) {
    inspect_text(png->walk, data, "iTXt");
    return;
  }
  inspect_text(png->walk, base_span_slice(data, 0, at), "iTXt");
  read_stream(png, chunk, base_span_slice(data, at, data.bytes));
}

static void read_plain_text(struct png *png, const struct png_chunk *chunk) {
  keyword_bytes(png, chunk);
  inspect_text(png->walk, chunk->data, "tEXt");
}

static void read_time(struct png *png, const struct png_chunk *chunk) {
  const uint8_t *at = chunk->data.data;
  if (chunk->data.bytes != 7) return;
  bool is_sound = at[2] >= 1 && at[2] <= 12 && at[3] >= 1 && at[3] <= 31 && at[4] < 24 && at[5] < 60 && at[6] <= 60;
  if (!is_sound) inspect_png_damaged(png, chunk, "a time that does not exist");
}

// --- data and animation ---

// RFC 1950 2.2: method 8, a window of at most 32 KiB, a sum that 31 divides, no dictionary.
static void check_stream_head(struct png *png, const struct png_chunk *chunk) {
  for (size_t i = 0; i < chunk->data.bytes && png->stream_head_bytes < 2; i++) {
    png->stream_head[png->stream_head_bytes++] = chunk->data.data[i];
    const uint8_t *head = png->stream_head;
    if (png->stream_head_bytes < 2) continue;
    if ((head[0] & 15) != 8 || head[0] >> 4 > 7 || (head[0] << 8 | head[1]) % 31 != 0 || head[1] & 0x20) {
      inspect_png_damaged(png, chunk, "the picture's data is no zlib stream");
    }
  }
}

static void read_data(struct png *png, const struct png_chunk *chunk) {
  check_stream_head(png, chunk);
  png->has_data = true;
  png->is_frame_open = false;
  inspect_data(png->walk, chunk->data);
}

static void check_sequence(struct png *png, const struct png_chunk *chunk) {
  if (chunk->data.bytes < 4) return;
  if (inspect_be32(chunk->data.data) != png->next_sequence) {
    inspect_png_damaged(png, chunk, "the animation's chunks are not in sequence");
  }
  png->next_sequence = inspect_be32(chunk->data.data) + 1;
}

static void read_frame(struct png *png, const struct png_chunk *chunk) {
  const uint8_t *at = chunk->data.data;
  check_sequence(png, chunk);
  if (chunk->data.bytes != 26) return;
  uint64_t width = inspect_be32(at + 4), height = inspect_be32(at + 8);
  uint64_t left = inspect_be32(at + 12), top = inspect_be32(at + 16);
  bool is_whole = width == png->width && height == png->height && left == 0 && top == 0;
  if (width == 0 || height == 0 || left + width > png->width || top + height > png->height ||
      (!png->has_data && !is_whole)) {
    inspect_png_damaged(png, chunk, "a frame that does not lie on the canvas");
  }
  if (at[24] > 2 || at[25] > 1) inspect_png_damaged(png, chunk, "an unknown way to dispose or blend");
  if (png->is_frame_open) inspect_png_damaged(png, chunk, "the frame before it has no data");
  png->is_frame_open = true;
  png->frames++;
}

static void read_frame_data(struct png *png, const struct png_chunk *chunk) {
  check_sequence(png, chunk);
  if (png->frames == 0 || !png->has_data) inspect_png_damaged(png, chunk, "data of a frame that does not exist");
  png->is_frame_open = false;
  inspect_data(png->walk, base_span_slice(chunk->data, 4, chunk->data.bytes));
}

static void conclude_animation(struct png *png) {
  struct image_report *report = png->walk->report;
  if (png->frames != png->frames_said) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "acTL", "%u frames are announced, %u are there",
                      png->frames_said, png->frames);
  } else if (png->is_frame_open) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "fcTL", "the last frame has no data");
  }
  inspect_frames(png->walk, png->frames);
}

static void read_animation(struct png *png, const struct png_chunk *chunk) {
  if (chunk->data.bytes != 8) return;
  png->frames_said = inspect_be32(chunk->data.data);
  if (png->frames_said == 0) inspect_png_damaged(png, chunk, "an animation without frames");
}

// --- chunks ---

static void read_palette(struct png *png, const struct png_chunk *chunk) {
  png->palette_entries = (uint32_t)base_min_u64(chunk->data.bytes / 3, 256);
}

static void read_transparency(struct png *png, const struct png_chunk *chunk) {
  (void)chunk;
  png->walk->report->has_alpha = true;
}

static void read_chromaticities_of(struct png *png, const struct png_chunk *chunk) {
  read_chromaticities(png, chunk->data);
}

static void read_profile(struct png *png, const struct png_chunk *chunk) {
  struct base_span stream;
  if (!png->has_profile && cut_stream(png, chunk, &stream)) inspect_profile_deflated(png->walk, stream, "iCCP");
  png->has_profile = true;
}

static void read_exif(struct png *png, const struct png_chunk *chunk) {
  if (!png->walk->report->exif.is_present) inspect_exif(png->walk, chunk->data, "eXIf");
}

static void read_end(struct png *png, const struct png_chunk *chunk) {
  (void)chunk;
  png->has_end = true;
}

static void read_chunk(struct png *png, const struct png_chunk *chunk) {
  static const struct {
    const char *type;
    void (*read)(struct png *png, const struct png_chunk *chunk);
  } readers[] = {
      {"IDAT", read_data},
      {"IHDR", read_header},
      {"PLTE", read_palette},
      {"IEND", read_end},
      {"tRNS", read_transparency},
      {"sRGB", read_srgb},
      {"cHRM", read_chromaticities_of},
      {"cICP", read_cicp},
      {"iCCP", read_profile},
      {"eXIf", read_exif},
      {"tEXt", read_plain_text},
      {"zTXt", read_compressed_text},
      {"iTXt", read_international_text},
      {"tIME", read_time},
      {"acTL", read_animation},
      {"fcTL", read_frame},
      {"fdAT", read_frame_data},
  };
  if (png->has_data && !is(chunk, "IDAT")) png->is_data_over = true;
  const bool is_known = inspect_png_rules(png, chunk);
  for (size_t i = 0; is_known && i < sizeof readers / sizeof *readers; i++) {
    if (is(chunk, readers[i].type)) {
      readers[i].read(png, chunk);
      return;
    }
  }
  inspect_unread(png->walk, chunk->data, chunk->type.text);
}

static void check_checksum(struct png *png, const struct png_chunk *chunk) {
  struct image_report *report = png->walk->report;
  const uint8_t *type = chunk->data.data - 4, *end = chunk->data.data + chunk->data.bytes;
  report->checksums++;
  if (crc32_z(0, type, chunk->data.bytes + 4) == inspect_be32(end)) return;
  report->bad_checksums++;
  image_report_find(report, IMAGE_RULE_CHECKSUM, chunk->offset, chunk->bytes, chunk->type.text,
                    "the chunk's checksum is wrong");
}

static bool is_type(const uint8_t *at) {
  for (int i = 0; i < 4; i++) {
    uint8_t upper = at[i] & 0xDF;
    if (upper < 'A' || upper > 'Z') return false;
  }
  return true;
}

// False when nothing can follow.
static bool next_chunk(struct png *png, struct png_chunk *out) {
  struct base_span file = png->walk->file;
  struct image_report *report = png->walk->report;
  uint64_t left = file.bytes - png->at;
  if (png->has_end || left == 0 || !inspect_next_part(png->walk, png->at)) return false;
  *out = (struct png_chunk){.offset = png->at, .bytes = left};
  if (left < HEAD_BYTES + CHECKSUM_BYTES) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, png->at, left, "", "a chunk is cut off");
    return png->at = file.bytes, false;
  }
  const uint8_t *head = file.data + png->at;
  uint32_t length = inspect_be32(head);
  out->type = inspect_code_of(head + 4);
  if (!is_type(head + 4)) {
    inspect_png_damaged(png, out, "what follows is no chunk");
    return png->at = file.bytes, false;
  }
  if (length > INT32_MAX || length > left - HEAD_BYTES - CHECKSUM_BYTES) {
    inspect_png_damaged(png, out, "a chunk reaches behind the end");
    if (is(out, "IDAT")) inspect_data(png->walk, base_span_slice(file, png->at + HEAD_BYTES, left));
    png->has_data = png->has_data || is(out, "IDAT");
    return png->at = file.bytes, false;
  }
  out->data = base_span_of(head + HEAD_BYTES, length);
  out->bytes = HEAD_BYTES + (uint64_t)length + CHECKSUM_BYTES;
  return true;
}

static bool matches(struct base_span file) { return inspect_begins(file, "\x89PNG\r\n\x1A\n", SIGNATURE_BYTES); }

static uint64_t walk_file(struct inspect_walk *walk) {
  struct png png = {.walk = walk, .at = SIGNATURE_BYTES};
  struct png_chunk chunk;
  while (next_chunk(&png, &chunk)) {
    check_checksum(&png, &chunk);
    read_chunk(&png, &chunk);
    png.at += chunk.bytes;
  }
  inspect_png_rules_conclude(&png);
  conclude_colour(&png);
  conclude_animation(&png);
  return png.at;
}

const struct inspect_walker inspect_png = {IMAGE_FILE_PNG, matches, walk_file};
