// A small picture of numbered pixels, turned pixel by pixel: the witness for the arithmetic of orientations.
#ifndef SMALL_PICTURE_H
#define SMALL_PICTURE_H

#include "image/geometry.h"

struct small_picture {
  int width, height;
  int pixels[8][8];  // [y][x]
};

static inline struct small_picture small_picture_numbered(int width, int height) {
  struct small_picture picture = {.width = width, .height = height};
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) picture.pixels[y][x] = 1 + y * width + x;
  }
  return picture;
}

static inline struct small_picture small_picture_crop(const struct small_picture *from, int x, int y, int width,
                                                      int height) {
  struct small_picture picture = {.width = width, .height = height};
  for (int v = 0; v < height; v++) {
    for (int u = 0; u < width; u++) picture.pixels[v][u] = from->pixels[y + v][x + u];
  }
  return picture;
}

// Written from the Exif table: what the stored row 0 and column 0 are in the upright picture.
static inline struct small_picture small_picture_turn(const struct small_picture *from, enum image_orientation how) {
  int w = from->width, h = from->height;
  struct small_picture to = {.width = how >= IMAGE_TRANSPOSE ? h : w, .height = how >= IMAGE_TRANSPOSE ? w : h};
  for (int y = 0; y < h; y++) {
    for (int x = 0; x < w; x++) {
      int value = from->pixels[y][x];
      switch (how) {
        case IMAGE_UPRIGHT:
          to.pixels[y][x] = value;
          break;  // row 0 top, column 0 left
        case IMAGE_FLIP_H:
          to.pixels[y][w - 1 - x] = value;
          break;  // top, right
        case IMAGE_ROTATE_180:
          to.pixels[h - 1 - y][w - 1 - x] = value;
          break;  // bottom, right
        case IMAGE_FLIP_V:
          to.pixels[h - 1 - y][x] = value;
          break;  // bottom, left
        case IMAGE_TRANSPOSE:
          to.pixels[x][y] = value;
          break;  // left, top
        case IMAGE_ROTATE_90:
          to.pixels[x][h - 1 - y] = value;
          break;  // right, top
        case IMAGE_TRANSVERSE:
          to.pixels[w - 1 - x][h - 1 - y] = value;
          break;  // right, bottom
        case IMAGE_ROTATE_270:
          to.pixels[w - 1 - x][y] = value;
          break;  // left, bottom
      }
    }
  }
  return to;
}

#endif
