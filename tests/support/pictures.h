// The pictures that make_pictures.py wrote, for the tests that read them. Every failure fails the test.
#ifndef PICTURES_H
#define PICTURES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "image/image.h"
#include "image/header.h"

// PICTURES_FOLDER comes from CMake; the fixture `pictures` fills it.
enum { PICTURES_MAX = 256, PICTURE_MAX_BYTES = 16 << 20 };

struct picture {
  char name[64];
  int tolerance;  // of a channel, against the witness
  struct image_header header;
};

struct pictures {
  size_t count;
  struct picture list[PICTURES_MAX];
};

static inline enum image_colour picture_colour(const char *name) {
  int colour = IMAGE_COLOUR_GREY;
  while (colour <= IMAGE_COLOUR_PALETTE && strcmp(image_colour_name((enum image_colour)colour), name) != 0) colour++;
  assert_true(colour <= IMAGE_COLOUR_PALETTE);
  return (enum image_colour)colour;
}

static inline void pictures_read(struct pictures *out) {
  char form[16], colour[16];
  unsigned width, height, orientation, bits, alpha, icc;
  FILE *file = fopen(PICTURES_FOLDER "/pictures.txt", "r");
  assert_non_null(file);
  out->count = 0;
  for (;;) {
    struct picture *picture = &out->list[out->count];
    int fields = fscanf(file, "%63s %d %15s %u %u %u %15s %u %u %u", picture->name, &picture->tolerance, form, &width,
                        &height, &orientation, colour, &bits, &alpha, &icc);
    if (fields != 10) break;
    picture->header = (struct image_header){.format = image_file_format_parse(form),
                                            .width = width,
                                            .height = height,
                                            .orientation = (enum image_orientation)orientation,
                                            .colour = picture_colour(colour),
                                            .bits = (uint8_t)bits,
                                            .has_alpha = alpha,
                                            .has_icc = icc};
    out->count++;
    assert_true(out->count < PICTURES_MAX);
  }
  fclose(file);
  assert_true(out->count > 50);
}

// The whole file; finish it.
static inline struct base_buffer picture_file(const char *name, const char *suffix) {
  char path[512];
  struct base_buffer buffer;
  snprintf(path, sizeof path, "%s/%s%s", PICTURES_FOLDER, name, suffix);
  assert_int_equal(base_file_read(path, PICTURE_MAX_BYTES, &buffer, NULL), BASE_OK);
  return buffer;
}

static inline void picture_assert_header(const struct picture *picture, const struct image_header *got) {
  const struct image_header *wanted = &picture->header;
  bool is_same = got->format == wanted->format && got->width == wanted->width && got->height == wanted->height &&
                 got->orientation == wanted->orientation && got->colour == wanted->colour &&
                 got->bits == wanted->bits && got->has_alpha == wanted->has_alpha && got->has_icc == wanted->has_icc;
  if (is_same) return;
  fail_msg("%s: read as %s %u x %u, orientation %d, %s, %u bits, alpha %d, icc %d", picture->name,
           image_file_format_name(got->format), got->width, got->height, (int)got->orientation,
           image_colour_name(got->colour), (unsigned)got->bits, got->has_alpha, got->has_icc);
}

// A sample of a plane at the middle of a pixel: linear between blocks of 2, which is how libjpeg brings chroma to full
// size, and the nearest of blocks of 4.
static inline double picture_sample_across(const uint8_t *row, uint32_t width, uint32_t x, unsigned block) {
  if (block != 2) return row[x / block];
  const uint32_t near = x / 2, far = x % 2 ? near + 1 : near - 1;
  return far < width ? 0.75 * row[near] + 0.25 * row[far] : row[near];
}

static inline double picture_sample(const struct image_plane *plane, uint32_t x, uint32_t y, unsigned across,
                                    unsigned down) {
  const uint32_t near = y / down, far = y % 2 ? near + 1 : near - 1;
  const double sample = picture_sample_across(image_plane_row(plane, near), plane->width, x, across);
  if (down != 2 || far >= plane->height) return sample;
  return 0.75 * sample + 0.25 * picture_sample_across(image_plane_row(plane, far), plane->width, x, across);
}

// BT.601 of either range.
static inline void picture_pixel(const struct image *image, uint32_t x, uint32_t y, double out[4]) {
  if (image->format == IMAGE_RGBA8) {
    for (int c = 0; c < 4; c++) out[c] = image_row(image, y)[(size_t)x * 4 + (size_t)c];
    return;
  }
  const struct image_yuv *yuv = &image->yuv;
  const bool is_limited = yuv->range == IMAGE_RANGE_LIMITED;
  double luma = image_plane_row(&image->planes[IMAGE_PLANE_Y], y)[x];
  double chroma[2] = {0, 0};
  for (unsigned i = 0; i < 2 && !yuv->is_grey; i++) {
    chroma[i] = picture_sample(&image->planes[IMAGE_PLANE_U + i], x, y, yuv->chroma_x, yuv->chroma_y) - 128;
    if (is_limited) chroma[i] *= 255.0 / 224;
  }
  if (is_limited) luma = (luma - 16) * 255 / 219;
  out[0] = luma + 1.402 * chroma[1];
  out[1] = luma - 0.344136 * chroma[0] - 0.714136 * chroma[1];
  out[2] = luma + 1.772 * chroma[0];
  out[3] = 255;
  for (int c = 0; c < 3; c++) out[c] = out[c] < 0 ? 0 : out[c] > 255 ? 255 : out[c];
}

static inline void picture_assert_pixels(const struct picture *picture, const struct image *image) {
  struct base_buffer witness = picture_file(picture->name, ".rgba");
  assert_int_equal(witness.bytes, (size_t)image->width * image->height * 4);
  // libjpeg rounds chroma before it is made a colour, and the colour again.
  const double tolerance = picture->tolerance + (image->format == IMAGE_YUV ? 1.5 : 0);
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width; x++) {
      double got[4];
      picture_pixel(image, x, y, got);
      for (size_t c = 0; c < 4; c++) {
        const double difference = got[c] - witness.data[((size_t)y * image->width + x) * 4 + c];
        if (difference > tolerance || difference < -tolerance) {
          fail_msg("%s: channel %zu of pixel %u,%u is %f, off by %f", picture->name, c, x, y, got[c], difference);
        }
      }
    }
  }
  base_buffer_finish(&witness);
}

#endif
