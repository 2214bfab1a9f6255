// From a finished picture to an encoded product.
#ifndef RENDER_PRODUCT_H
#define RENDER_PRODUCT_H

#include "picture.h"
#include "recipe/order.h"

// Ends the picture (which is spent), flattens what the format can not hold, encodes and digests. On failure the
// product's fault says why.
//
// Where the recipe keeps the picture (recipe_keeps_picture) and the encoded file is larger than the original:
// - in the original's own format, and with or_own, the original's own file is the product, without its metadata;
// - else the default quality gives way in steps, 80, 70, 60, 50; any other quality, and no loss, stay.
void render_product_make(const struct render *render, const struct recipe_order *order, const struct recipe *recipe,
                         struct render_picture *picture, struct recipe_product *product);

#endif
