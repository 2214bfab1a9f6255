// From a finished picture to an encoded product.
#ifndef RENDER_PRODUCT_H
#define RENDER_PRODUCT_H

#include "picture.h"
#include "recipe/order.h"

// Ends the picture (which is spent), flattens what the format can not hold, encodes and digests. On failure the
// product's fault says why.
void render_product_make(const struct render *render, const struct recipe *recipe, struct render_picture *picture,
                         struct recipe_product *product);

#endif
