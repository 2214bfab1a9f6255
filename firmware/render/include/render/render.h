// Render: from n recipes of one original to encoded bytes, on a bounded pool.
//
// Source (resident | level from the store | sandboxed decode) -> resample -> encode. Which level is used follows from
// original and recipe alone; one that is missing is made again, bit by bit the same. All recipes of an order share one
// decode and one run of the resampler; their encodings are spread over the pool's threads.
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
  unsigned threads;         // default: cores
  size_t queue_limit;       // orders waiting; default 64
  int webp_effort;          // 0..6; default 4; the zlib level of PNG follows it
  int avif_speed;           // 1..10, 10 is fastest; 0: the default, 8
  bool sharp_yuv;           // default false
  uint64_t resident_bytes;  // sources kept for the next recipe, with their device copies; default 256 MiB
  bool linear_light;        // RGB is filtered in linear light, from the full-size original; default false
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
// Leaves the levels of a freshly decoded original in the store and keeps it resident, for ingest (which has it decoded
// anyway). Nothing is kept of small originals, which are decoded as quickly as a level is read. Never fails the upload:
// trouble is logged.
void render_keep_levels(struct render *render, const struct integrity_digest *original, struct image *source);

#endif
