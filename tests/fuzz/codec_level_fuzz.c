// Levels from disk: whatever is accepted comes back the same when it is written again.
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "codec/level.h"

enum { CHECKED_BYTES = 16, HEAD_BYTES = 20, MOST_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(struct base_span file) {
  struct image *level, *again;
  struct base_buffer out;
  struct base_fault fault = {0};
  enum base_result result = codec_level_decode(file, &level, &fault);
  BASE_ASSERT(result == BASE_OK || result == BASE_CORRUPT || result == BASE_NO_MEMORY);
  BASE_ASSERT((result == BASE_OK) == (level != NULL) && (result == BASE_OK) == (fault.text[0] == '\0'));
  if (!level) return;
  base_buffer_init(&out, MOST_BYTES * 2);
  if (level->bytes <= MOST_BYTES) {
    BASE_ASSERT(codec_level_encode(level, &out, NULL) == BASE_OK);
    BASE_ASSERT(codec_level_decode(base_buffer_span(&out), &again, NULL) == BASE_OK);
    BASE_ASSERT(again->format == level->format && again->width == level->width && again->height == level->height);
    for (uint32_t y = 0; y < level->height && level->format == IMAGE_RGBA8; y++) {
      BASE_ASSERT(memcmp(image_row(level, y), image_row(again, y), (size_t)level->width * 4) == 0);
    }
    for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
      const struct image_plane *a = &level->planes[i], *b = &again->planes[i];
      for (uint32_t y = 0; y < a->height; y++) {
        BASE_ASSERT(memcmp(image_plane_row(a, y), image_plane_row(b, y), a->width) == 0);
      }
    }
    image_unref(&again);
  }
  base_buffer_finish(&out);
  image_unref(&level);
}

// Once as it is, and once with the head's checksum put right, so that what is behind it is reached.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  check(base_span_of(data, bytes));
  if (bytes < HEAD_BYTES) return 0;
  uint8_t *copy = malloc(bytes);
  BASE_ASSERT(copy);
  memcpy(copy, data, bytes);
  const uint32_t sum = (uint32_t)crc32(0, copy, CHECKED_BYTES);
  for (int i = 0; i < 4; i++) copy[CHECKED_BYTES + i] = (uint8_t)(sum >> 8 * i);
  check(base_span_of(copy, bytes));
  free(copy);
  return 0;
}
