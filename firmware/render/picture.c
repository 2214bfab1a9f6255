#include "picture.h"

enum { OPAQUE = 255 };

enum base_result render_picture_plan(struct render_picture *picture, const struct recipe *recipe,
                                     const struct image_header *header, struct base_fault *fault) {
  if (recipe->format != RECIPE_FORMAT_WEBP && recipe->format != RECIPE_FORMAT_JPEG &&
      recipe->format != RECIPE_FORMAT_PNG) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "fm", "pictures are not made as %s", recipe_format_name(recipe->format));
  }
  const enum base_result result = recipe_plan(recipe, header, &picture->layout, fault);
  if (result != BASE_OK) return result;
  picture->shrink = header->can_shrink ? image_layout_shrink(&picture->layout) : 1;
  return BASE_OK;
}

// The layout's rectangle in pixels of the source: sides of a shrunk source are rounded up, so the true ratio counts.
static struct image_rect source_rect(const struct image_layout *layout, const struct image_header *header,
                                     const struct image *source) {
  const double across = (double)source->width / header->width;
  const double down = (double)source->height / header->height;
  return (struct image_rect){layout->source.x * across, layout->source.y * down, layout->source.width * across,
                             layout->source.height * down};
}

static bool is_identity(const struct image_layout *layout, const struct image_rect *rect, const struct image *source) {
  return layout->orientation == IMAGE_UPRIGHT && layout->width == source->width && layout->height == source->height &&
         layout->canvas_width == source->width && layout->canvas_height == source->height && rect->x == 0 &&
         rect->y == 0 && rect->width == source->width && rect->height == source->height;
}

static enum resample_filter filter_of(enum recipe_filter filter) {
  static const enum resample_filter filters[] = {
      [RECIPE_FILTER_BICUBIC] = RESAMPLE_BICUBIC,
      [RECIPE_FILTER_MITCHELL] = RESAMPLE_MITCHELL,
      [RECIPE_FILTER_LANCZOS3] = RESAMPLE_LANCZOS3,
  };
  return filters[filter];
}

enum base_result render_picture_begin(struct render_picture *picture, const struct recipe *recipe,
                                      const struct image_header *header, struct image *source, struct resample_job *job,
                                      bool *needs_job, struct base_fault *fault) {
  const struct image_layout *layout = &picture->layout;
  const struct image_rect rect = source_rect(layout, header, source);
  *needs_job = !is_identity(layout, &rect, source);
  if (!*needs_job) {
    picture->image = image_ref(source);
    return BASE_OK;
  }
  const enum base_result result =
      image_create(layout->canvas_width, layout->canvas_height, source->has_alpha, &picture->image);
  if (result != BASE_OK) {
    return BASE_FAIL(fault, result, "size", "no memory for %u x %u pixels", layout->canvas_width,
                     layout->canvas_height);
  }
  if (layout->width != layout->canvas_width || layout->height != layout->canvas_height) {
    const uint8_t background[4] = {recipe->background[0], recipe->background[1], recipe->background[2], OPAQUE};
    image_fill(picture->image, background);
  }
  *job = (struct resample_job){
      .source = source,
      .rect = rect,
      .orientation = layout->orientation,
      .width = layout->width,
      .height = layout->height,
      .target = picture->image,
      .x = layout->x,
      .y = layout->y,
      .filter = filter_of(recipe->filter),
      .kernel = RESAMPLE_KERNEL_AUTO,
  };
  return BASE_OK;
}
