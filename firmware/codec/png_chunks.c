#include "png_chunks.h"

#include <string.h>

#include <zlib.h>

#include "bytes.h"

// A chunk: length, type, data, CRC-32 of type and data (PNG specification, section 5.3).
enum { SIGNATURE_BYTES = 8, HEAD_BYTES = 8, CRC_BYTES = 4 };

static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

bool codec_png_has_signature(struct base_span file) {
  return file.bytes >= SIGNATURE_BYTES && memcmp(file.data, signature, SIGNATURE_BYTES) == 0;
}

struct png_walk codec_png_walk(struct base_span file) {
  return (struct png_walk){.file = file, .offset = SIGNATURE_BYTES};
}

bool codec_png_walk_next(struct png_walk *walk, struct png_chunk *out) {
  struct base_span file = walk->file;
  if (walk->offset > file.bytes || file.bytes - walk->offset < HEAD_BYTES + CRC_BYTES) return false;
  const uint8_t *head = file.data + walk->offset;
  size_t left = file.bytes - walk->offset - HEAD_BYTES - CRC_BYTES;
  size_t bytes = codec_be32(head);
  if (bytes > left) return false;
  memcpy(out->type, head + 4, sizeof out->type);
  out->data = base_span_of(head + HEAD_BYTES, bytes);
  walk->offset += HEAD_BYTES + bytes + CRC_BYTES;
  return true;
}

bool codec_png_chunk_is(const struct png_chunk *chunk, const char *type) {
  return memcmp(chunk->type, type, sizeof chunk->type) == 0;
}

bool codec_png_chunk_is_sound(const struct png_chunk *chunk) {
  // The type stands right before the data, the checksum right behind it.
  uLong crc = crc32_z(0, chunk->data.data - sizeof chunk->type, chunk->data.bytes + sizeof chunk->type);
  return crc == codec_be32(chunk->data.data + chunk->data.bytes);
}
