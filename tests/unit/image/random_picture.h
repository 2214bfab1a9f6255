// Pictures of noise, the same on every run.
#ifndef RANDOM_PICTURE_H
#define RANDOM_PICTURE_H

#include "image/image.h"

static inline uint8_t random_byte(uint32_t *random) {
  *random = *random * 1664525u + 1013904223u;
  // Extremes and invisible pixels are as frequent as everything between.
  const uint8_t value = (uint8_t)(*random >> 24), kind = (*random >> 16) & 7;
  return kind == 0 ? 0 : kind == 1 ? 255 : value;
}

static inline struct image *random_rgba(uint32_t width, uint32_t height, bool has_alpha, uint32_t *random) {
  struct image *image;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width * 4; x++) {
      image_row(image, y)[x] = x % 4 == 3 && !has_alpha ? 255 : random_byte(random);
    }
  }
  return image;
}

static inline struct image *random_yuv(const struct image_yuv *yuv, uint32_t *random) {
  struct image *image;
  assert_int_equal(image_create_yuv(yuv, &image), BASE_OK);
  for (size_t i = 0; i < image->bytes; i++) image->pixels[i] = random_byte(random);
  return image;
}

#endif
