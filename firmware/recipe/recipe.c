#include "recipe/recipe.h"

enum { MILLI = 1000 };

static const char *const format_names[] = {
    [RECIPE_FORMAT_AUTO] = "auto", [RECIPE_FORMAT_WEBP] = "webp", [RECIPE_FORMAT_AVIF] = "avif",
    [RECIPE_FORMAT_JPEG] = "jpeg", [RECIPE_FORMAT_PNG] = "png",
};
static const char *const filter_names[] = {
    [RECIPE_FILTER_BICUBIC] = "bicubic",
    [RECIPE_FILTER_MITCHELL] = "mitchell",
    [RECIPE_FILTER_LANCZOS3] = "lanczos3",
};
static const char *const fit_names[] = {
    [IMAGE_FIT_INSIDE] = "inside", [IMAGE_FIT_COVER] = "cover",     [IMAGE_FIT_CONTAIN] = "contain",
    [IMAGE_FIT_FILL] = "fill",     [IMAGE_FIT_OUTSIDE] = "outside",
};

const char *recipe_format_name(enum recipe_format format) { return format_names[format]; }
const char *recipe_filter_name(enum recipe_filter filter) { return filter_names[filter]; }
const char *recipe_fit_name(enum image_fit fit) { return fit_names[fit]; }

bool recipe_is_pinned(const struct recipe *recipe) {
  return (recipe->width || recipe->height) && recipe->dpr_milli && recipe->format != RECIPE_FORMAT_AUTO &&
         (recipe->quality || recipe->lossless);
}

void recipe_to_wish(const struct recipe *recipe, struct image_wish *out) {
  *out = (struct image_wish){
      .width = recipe->width,
      .height = recipe->height,
      .dpr = recipe->dpr_milli ? (double)recipe->dpr_milli / MILLI : 1,
      .fit = recipe->fit,
      .focus_x = (double)recipe->focus_x / RECIPE_FOCUS_UNIT,
      .focus_y = (double)recipe->focus_y / RECIPE_FOCUS_UNIT,
      .has_crop = recipe->has_crop,
      .crop_x = recipe->crop_x,
      .crop_y = recipe->crop_y,
      .crop_width = recipe->crop_width,
      .crop_height = recipe->crop_height,
      .turn = recipe->turn,
      .pad_top = recipe->pad_top,
      .pad_right = recipe->pad_right,
      .pad_bottom = recipe->pad_bottom,
      .pad_left = recipe->pad_left,
  };
}

enum base_result recipe_plan(const struct recipe *recipe, const struct image_header *original, struct image_layout *out,
                             struct base_fault *fault) {
  struct image_wish wish;
  recipe_to_wish(recipe, &wish);
  return image_layout_plan(&wish, original->width, original->height, original->orientation, out, fault);
}
