// From a finished picture to an encoded product.
#ifndef RENDER_PRODUCT_H
#define RENDER_PRODUCT_H

#include "image/image.h"
#include "recipe/order.h"
#include "state.h"

// Flattens what the format can not hold, encodes and digests. Takes over *image. On failure the product's fault says
// why.
void render_product_make(const struct render *render, const struct recipe *recipe, struct image **image,
                         struct recipe_product *product);

#endif
