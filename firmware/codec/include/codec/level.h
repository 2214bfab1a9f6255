// Levels as bytes: lightly compressed, without loss, quick to read again. For the store.
//
// A level is any picture, RGBA8 or planes: its kind and size, then every row as the difference to the row above it,
// packed by Zstandard with a checksum. pixpopd reads its own levels itself; they are no pictures from outside.
#ifndef CODEC_LEVEL_H
#define CODEC_LEVEL_H

#include "base/span.h"
#include "image/image.h"

// Appends the level to `out`, which is as before on failure. BASE_TOO_LARGE and BASE_NO_MEMORY.
enum base_result codec_level_encode(const struct image *level, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;
// A new picture of the caller's, equal in kind and samples. BASE_CORRUPT for bytes that codec_level_encode of this
// version did not write or that have changed since; BASE_NO_MEMORY. `*out` is NULL on failure.
enum base_result codec_level_decode(struct base_span bytes, struct image **out, struct base_fault *fault) BASE_CHECKED;

#endif
