// Render: from n recipes of one original to encoded bytes, on a bounded pool.
//
// Source (sandboxed decode, shrunk where the recipe allows) -> resample -> flatten -> encode. Which shrink is used
// follows from original and recipe alone. Recipes of one order that want the same shrink share one decode; results
// arrive together.
#ifndef RENDER_RENDER_H
#define RENDER_RENDER_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "recipe/order.h"
#include "resample/resample.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

struct render_config {
  unsigned threads;    // default: cores
  size_t queue_limit;  // orders waiting; default 64
  int webp_effort;     // 0..6; default 4; the zlib level of PNG follows it
  bool sharp_yuv;      // default false
  struct store *store;
  struct sandbox *sandbox;
  struct resampler *resampler;
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct render;

enum base_result render_create(const struct render_config *config, struct render **out,
                               struct base_fault *fault) BASE_CHECKED;
// Finishes what was accepted, then joins.
void render_destroy(struct render **render);
// The door for pop and console.
struct recipe_renderer render_renderer(struct render *render);

#endif
