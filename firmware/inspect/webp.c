// WebP (RFC 9649): the RIFF container, what its flags promise, and the heads of the VP8 and VP8L bitstreams.
#include <string.h>

#include "structure.h"

enum { RIFF_HEAD_BYTES = 12, CHUNK_HEAD_BYTES = 8, FRAME_HEAD_BYTES = 16, EXTENDED_BYTES = 10 };

enum flag { HAS_ANIMATION = 0x02, HAS_XMP = 0x04, HAS_EXIF = 0x08, HAS_ALPHA = 0x10, HAS_PROFILE = 0x20 };

struct webp_size {
  uint32_t width, height;
};

struct webp {
  struct inspect_walk *walk;
  uint64_t at, end;  // end of the RIFF chunk, inside the file
  bool is_extended, has_picture, has_alpha, has_alpha_chunk, has_animation;
  unsigned flags, seen;  // enum flag
  struct webp_size canvas;
  uint64_t frames;
};

struct webp_chunk {
  struct inspect_code type;
  struct base_span data;
  uint64_t offset;
};

static void damaged(struct webp *webp, const struct webp_chunk *chunk, const char *text) {
  image_report_find(webp->walk->report, IMAGE_RULE_STRUCTURE, chunk->offset, CHUNK_HEAD_BYTES + chunk->data.bytes,
                    chunk->type.text, "%s", text);
}

static bool is(const struct webp_chunk *chunk, const char *type) { return strcmp(chunk->type.text, type) == 0; }

// The chunk at *at, which moves behind its padding. False when none fits in front of `end`.
static bool next_chunk(struct webp *webp, uint64_t *at, uint64_t end, struct webp_chunk *out) {
  struct base_span file = webp->walk->file;
  if (*at >= end || !inspect_next_part(webp->walk, *at)) return false;
  *out = (struct webp_chunk){.offset = *at, .data = base_span_slice(file, *at, 0)};
  if (end - *at < CHUNK_HEAD_BYTES) {
    image_report_find(webp->walk->report, IMAGE_RULE_STRUCTURE, *at, end - *at, "RIFF", "a chunk is cut off");
    return false;
  }
  out->type = inspect_code_of(file.data + *at);
  // Four-character codes are padded with spaces, which findings need not show.
  if (file.data[*at + 3] == ' ' && out->type.text[3] == '?') out->type.text[3] = '\0';
  uint64_t bytes = inspect_le32(file.data + *at + 4), left = end - *at - CHUNK_HEAD_BYTES;
  out->data = base_span_slice(file, *at + CHUNK_HEAD_BYTES, base_min_u64(bytes, left));
  *at += CHUNK_HEAD_BYTES + out->data.bytes;
  if (bytes > left) {
    damaged(webp, out, "a chunk reaches behind the end");
  } else if (bytes & 1) {
    if (*at == end) {
      damaged(webp, out, "its padding is missing");
    } else if (file.data[(*at)++] != 0) {
      damaged(webp, out, "its padding is not zero");
    }
  }
  return true;
}

// --- bitstreams ---

// RFC 6386 9.1: frame tag, start code, two sides of 14 bits with their scales. Only key frames are pictures.
static bool read_lossy(struct webp *webp, const struct webp_chunk *chunk, struct webp_size *out) {
  const uint8_t *at = chunk->data.data;
  if (chunk->data.bytes < 10) return damaged(webp, chunk, "the frame header is cut off"), false;
  uint32_t tag = inspect_le24(at);
  if ((tag & 1) || memcmp(at + 3, "\x9D\x01\x2A", 3) != 0) return damaged(webp, chunk, "it is no key frame"), false;
  if ((tag >> 1 & 7) > 3) damaged(webp, chunk, "an unknown version of the bitstream");
  if (!(tag >> 4 & 1)) damaged(webp, chunk, "a frame that is not to be shown");
  if (tag >> 5 > chunk->data.bytes - 10) damaged(webp, chunk, "its first partition reaches behind the end");
  *out = (struct webp_size){inspect_le16(at + 6) & 0x3FFF, inspect_le16(at + 8) & 0x3FFF};
  return true;
}

// RFC 9649 3.4: signature, two sides less one of 14 bits, alpha hint, version.
static bool read_lossless(struct webp *webp, const struct webp_chunk *chunk, struct webp_size *out) {
  const uint8_t *at = chunk->data.data;
  if (chunk->data.bytes < 5 || at[0] != 0x2F) return damaged(webp, chunk, "it has no signature"), false;
  uint32_t bits = inspect_le32(at + 1);
  if (bits >> 29 != 0) damaged(webp, chunk, "an unknown version of the bitstream");
  if (bits >> 28 & 1) webp->has_alpha = true;
  *out = (struct webp_size){(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  return true;
}

// A picture of the file (or of a frame), whose size must be `expected` unless that is 0 x 0.
static void read_picture(struct webp *webp, const struct webp_chunk *chunk, struct webp_size expected) {
  struct webp_size size;
  bool is_lossless = is(chunk, "VP8L");
  inspect_data(webp->walk, chunk->data);
  if (!(is_lossless ? read_lossless : read_lossy)(webp, chunk, &size)) return;
  if (size.width == 0 || size.height == 0) damaged(webp, chunk, "a side of zero");
  if (is_lossless && webp->has_alpha_chunk) damaged(webp, chunk, "an ALPH chunk beside a picture with its own alpha");
  if (expected.width == 0) {
    webp->canvas = size;
  } else if (size.width != expected.width || size.height != expected.height) {
    image_report_find(webp->walk->report, IMAGE_RULE_STRUCTURE, chunk->offset, CHUNK_HEAD_BYTES + chunk->data.bytes,
                      chunk->type.text, "it is %u x %u where %u x %u is announced", size.width, size.height,
                      expected.width, expected.height);
  }
}

// RFC 9649 2.7.1.2: one byte of two reserved bits, pre-processing, filter and compression.
static void read_alpha(struct webp *webp, const struct webp_chunk *chunk) {
  if (chunk->data.bytes < 1) {
    damaged(webp, chunk, "it is empty");
    return;
  }
  uint8_t head = chunk->data.data[0];
  if ((head & 3) > 1 || (head >> 4 & 3) > 1) damaged(webp, chunk, "an unknown way to store alpha");
  webp->has_alpha = webp->has_alpha_chunk = true;
  inspect_data(webp->walk, base_span_slice(chunk->data, 1, chunk->data.bytes));
}

// --- chunks ---

static void read_unknown(struct webp *webp, const struct webp_chunk *chunk) {
  inspect_unread(webp->walk, chunk->data, chunk->type.text);
  if (chunk->data.bytes < INSPECT_MAX_UNKNOWN) return;
  inspect_hidden(webp->walk, inspect_offset(webp->walk, chunk->data), chunk->data.bytes, chunk->type.text);
}

static bool is_picture(const struct webp_chunk *chunk) { return is(chunk, "VP8") || is(chunk, "VP8L"); }

// Left, top, width less one, height less one (24 bits each), duration, flags; then the frame's own chunks.
static void read_frame(struct webp *webp, const struct webp_chunk *frame) {
  const uint8_t *at = frame->data.data;
  if (frame->data.bytes < FRAME_HEAD_BYTES) {
    damaged(webp, frame, "the frame header is cut off");
    return;
  }
  struct webp_size size = {inspect_le24(at + 6) + 1, inspect_le24(at + 9) + 1};
  uint64_t left = 2 * (uint64_t)inspect_le24(at), top = 2 * (uint64_t)inspect_le24(at + 3);
  if (left + size.width > webp->canvas.width || top + size.height > webp->canvas.height) {
    damaged(webp, frame, "a frame that does not lie on the canvas");
  }
  uint64_t inner = inspect_offset(webp->walk, frame->data) + FRAME_HEAD_BYTES;
  uint64_t end = inspect_offset(webp->walk, frame->data) + frame->data.bytes;
  unsigned pictures = 0;
  struct webp_chunk chunk;
  webp->frames++;
  webp->has_alpha_chunk = false;
  while (next_chunk(webp, &inner, end, &chunk)) {
    if (is(&chunk, "ALPH")) {
      read_alpha(webp, &chunk);
    } else if (is_picture(&chunk)) {
      read_picture(webp, &chunk, size);
      pictures++;
    } else {
      read_unknown(webp, &chunk);
    }
  }
  if (pictures != 1) damaged(webp, frame, "a frame without exactly one picture");
}

static void read_extended(struct webp *webp, const struct webp_chunk *chunk) {
  const uint8_t *at = chunk->data.data;
  if (webp->walk->report->parts != 1) damaged(webp, chunk, "it may only be the first chunk");
  if (chunk->data.bytes < EXTENDED_BYTES || webp->is_extended) {
    damaged(webp, chunk, "it is cut off or comes twice");
    return;
  }
  if (chunk->data.bytes > EXTENDED_BYTES) damaged(webp, chunk, "its length is not what the format says");
  webp->is_extended = true;
  webp->flags = at[0];
  webp->canvas = (struct webp_size){inspect_le24(at + 4) + 1, inspect_le24(at + 7) + 1};
  inspect_picture(webp->walk, webp->canvas.width, webp->canvas.height, 8, 4, IMAGE_COLOUR_RGB);  // for the EXIF block
}

// Whether it is the first of its kind; readers take only that one.
static bool see(struct webp *webp, const struct webp_chunk *chunk, enum flag flag) {
  bool is_first = !(webp->seen & flag);
  if (!is_first) damaged(webp, chunk, "it may stand there only once");
  webp->seen |= flag;
  return is_first;
}

// What only the extended format has. False for other chunks.
static bool read_extra(struct webp *webp, const struct webp_chunk *chunk) {
  struct inspect_walk *walk = webp->walk;
  if (is(chunk, "ICCP")) {
    if (webp->has_picture || webp->frames > 0) damaged(webp, chunk, "it may not stand behind the picture");
    if (see(webp, chunk, HAS_PROFILE)) inspect_profile(walk, chunk->data, inspect_offset(walk, chunk->data), "ICCP");
  } else if (is(chunk, "EXIF")) {
    if (see(webp, chunk, HAS_EXIF)) inspect_exif(walk, chunk->data, "EXIF");
  } else if (is(chunk, "XMP")) {
    (void)see(webp, chunk, HAS_XMP);
    walk->report->has_xmp = true;
    inspect_text(walk, chunk->data, "XMP");
  } else if (is(chunk, "ANIM")) {
    (void)see(webp, chunk, HAS_ANIMATION);
    webp->has_animation = true;
    if (chunk->data.bytes != 6) damaged(webp, chunk, "its length is not what the format says");
  } else {
    return false;
  }
  return true;
}

static void read_chunk(struct webp *webp, const struct webp_chunk *chunk) {
  if (is(chunk, "VP8X")) {
    read_extended(webp, chunk);
  } else if (is_picture(chunk)) {
    if (webp->has_picture || webp->has_animation) damaged(webp, chunk, "a picture too many");
    read_picture(webp, chunk, webp->canvas);
    webp->has_picture = true;
  } else if (is(chunk, "ALPH")) {
    if (webp->has_picture || webp->has_alpha_chunk) damaged(webp, chunk, "it may not stand there");
    read_alpha(webp, chunk);
  } else if (is(chunk, "ANMF")) {
    if (!webp->has_animation) damaged(webp, chunk, "a frame of a picture that is not animated");
    read_frame(webp, chunk);
  } else if (read_extra(webp, chunk)) {
    if (!webp->is_extended) damaged(webp, chunk, "only the extended format has such a chunk");
  } else {
    read_unknown(webp, chunk);
  }
}

// The extended format's promises against what was there.
static void conclude_flags(struct webp *webp) {
  static const struct {
    enum flag flag;
    const char *chunk;
  } promises[] = {{HAS_ANIMATION, "ANIM"}, {HAS_XMP, "XMP"}, {HAS_EXIF, "EXIF"}, {HAS_PROFILE, "ICCP"}};
  struct image_report *report = webp->walk->report;
  for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
    bool is_promised = webp->flags & promises[i].flag, is_there = webp->seen & promises[i].flag;
    if (is_promised == is_there) continue;
    image_report_find(report, IMAGE_RULE_STRUCTURE, RIFF_HEAD_BYTES, CHUNK_HEAD_BYTES + EXTENDED_BYTES, "VP8X",
                      is_promised ? "%s is announced but not there" : "%s is there but not announced",
                      promises[i].chunk);
  }
  // An encoder that sets the flag of an opaque picture is not wrong: "may" (2.7).
  if (webp->has_alpha && !(webp->flags & HAS_ALPHA)) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, RIFF_HEAD_BYTES, CHUNK_HEAD_BYTES + EXTENDED_BYTES, "VP8X",
                      "alpha is there but not announced");
  }
}

static bool matches(struct base_span file) {
  return inspect_begins(file, "RIFF", 4) && inspect_begins(base_span_slice(file, 8, file.bytes), "WEBP", 4);
}

static uint64_t walk_file(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  struct base_span file = walk->file;
  uint64_t said = (uint64_t)inspect_le32(file.data + 4) + 8;
  struct webp webp = {.walk = walk, .at = RIFF_HEAD_BYTES, .end = base_min_u64(said, file.bytes)};
  struct webp_chunk chunk;
  if (said > file.bytes || said & 1) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 4, 4, "RIFF",
                      said & 1 ? "its length is odd" : "its length reaches behind the end");
  }
  while (next_chunk(&webp, &webp.at, webp.end, &chunk)) read_chunk(&webp, &chunk);
  if (webp.is_extended) conclude_flags(&webp);
  if (!webp.has_picture && webp.frames == 0) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "it has no picture data");
  }
  report->has_alpha = webp.has_alpha;
  inspect_picture(walk, webp.canvas.width, webp.canvas.height, 8, webp.has_alpha ? 4 : 3, IMAGE_COLOUR_RGB);
  inspect_frames(walk, webp.frames);
  return base_max_u64(webp.end, RIFF_HEAD_BYTES);
}

const struct inspect_walker inspect_webp = {IMAGE_FILE_WEBP, matches, walk_file};
