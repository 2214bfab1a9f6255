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
enum { PICTURES_MAX = 128, PICTURE_MAX_BYTES = 16 << 20 };

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
                                            .has_icc = icc,
                                            .can_shrink = image_file_format_parse(form) == IMAGE_FILE_JPEG};
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
                 got->bits == wanted->bits && got->has_alpha == wanted->has_alpha && got->has_icc == wanted->has_icc &&
                 got->can_shrink == wanted->can_shrink;
  if (is_same) return;
  fail_msg("%s: read as %s %u x %u, orientation %d, %s, %u bits, alpha %d, icc %d", picture->name,
           image_file_format_name(got->format), got->width, got->height, (int)got->orientation,
           image_colour_name(got->colour), (unsigned)got->bits, got->has_alpha, got->has_icc);
}

static inline void picture_assert_pixels(const struct picture *picture, const struct image *image) {
  struct base_buffer witness = picture_file(picture->name, ".rgba");
  assert_int_equal(witness.bytes, (size_t)image->width * image->height * 4);
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width * 4; x++) {
      int wanted = witness.data[(size_t)y * image->width * 4 + x], got = image_row(image, y)[x];
      if (abs(wanted - got) > picture->tolerance) {
        fail_msg("%s: channel %u of pixel %u,%u is %d, not %d", picture->name, x % 4, x / 4, y, got, wanted);
      }
    }
  }
  base_buffer_finish(&witness);
}

#endif
