#include "metadata/strip.h"

#include <string.h>

enum { SIGNATURE_BYTES = 8, TYPE_BYTES = 4, CHUNK_BYTES = 12, HEADER_BYTES = 13, MAX_CHUNK_BYTES = 0x7fffffff };

static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

struct chunk {
  const uint8_t *start;  // its length, which type, data and checksum follow
  size_t bytes;          // of all of it
};

static bool is_type(const struct chunk *chunk, const char *type) {
  return memcmp(chunk->start + 4, type, TYPE_BYTES) == 0;
}

// The others that are not critical are texts, times, EXIF, thumbnails' colours, animations and whatever programs like
// to leave to themselves.
static bool is_kept(const struct chunk *chunk) {
  static const char kept[][TYPE_BYTES + 1] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "cHRM", "gAMA",
                                              "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI"};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    if (is_type(chunk, kept[i])) return true;
  }
  return false;
}

static bool is_critical(const struct chunk *chunk) { return (chunk->start[4] & 0x20) == 0; }

static enum base_result damaged(struct base_fault *fault, const char *why) {
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "png", "the PNG %s", why);
}

static enum base_result take_chunk(struct base_span *rest, struct chunk *out, struct base_fault *fault) {
  if (rest->bytes < CHUNK_BYTES) return damaged(fault, "ends early");
  const uint8_t *head = rest->data;
  const uint32_t bytes = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
  if (bytes > MAX_CHUNK_BYTES || bytes > rest->bytes - CHUNK_BYTES) return damaged(fault, "has a chunk over its end");
  *out = (struct chunk){.start = head, .bytes = (size_t)bytes + CHUNK_BYTES};
  *rest = base_span_slice(*rest, out->bytes, rest->bytes);
  return BASE_OK;
}

static enum base_result append(struct base_buffer *out, const void *data, size_t bytes, struct base_fault *fault) {
  const enum base_result result = base_buffer_append(out, data, bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "png", "the file does not fit its buffer");
}

static enum base_result strip_all(struct base_span file, struct base_buffer *out, struct base_fault *fault) {
  bool has_header = false, has_data = false;
  struct chunk chunk = {0};
  if (file.bytes < SIGNATURE_BYTES || memcmp(file.data, signature, SIGNATURE_BYTES) != 0) {
    return damaged(fault, "does not begin as one");
  }
  struct base_span rest = base_span_slice(file, SIGNATURE_BYTES, file.bytes);
  enum base_result result = append(out, signature, SIGNATURE_BYTES, fault);
  while (result == BASE_OK) {
    result = take_chunk(&rest, &chunk, fault);
    if (result != BASE_OK) break;
    const bool is_header = is_type(&chunk, "IHDR");
    if (is_header == has_header) return damaged(fault, "does not begin with its one header");
    if (is_header && chunk.bytes != HEADER_BYTES + CHUNK_BYTES) return damaged(fault, "has a header of another length");
    has_header = true;
    has_data |= is_type(&chunk, "IDAT");
    if (is_kept(&chunk)) {
      result = append(out, chunk.start, chunk.bytes, fault);
    } else if (is_critical(&chunk)) {
      return BASE_FAIL(fault, BASE_UNSUPPORTED, "png", "the PNG has a critical chunk of an unknown type");
    }
    if (is_type(&chunk, "IEND")) break;
  }
  if (result != BASE_OK) return result;
  return has_data ? BASE_OK : damaged(fault, "holds no picture");
}

enum base_result metadata_strip_png(struct base_span file, struct base_buffer *out, struct base_fault *fault) {
  const size_t before = out->bytes;
  const enum base_result result = strip_all(file, out, fault);
  if (result != BASE_OK) out->bytes = before;
  return result;
}
