// One load: the sources of an original that are not resident, from the store's levels or by one decode.
#ifndef RENDER_LOAD_H
#define RENDER_LOAD_H

#include "image/levels.h"
#include "state.h"

struct render_load {
  const struct render *render;
  struct recipe_order *order;          // of whoever began it
  struct image *full;                  // decoded; NULL until that was necessary
  struct image *levels[IMAGE_LEVELS];  // made from it
};

// Changes a decoded picture into what sources and levels are made of: without an alpha channel that says nothing, and
// RGBA8 in linear light.
enum base_result render_load_prepare(const struct render *render, struct image **picture,
                                     struct base_fault *fault) BASE_CHECKED;
// Sources for the bits of `wanted`, the caller's; the others are NULL, all of them on failure.
enum base_result render_load_run(struct render_load *load, unsigned wanted,
                                 struct resample_source *sources[RENDER_LEVELS], struct base_fault *fault) BASE_CHECKED;
void render_load_finish(struct render_load *load);

#endif
