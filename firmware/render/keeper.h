// The keeper leaves levels in the store, behind the visitors' backs.
#ifndef RENDER_KEEPER_H
#define RENDER_KEEPER_H

#include "image/levels.h"
#include "state.h"

struct render_keeper;

// Starts its thread.
enum base_result render_keeper_create(struct render *render, struct base_metrics *metrics, struct render_keeper **out,
                                      struct base_fault *fault) BASE_CHECKED;
// Keeps what was handed in, then joins. NULL is accepted.
void render_keeper_destroy(struct render_keeper **keeper);
// Which levels the store does not have; false when it has all of them.
bool render_keeper_lacks(const struct render *render, const struct integrity_digest *original,
                         bool missing[IMAGE_LEVELS]);
// Takes over the levels (NULL: none), packs them and puts them into the store. When too many wait already, here and
// now, so that their memory stays bounded.
void render_keeper_keep(struct render_keeper *keeper, const struct integrity_digest *original,
                        struct image *levels[IMAGE_LEVELS]);

#endif
