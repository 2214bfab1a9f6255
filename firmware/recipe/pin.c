// Pinning: from what was wanted to the one exact recipe that is cached and rendered.
#include "recipe/recipe.h"

#include <inttypes.h>

#include "base/checked.h"

enum { DPR_ONE_MILLI = 1000 };

struct size {
  uint32_t width, height;
};

static struct size upright_size(const struct image_header *original) {
  const bool lies = image_orientation_swaps(original->orientation);
  return (struct size){lies ? original->height : original->width, lies ? original->width : original->height};
}

static void drop_crop(struct recipe *recipe) {
  recipe->has_crop = false;
  recipe->crop_x = recipe->crop_y = recipe->crop_width = recipe->crop_height = 0;
}

// Clips the crop to the picture; one that is the whole picture is none.
static enum base_result pin_crop(struct recipe *recipe, struct size upright, struct base_fault *fault) {
  if (!recipe->has_crop) {
    drop_crop(recipe);
    return BASE_OK;
  }
  if (recipe->crop_width == 0 || recipe->crop_height == 0 || recipe->crop_x >= upright.width ||
      recipe->crop_y >= upright.height) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "crop",
                     "the crop lies outside the picture, which is %" PRIu32 " x %" PRIu32 " pixels", upright.width,
                     upright.height);
  }
  recipe->crop_width = (uint32_t)base_min_u64(recipe->crop_width, upright.width - recipe->crop_x);
  recipe->crop_height = (uint32_t)base_min_u64(recipe->crop_height, upright.height - recipe->crop_y);
  if (recipe->crop_width == upright.width && recipe->crop_height == upright.height) drop_crop(recipe);
  return BASE_OK;
}

static void pin_size(struct recipe *recipe, struct size upright) {
  if (recipe->width || recipe->height) return;
  const struct size crop = recipe->has_crop ? (struct size){recipe->crop_width, recipe->crop_height} : upright;
  const bool swaps = image_orientation_swaps(recipe->turn);
  const struct size turned = swaps ? (struct size){crop.height, crop.width} : crop;
  if (turned.width <= IMAGE_MAX_BOX_SIDE) {
    recipe->width = turned.width;
  } else if (turned.height <= IMAGE_MAX_BOX_SIDE) {
    recipe->height = turned.height;
  }
}

static enum base_result pin_quality(struct recipe *recipe, struct base_fault *fault) {
  if (recipe->format == RECIPE_FORMAT_JPEG && recipe->lossless) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "q", "q=lossless is not possible with fm=jpeg");
  }
  if (recipe->format == RECIPE_FORMAT_PNG) {
    recipe->lossless = false;
    recipe->quality = RECIPE_DEFAULT_QUALITY;
  } else if (recipe->lossless) {
    recipe->quality = 0;
  } else if (!recipe->quality) {
    recipe->quality = RECIPE_DEFAULT_QUALITY;
  }
  return BASE_OK;
}

// Gives what can not change the bytes its one spelling.
static void drop_idle_options(struct recipe *recipe, const struct image_header *original) {
  const bool has_box = recipe->width && recipe->height;
  const bool pads = recipe->fit == IMAGE_FIT_CONTAIN && has_box;
  const bool flattens = recipe->format == RECIPE_FORMAT_JPEG && original->has_alpha;
  if (recipe->fit != IMAGE_FIT_COVER || !has_box) {
    recipe->focus_x = RECIPE_DEFAULT.focus_x;
    recipe->focus_y = RECIPE_DEFAULT.focus_y;
  }
  if (!pads && !flattens) {
    for (int i = 0; i < 3; i++) recipe->background[i] = RECIPE_DEFAULT.background[i];
  }
  if (!has_box && recipe->fit != IMAGE_FIT_INSIDE) recipe->fit = IMAGE_FIT_FILL;
}

enum base_result recipe_pin(const struct recipe *wanted, enum recipe_format format, const struct image_header *original,
                            struct recipe *out, struct base_fault *fault) {
  struct recipe pinned = *wanted;
  if (pinned.format == RECIPE_FORMAT_AUTO) pinned.format = format;
  BASE_ASSERT(pinned.format != RECIPE_FORMAT_AUTO);
  if (!pinned.dpr_milli) pinned.dpr_milli = DPR_ONE_MILLI;

  const struct size upright = upright_size(original);
  enum base_result result = pin_quality(&pinned, fault);
  if (result == BASE_OK) result = pin_crop(&pinned, upright, fault);
  if (result != BASE_OK) return result;
  pin_size(&pinned, upright);
  drop_idle_options(&pinned, original);
  *out = pinned;
  return BASE_OK;
}
