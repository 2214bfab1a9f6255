// Never larger than the original when only the encoding changes: the original's own file without its metadata, or less
// quality.
#ifndef RENDER_OWN_H
#define RENDER_OWN_H

#include "recipe/order.h"
#include "state.h"

// The original's file in memory.
struct render_own {
  uint8_t *bytes;
  struct base_span file;
};

// Opens it for a recipe with recipe_keeps_picture; leaves it empty for one too large to be looked at.
enum base_result render_own_open(const struct render *render, const struct recipe_order *order, struct render_own *out,
                                 struct base_fault *fault) BASE_CHECKED;
void render_own_close(struct render_own *own);
// True when the product became the original's own file, which is smaller and may stand for this recipe. Its blob and
// media type are replaced; the rest is left alone.
bool render_own_replace(const struct render_own *own, const struct recipe *recipe, const struct image_header *header,
                        struct recipe_product *product);
// The next lower quality when the blob is larger than the original and nobody asked for this quality; 0: no other.
uint8_t render_own_next_quality(const struct render_own *own, const struct recipe *recipe, uint8_t quality,
                                const struct base_blob *blob);

#endif
