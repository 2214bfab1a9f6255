// The room's own struct, shared by its files.
#ifndef RENDER_STATE_H
#define RENDER_STATE_H

#include "base/pool.h"
#include "render/render.h"

struct render {
  struct base_pool *pool;
  struct store *store;
  struct sandbox *sandbox;
  struct resampler *resampler;
  const struct base_clock *clock;
  struct base_log *log;
  int effort, avif_speed;
  bool sharp_yuv, linear_light;
  struct render_sources *sources;
  struct render_keeper *keeper;
  struct base_histogram *seconds;
  struct base_metric *products, *faults, *busy, *waiting;
};

#define RENDER_ROOM "render"

// The full-size original and its levels; number i is at 1 / 2^i.
enum { RENDER_LEVELS = 4 };

// Whether variants of an original are made from levels at all. A small one is decoded as quickly as a level is read,
// and in linear light its samples must be the original's.
static inline bool render_has_levels(const struct render *render, uint32_t width, uint32_t height) {
  enum { FEW_PIXELS = 500000 };
  return !render->linear_light && (uint64_t)width * height >= FEW_PIXELS;
}

#endif
