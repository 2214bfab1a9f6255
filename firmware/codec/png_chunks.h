// A walk over a PNG's chunks that inflates nothing and allocates nothing.
#ifndef CODEC_PNG_CHUNKS_H
#define CODEC_PNG_CHUNKS_H

#include <stdbool.h>

#include "base/span.h"

struct png_chunk {
  uint8_t type[4];
  struct base_span data;
};

struct png_walk {
  struct base_span file;
  size_t offset;
};

bool codec_png_has_signature(struct base_span file);
// Starts behind the signature.
struct png_walk codec_png_walk(struct base_span file);
// The next chunk; false at the end of what the file holds whole.
bool codec_png_walk_next(struct png_walk *walk, struct png_chunk *out);
bool codec_png_chunk_is(const struct png_chunk *chunk, const char *type);
// Whether the chunk's checksum is right.
bool codec_png_chunk_is_sound(const struct png_chunk *chunk);

#endif
