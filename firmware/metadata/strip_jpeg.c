#include "metadata/strip.h"

#include <string.h>

enum {
  MARKER = 0xff,
  TEM = 0x01,
  SOF0 = 0xc0,  // baseline
  SOF1 = 0xc1,  // extended sequential
  SOF2 = 0xc2,  // progressive
  DHT = 0xc4,
  RST0 = 0xd0,
  RST7 = 0xd7,
  SOI = 0xd8,
  EOI = 0xd9,
  SOS = 0xda,
  DQT = 0xdb,
  DRI = 0xdd,
  APP0 = 0xe0,
  APP2 = 0xe2,
  APP14 = 0xee,
  APP15 = 0xef,
  COM = 0xfe,
  LENGTH_BYTES = 2,
  JFIF_BYTES = 14,  // without a thumbnail
  FRAME_BYTES = 6,  // precision, sides, number of components
};

struct strip {
  struct base_span file;
  size_t at;
  struct base_buffer *out;
  bool has_frame, has_scan;
  struct base_fault *fault;
};

static enum base_result damaged(const struct strip *strip, const char *why) {
  return BASE_FAIL(strip->fault, BASE_UNPROCESSABLE, "jpeg", "the JPEG %s", why);
}

static enum base_result append(const struct strip *strip, const void *data, size_t bytes) {
  const enum base_result result = base_buffer_append(strip->out, data, bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(strip->fault, result, "jpeg", "the file does not fit its buffer");
}

// A marker without a length, or what stands before one.
static enum base_result append_marker(const struct strip *strip, uint8_t code) {
  return append(strip, (const uint8_t[]){MARKER, code}, 2);
}

// The next marker; any number of fill bytes may stand before its code (T.81 B.1.1.2).
static enum base_result take_marker(struct strip *strip, uint8_t *code) {
  const struct base_span file = strip->file;
  if (strip->at >= file.bytes || file.data[strip->at] != MARKER)
    return damaged(strip, "has no marker where one belongs");
  while (strip->at < file.bytes && file.data[strip->at] == MARKER) strip->at++;
  if (strip->at == file.bytes) return damaged(strip, "ends early");
  *code = file.data[strip->at++];
  return BASE_OK;
}

// What a marker's segment holds, behind its length.
static enum base_result take_segment(struct strip *strip, struct base_span *out) {
  const struct base_span rest = base_span_slice(strip->file, strip->at, strip->file.bytes);
  if (rest.bytes < LENGTH_BYTES) return damaged(strip, "ends early");
  const size_t length = (size_t)(rest.data[0] << 8 | rest.data[1]);
  if (length < LENGTH_BYTES || length > rest.bytes) return damaged(strip, "has a segment of an impossible length");
  *out = base_span_slice(rest, LENGTH_BYTES, length - LENGTH_BYTES);
  strip->at += length;
  return BASE_OK;
}

static enum base_result keep_segment(struct strip *strip, uint8_t code, struct base_span content) {
  const size_t length = content.bytes + LENGTH_BYTES;  // a segment's, so it fits
  enum base_result result = append_marker(strip, code);
  if (result == BASE_OK) result = append(strip, (const uint8_t[]){(uint8_t)(length >> 8), (uint8_t)length}, 2);
  return result == BASE_OK ? append(strip, content.data, content.bytes) : result;
}

static bool begins_with(struct base_span content, const char *mark, size_t bytes) {
  return content.bytes >= bytes && memcmp(content.data, mark, bytes) == 0;
}

static enum base_result keep_jfif(struct strip *strip, struct base_span content) {
  uint8_t jfif[JFIF_BYTES];
  if (content.bytes < sizeof jfif) return damaged(strip, "has a JFIF segment that is too short");
  memcpy(jfif, content.data, sizeof jfif);
  jfif[JFIF_BYTES - 2] = jfif[JFIF_BYTES - 1] = 0;  // the thumbnail's sides (JFIF 1.02)
  return keep_segment(strip, APP0, base_span_of(jfif, sizeof jfif));
}

static enum base_result keep_application(struct strip *strip, uint8_t code, struct base_span content) {
  if (code == APP0 && begins_with(content, "JFIF", 5)) return keep_jfif(strip, content);
  const bool is_profile = code == APP2 && begins_with(content, "ICC_PROFILE", 12);
  const bool is_transform = code == APP14 && begins_with(content, "Adobe", 5);
  return is_profile || is_transform ? keep_segment(strip, code, content) : BASE_OK;
}

static enum base_result keep_frame(struct strip *strip, uint8_t code, struct base_span content) {
  if (content.bytes < FRAME_BYTES || strip->has_frame) return damaged(strip, "has no single frame");
  const uint8_t bits = content.data[0], components = content.data[FRAME_BYTES - 1];
  if (bits != 8 || (components != 1 && components != 3)) {
    return BASE_FAIL(strip->fault, BASE_UNSUPPORTED, "jpeg", "the JPEG has %u components of %u bits", components, bits);
  }
  strip->has_frame = true;
  return keep_segment(strip, code, content);
}

// The scan's header and its coded data, in which a marker's first byte is followed by 0 unless it is a restart.
static enum base_result keep_scan(struct strip *strip, struct base_span content) {
  const struct base_span file = strip->file;
  if (!strip->has_frame) return damaged(strip, "has a scan before its frame");
  const enum base_result result = keep_segment(strip, SOS, content);
  if (result != BASE_OK) return result;
  size_t at = strip->at;
  for (;;) {
    const uint8_t *mark = at < file.bytes ? memchr(file.data + at, MARKER, file.bytes - at) : NULL;
    if (!mark || mark + 1 == file.data + file.bytes) return damaged(strip, "ends early");
    at = (size_t)(mark - file.data);
    const uint8_t next = mark[1];
    if (next != 0 && !(next >= RST0 && next <= RST7)) break;
    at += 2;
  }
  strip->has_scan = true;
  const size_t start = strip->at;
  strip->at = at;
  return append(strip, file.data + start, at - start);
}

static enum base_result keep_part(struct strip *strip, uint8_t code) {
  struct base_span content;
  if (code <= TEM || (code >= RST0 && code <= SOI)) return damaged(strip, "has a marker where it does not belong");
  const enum base_result result = take_segment(strip, &content);
  if (result != BASE_OK) return result;
  if (code >= APP0 && code <= APP15) return keep_application(strip, code, content);
  switch (code) {
    case SOF0:
    case SOF1:
    case SOF2:
      return keep_frame(strip, code, content);
    case DHT:
    case DQT:
    case DRI:
      return keep_segment(strip, code, content);
    case SOS:
      return keep_scan(strip, content);
    case COM:
      return BASE_OK;
    default:  // arithmetic coding, hierarchies, lossless frames, a height that comes later, what nobody has defined
      return BASE_FAIL(strip->fault, BASE_UNSUPPORTED, "jpeg", "the JPEG has a marker 0x%02x", code);
  }
}

static enum base_result strip_all(struct strip *strip) {
  uint8_t code;
  enum base_result result = take_marker(strip, &code);
  if (result != BASE_OK) return result;
  if (code != SOI) return damaged(strip, "does not begin as one");
  result = append_marker(strip, SOI);
  while (result == BASE_OK) {
    result = take_marker(strip, &code);
    if (result == BASE_OK && code == EOI) break;
    if (result == BASE_OK) result = keep_part(strip, code);
  }
  if (result != BASE_OK) return result;
  return strip->has_scan ? append_marker(strip, EOI) : damaged(strip, "holds no picture");
}

enum base_result metadata_strip_jpeg(struct base_span file, struct base_buffer *out, struct base_fault *fault) {
  struct strip strip = {.file = file, .out = out, .fault = fault};
  const size_t before = out->bytes;
  const enum base_result result = strip_all(&strip);
  if (result != BASE_OK) out->bytes = before;
  return result;
}
