// From a wish in IIIF's words to a recipe. Whole numbers throughout: every machine gives the same sizes.
#include <inttypes.h>

#include "base/checked.h"
#include "pop/iiif.h"

enum { DPR_ONE_MILLI = 1000 };
#define HUNDRED_PERCENT ((uint64_t)100 * POP_IIIF_UNIT)

struct size {
  uint64_t width, height;
};

struct region {
  uint64_t x, y;
  struct size size;
};

// a * b / c, rounded to nearest; UINT64_MAX when it does not fit.
static uint64_t share(uint64_t a, uint64_t b, uint64_t c) {
  size_t product;
  if (!base_mul_size(a, b, &product) || product > UINT64_MAX - c) return UINT64_MAX;
  return (product + c / 2) / c;
}

// The largest whole number whose square is at most `square`.
static uint64_t whole_root(uint64_t square) {
  uint64_t root = 0;
  for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1) {
    if ((root | bit) * (root | bit) <= square) root |= bit;
  }
  return root;
}

static struct size upright_size(const struct image_header *original) {
  const bool lies = image_orientation_swaps(original->orientation);
  return (struct size){lies ? original->height : original->width, lies ? original->width : original->height};
}

static enum base_result resolve_region(const struct pop_iiif *wish, struct size full, struct region *out,
                                       struct base_fault *fault) {
  const uint64_t *at = wish->region_at;
  const uint64_t shorter = base_min_u64(full.width, full.height);
  *out = (struct region){0, 0, full};
  switch (wish->region) {
    case POP_IIIF_FULL:
      return BASE_OK;
    case POP_IIIF_SQUARE:
      *out = (struct region){(full.width - shorter) / 2, (full.height - shorter) / 2, {shorter, shorter}};
      return BASE_OK;
    case POP_IIIF_PIXELS:
      *out = (struct region){at[0], at[1], {at[2], at[3]}};
      break;
    case POP_IIIF_PERCENT:
      *out = (struct region){share(full.width, at[0], HUNDRED_PERCENT),
                             share(full.height, at[1], HUNDRED_PERCENT),
                             {share(full.width, at[2], HUNDRED_PERCENT), share(full.height, at[3], HUNDRED_PERCENT)}};
      break;
  }
  if (out->size.width == 0 || out->size.height == 0 || out->x >= full.width || out->y >= full.height) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "region",
                     "the region has no pixel of the picture, which is %" PRIu64 " x %" PRIu64, full.width,
                     full.height);
  }
  out->size.width = base_min_u64(out->size.width, full.width - out->x);
  out->size.height = base_min_u64(out->size.height, full.height - out->y);
  return BASE_OK;
}

// The largest size of the region's shape within a box and the limits.
static struct size size_within(struct size region, struct size box) {
  box.width = base_min_u64(box.width, POP_IIIF_MAX_SIDE);
  box.height = base_min_u64(box.height, POP_IIIF_MAX_SIDE);
  struct size size = {box.width, share(region.height, box.width, region.width)};
  if (region.width * box.height < region.height * box.width) {
    size = (struct size){share(region.width, box.height, region.height), box.height};
  }
  if (size.width * size.height <= POP_IIIF_MAX_AREA) return size;
  return (struct size){whole_root(POP_IIIF_MAX_AREA * region.width / region.height),
                       whole_root(POP_IIIF_MAX_AREA * region.height / region.width)};
}

static struct size wanted_size(const struct pop_iiif *wish, struct size region) {
  struct size size = {wish->width, wish->height}, box = size;
  switch (wish->size) {
    case POP_IIIF_EXACT:
      return size;
    case POP_IIIF_WIDTH:
      return (struct size){size.width, share(region.height, size.width, region.width)};
    case POP_IIIF_HEIGHT:
      return (struct size){share(region.width, size.height, region.height), size.height};
    case POP_IIIF_SCALE:
      return (struct size){share(region.width, wish->scale, HUNDRED_PERCENT),
                           share(region.height, wish->scale, HUNDRED_PERCENT)};
    case POP_IIIF_MAX:
      box = (struct size){POP_IIIF_MAX_SIDE, POP_IIIF_MAX_SIDE};
      break;
    case POP_IIIF_WITHIN:
      break;
  }
  if (!wish->may_enlarge) {
    box = (struct size){base_min_u64(box.width, region.width), base_min_u64(box.height, region.height)};
  }
  size = size_within(region, box);
  if (wish->size == POP_IIIF_MAX) {  // which asks for nothing that could be refused
    size = (struct size){base_max_u64(size.width, 1), base_max_u64(size.height, 1)};
  }
  return size;
}

static enum base_result resolve_size(const struct pop_iiif *wish, struct size region, struct size *out,
                                     struct base_fault *fault) {
  const struct size size = wanted_size(wish, region);
  if (size.width == 0 || size.height == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "size", "the result would have no pixel");
  }
  if (!wish->may_enlarge && (size.width > region.width || size.height > region.height ||
                             (wish->size == POP_IIIF_SCALE && wish->scale > HUNDRED_PERCENT))) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "size",
                     "the result would be larger than the region, which is %" PRIu64 " x %" PRIu64
                     ": sizes that enlarge begin with ^",
                     region.width, region.height);
  }
  if (size.width > POP_IIIF_MAX_SIDE || size.height > POP_IIIF_MAX_SIDE ||
      size.width * size.height > POP_IIIF_MAX_AREA) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "size",
                     "the result would be over the limits of %d pixels a side and %d in all (maxWidth, maxHeight and "
                     "maxArea in info.json)",
                     POP_IIIF_MAX_SIDE, POP_IIIF_MAX_AREA);
  }
  *out = size;
  return BASE_OK;
}

enum base_result pop_iiif_resolve(const struct pop_iiif *wish, const struct image_header *original, struct recipe *out,
                                  struct base_fault *fault) {
  struct region region;
  struct size size = {0, 0};
  enum base_result result = resolve_region(wish, upright_size(original), &region, fault);
  if (result == BASE_OK) result = resolve_size(wish, region.size, &size, fault);
  if (result != BASE_OK) return result;
  // The size is that before the rotation; a recipe's is that of the result.
  const bool swaps = image_orientation_swaps(wish->turn);
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = (uint32_t)(swaps ? size.height : size.width);
  recipe.height = (uint32_t)(swaps ? size.width : size.height);
  recipe.dpr_milli = DPR_ONE_MILLI;
  recipe.fit = IMAGE_FIT_FILL;
  recipe.has_crop = true;
  recipe.crop_x = (uint32_t)region.x;
  recipe.crop_y = (uint32_t)region.y;
  recipe.crop_width = (uint32_t)region.size.width;
  recipe.crop_height = (uint32_t)region.size.height;
  recipe.turn = image_orientation_compose(wish->is_mirrored ? IMAGE_FLIP_H : IMAGE_UPRIGHT, wish->turn);
  recipe.format = wish->format;
  recipe.quality = RECIPE_DEFAULT_QUALITY;
  recipe.grey = wish->is_grey;
  *out = recipe;
  return BASE_OK;
}
