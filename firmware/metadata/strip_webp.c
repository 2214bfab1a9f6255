#include "metadata/strip.h"

#include <string.h>

enum {
  HEADER_BYTES = 12,     // "RIFF", size, "WEBP"
  CHUNK_HEAD_BYTES = 8,  // type, size
  TYPE_BYTES = 4,
  EXTENDED_BYTES = 10,  // what VP8X holds; its first byte are flags
  FLAG_ANIMATION = 0x02,
  FLAG_XMP = 0x04,
  FLAG_EXIF = 0x08,
  FLAG_PROFILE = 0x20,
};

struct strip {
  struct base_span rest;
  struct base_buffer *out;
  size_t start;     // of the new file in `out`
  size_t flags_at;  // of VP8X in `out`; 0: it has none
  bool has_profile, has_alpha;
  struct base_fault *fault;
};

struct chunk {
  const uint8_t *type;
  struct base_span content;
};

static enum base_result damaged(const struct strip *strip, const char *why) {
  return BASE_FAIL(strip->fault, BASE_UNPROCESSABLE, "webp", "the WebP %s", why);
}

static uint32_t get_size(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_size(uint8_t *at, uint32_t size) {
  for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(size >> 8 * i);
}

static bool is_type(const struct chunk *chunk, const char *type) { return memcmp(chunk->type, type, TYPE_BYTES) == 0; }

static enum base_result append(const struct strip *strip, const void *data, size_t bytes) {
  const enum base_result result = base_buffer_append(strip->out, data, bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(strip->fault, result, "webp", "the file does not fit its buffer");
}

static enum base_result take_chunk(struct strip *strip, struct chunk *out) {
  const struct base_span rest = strip->rest;
  if (rest.bytes < CHUNK_HEAD_BYTES) return damaged(strip, "ends early");
  const size_t bytes = get_size(rest.data + TYPE_BYTES);
  if (bytes > rest.bytes - CHUNK_HEAD_BYTES) return damaged(strip, "has a chunk over its end");
  *out = (struct chunk){.type = rest.data, .content = base_span_slice(rest, CHUNK_HEAD_BYTES, bytes)};
  // The filler behind an odd chunk may be missing at the very end.
  strip->rest = base_span_slice(rest, CHUNK_HEAD_BYTES + bytes + bytes % 2, rest.bytes);
  return BASE_OK;
}

static enum base_result keep_chunk(struct strip *strip, const struct chunk *chunk) {
  static const uint8_t filler = 0;
  uint8_t head[CHUNK_HEAD_BYTES];
  memcpy(head, chunk->type, TYPE_BYTES);
  put_size(head + TYPE_BYTES, (uint32_t)chunk->content.bytes);
  enum base_result result = append(strip, head, sizeof head);
  if (result == BASE_OK) result = append(strip, chunk->content.data, chunk->content.bytes);
  if (result == BASE_OK && chunk->content.bytes % 2 == 1) result = append(strip, &filler, 1);
  return result;
}

static enum base_result keep_extended(struct strip *strip, const struct chunk *chunk) {
  if (chunk->content.bytes != EXTENDED_BYTES) return damaged(strip, "has a VP8X chunk of another length");
  if (chunk->content.data[0] & FLAG_ANIMATION) {
    return BASE_FAIL(strip->fault, BASE_UNSUPPORTED, "webp", "the WebP is an animation");
  }
  strip->flags_at = strip->out->bytes + CHUNK_HEAD_BYTES;
  return keep_chunk(strip, chunk);
}

// Up to the picture itself: only metadata may follow (RFC 9649 2.7).
static enum base_result keep_chunks(struct strip *strip) {
  bool is_first = true;
  for (;; is_first = false) {
    struct chunk chunk = {0};
    enum base_result result = take_chunk(strip, &chunk);
    if (result != BASE_OK) return result;
    if (is_type(&chunk, "VP8 ") || is_type(&chunk, "VP8L")) return keep_chunk(strip, &chunk);
    if (is_type(&chunk, "VP8X")) {
      if (!is_first) return damaged(strip, "has a VP8X chunk where none belongs");
      result = keep_extended(strip, &chunk);
    } else if (is_first) {
      return damaged(strip, "begins with another chunk than a picture's");
    } else if (is_type(&chunk, "ICCP") && !strip->has_profile) {
      strip->has_profile = true;
      result = keep_chunk(strip, &chunk);
    } else if (is_type(&chunk, "ALPH") && !strip->has_alpha) {
      strip->has_alpha = true;
      result = keep_chunk(strip, &chunk);
    }
    if (result != BASE_OK) return result;
  }
}

static enum base_result strip_all(struct strip *strip, struct base_span file) {
  if (file.bytes < HEADER_BYTES || memcmp(file.data, "RIFF", 4) != 0 || memcmp(file.data + 8, "WEBP", 4) != 0) {
    return damaged(strip, "does not begin as one");
  }
  const size_t size = get_size(file.data + 4);
  if (size < HEADER_BYTES - CHUNK_HEAD_BYTES || size > file.bytes - CHUNK_HEAD_BYTES)
    return damaged(strip, "ends early");
  strip->rest = base_span_slice(file, HEADER_BYTES, size - (HEADER_BYTES - CHUNK_HEAD_BYTES));
  enum base_result result = append(strip, file.data, HEADER_BYTES);
  if (result == BASE_OK) result = keep_chunks(strip);
  if (result != BASE_OK) return result;
  uint8_t *made = strip->out->data;
  // No larger than the old size and one filler: less than 2^32 bytes.
  put_size(made + strip->start + 4, (uint32_t)(strip->out->bytes - strip->start - CHUNK_HEAD_BYTES));
  if (strip->flags_at) {
    made[strip->flags_at] &= (uint8_t) ~(FLAG_EXIF | FLAG_XMP | FLAG_PROFILE);
    if (strip->has_profile) made[strip->flags_at] |= FLAG_PROFILE;
  }
  return BASE_OK;
}

enum base_result metadata_strip_webp(struct base_span file, struct base_buffer *out, struct base_fault *fault) {
  struct strip strip = {.out = out, .start = out->bytes, .fault = fault};
  const enum base_result result = strip_all(&strip, file);
  if (result != BASE_OK) out->bytes = strip.start;
  return result;
}
