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
  int effort;
  bool sharp_yuv;
  struct base_histogram *seconds;
  struct base_metric *products, *faults, *busy, *waiting;
};

#endif
