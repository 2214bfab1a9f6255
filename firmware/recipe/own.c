// Where the original's own file, without its metadata, can stand for a variant.
#include "recipe/recipe.h"

enum { OWN_BITS = 8 };

enum recipe_format recipe_own_format(const struct image_header *original) {
  if (original->orientation != IMAGE_UPRIGHT || original->colour == IMAGE_COLOUR_CMYK || original->bits > OWN_BITS) {
    return RECIPE_FORMAT_AUTO;
  }
  switch (original->format) {
    case IMAGE_FILE_JPEG:
      return RECIPE_FORMAT_JPEG;
    case IMAGE_FILE_PNG:
      return RECIPE_FORMAT_PNG;
    case IMAGE_FILE_WEBP:
      return RECIPE_FORMAT_WEBP;
    default:
      return RECIPE_FORMAT_AUTO;
  }
}

bool recipe_keeps_picture(const struct recipe *recipe, const struct image_header *original) {
  struct image_layout layout;
  if (recipe->grey || recipe->turn != IMAGE_UPRIGHT) return false;
  if (recipe_plan(recipe, original, &layout, NULL) != BASE_OK) return false;
  const bool lies = image_orientation_swaps(original->orientation);
  const uint32_t width = lies ? original->height : original->width, height = lies ? original->width : original->height;
  const struct image_rect *source = &layout.source;
  const bool is_whole =
      source->x == 0 && source->y == 0 && source->width == original->width && source->height == original->height;
  return is_whole && layout.width == width && layout.height == height && layout.canvas_width == width &&
         layout.canvas_height == height;
}
