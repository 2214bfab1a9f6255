// Sources by original and level: resident ones, levels from the store, or a decode in the sandbox.
#ifndef RENDER_SOURCES_H
#define RENDER_SOURCES_H

#include "image/levels.h"
#include "state.h"

struct render_sources;

// What one order wants and gets. Orders for the same original that miss at the same time share one load.
struct render_haul {
  unsigned wanted;  // bits: 1 << level
  struct resample_source *sources[RENDER_LEVELS];
  struct image *levels[IMAGE_LEVELS];  // made on the way and not in the store yet; for the keeper
};

// `resident_bytes` 0: nothing is kept.
enum base_result render_sources_create(uint64_t resident_bytes, struct base_metrics *metrics,
                                       struct render_sources **out, struct base_fault *fault) BASE_CHECKED;
// NULL is accepted.
void render_sources_destroy(struct render_sources **sources);
// Fills haul->sources, one for every bit of haul->wanted. On failure the haul is empty.
enum base_result render_sources_get(const struct render *render, struct recipe_order *order, struct render_haul *haul,
                                    struct base_fault *fault) BASE_CHECKED;
// Keeps a full-size picture that was decoded for another reason: an upload's, of which variants are soon wanted. It has
// no heat yet, so that a flood of uploads does not drive out what is in use.
void render_sources_offer(const struct render *render, const struct integrity_digest *original, struct image *picture);
// Lets go of what is left in the haul.
void render_haul_finish(struct render_haul *haul);

#endif
