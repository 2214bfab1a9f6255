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

// For what no layout is made of: the size is named all the same.
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

static bool has_pads(const struct recipe *recipe) {
  return recipe->pad_top || recipe->pad_right || recipe->pad_bottom || recipe->pad_left;
}

static bool is_same_rect(const struct image_rect *a, const struct image_rect *b) {
  return a->x == b->x && a->y == b->y && a->width == b->width && a->height == b->height;
}

static bool is_same_layout(const struct image_layout *a, const struct image_layout *b) {
  return is_same_rect(&a->source, &b->source) && a->orientation == b->orientation && a->width == b->width &&
         a->height == b->height && a->canvas_width == b->canvas_width && a->canvas_height == b->canvas_height &&
         a->x == b->x && a->y == b->y;
}

static bool is_within_box(const struct recipe *recipe) {
  return recipe->width <= IMAGE_MAX_BOX_SIDE && recipe->height <= IMAGE_MAX_BOX_SIDE &&
         recipe->pad_top <= RECIPE_MAX_PAD && recipe->pad_right <= RECIPE_MAX_PAD &&
         recipe->pad_bottom <= RECIPE_MAX_PAD && recipe->pad_left <= RECIPE_MAX_PAD;
}

// True when a candidate can be written in a URL and puts the same pixels in the same places.
static bool gives(const struct recipe *candidate, const struct image_header *original,
                  const struct image_layout *wanted) {
  struct image_layout layout;
  return is_within_box(candidate) && recipe_plan(candidate, original, &layout, NULL) == BASE_OK &&
         is_same_layout(&layout, wanted);
}

// CSS pixels to whole physical ones, rounded as the layout rounds them. At most 8192 * 4.
static uint32_t physical(uint32_t side, uint32_t dpr_milli) {
  return (uint32_t)(((uint64_t)side * dpr_milli + DPR_ONE_MILLI / 2) / DPR_ONE_MILLI);
}

// The simplest size that gives the same layout, without dpr: what the URL said in CSS pixels, with a larger box than
// `inside` fills or with a side that follows anyway comes to one recipe. Whatever has no simpler spelling stays.
static void pin_layout(struct recipe *recipe, const struct image_header *original) {
  static const struct {
    enum image_fit fit;
    bool by_width, by_height;
  } spellings[] = {{IMAGE_FIT_INSIDE, true, false},
                   {IMAGE_FIT_INSIDE, false, true},
                   {IMAGE_FIT_FILL, true, false},
                   {IMAGE_FIT_FILL, false, true},
                   {IMAGE_FIT_FILL, true, true}};
  struct image_layout wanted;
  if (recipe_plan(recipe, original, &wanted, NULL) != BASE_OK) return;  // who renders it says why not
  struct recipe plain = *recipe;
  plain.dpr_milli = DPR_ONE_MILLI;
  plain.pad_top = (uint16_t)physical(recipe->pad_top, recipe->dpr_milli);
  plain.pad_right = (uint16_t)physical(recipe->pad_right, recipe->dpr_milli);
  plain.pad_bottom = (uint16_t)physical(recipe->pad_bottom, recipe->dpr_milli);
  plain.pad_left = (uint16_t)physical(recipe->pad_left, recipe->dpr_milli);
  for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
    plain.fit = spellings[i].fit;
    plain.width = spellings[i].by_width ? wanted.width : 0;
    plain.height = spellings[i].by_height ? wanted.height : 0;
    if (gives(&plain, original, &wanted)) {
      *recipe = plain;
      return;
    }
  }
  plain.fit = recipe->fit;
  plain.width = physical(recipe->width, recipe->dpr_milli);
  plain.height = physical(recipe->height, recipe->dpr_milli);
  if (gives(&plain, original, &wanted)) *recipe = plain;
}

// A focus moves nothing along an axis where nothing is cut off.
static void pin_focus(struct recipe *recipe, const struct image_header *original) {
  struct image_layout wanted;
  struct recipe centred = *recipe;
  if (recipe->fit != IMAGE_FIT_COVER) {
    recipe->focus_x = RECIPE_DEFAULT.focus_x;
    recipe->focus_y = RECIPE_DEFAULT.focus_y;
    return;
  }
  if (recipe_plan(recipe, original, &wanted, NULL) != BASE_OK) return;
  centred.focus_x = RECIPE_DEFAULT.focus_x;
  if (gives(&centred, original, &wanted)) recipe->focus_x = RECIPE_DEFAULT.focus_x;
  centred.focus_x = recipe->focus_x;
  centred.focus_y = RECIPE_DEFAULT.focus_y;
  if (gives(&centred, original, &wanted)) recipe->focus_y = RECIPE_DEFAULT.focus_y;
}

// Without padding and flattening no background is seen; without colours there are none to drop.
static void pin_colours(struct recipe *recipe, const struct image_header *original) {
  const bool pads = has_pads(recipe) || (recipe->fit == IMAGE_FIT_CONTAIN && recipe->width && recipe->height);
  const bool flattens = recipe->format == RECIPE_FORMAT_JPEG && original->has_alpha;
  uint8_t *background = recipe->background;
  if (!pads && !flattens) {
    for (int i = 0; i < 3; i++) background[i] = RECIPE_DEFAULT.background[i];
  }
  const bool is_neutral = background[0] == background[1] && background[1] == background[2];
  if (original->colour == IMAGE_COLOUR_GREY && is_neutral) recipe->grey = false;
}

// In the original's own format its own file is an answer anyway.
static void pin_own(struct recipe *recipe, const struct image_header *original) {
  const enum recipe_format own = recipe_own_format(original);
  if (own == RECIPE_FORMAT_AUTO || own == recipe->format || !recipe_keeps_picture(recipe, original)) {
    recipe->or_own = false;
  }
}

enum base_result recipe_pin(const struct recipe *wanted, enum recipe_format format, const struct image_header *original,
                            struct recipe *out, struct base_fault *fault) {
  struct recipe pinned = *wanted;
  if (pinned.format == RECIPE_FORMAT_AUTO) {
    pinned.format = format;
    pinned.or_own = true;
  }
  BASE_ASSERT(pinned.format != RECIPE_FORMAT_AUTO);
  if (!pinned.dpr_milli) pinned.dpr_milli = DPR_ONE_MILLI;

  const struct size upright = upright_size(original);
  enum base_result result = pin_quality(&pinned, fault);
  if (result == BASE_OK) result = pin_crop(&pinned, upright, fault);
  if (result != BASE_OK) return result;
  pin_layout(&pinned, original);
  pin_size(&pinned, upright);
  pin_focus(&pinned, original);
  pin_colours(&pinned, original);
  pin_own(&pinned, original);
  *out = pinned;
  return BASE_OK;
}
