#include "picture.h"

#include <string.h>

#include "image/convert.h"

enum { BYTES_A_PIXEL = 4, OPAQUE = 255 };

enum kind { KIND_RGBA, KIND_WEBP_PLANES, KIND_JPEG_PLANES, KIND_FULL_PLANES };  // JPEG's are AVIF's too

// What the encoder takes, and whether `source` can be resampled to it directly.
static enum kind kind_of(const struct render *render, const struct recipe *recipe, const struct image_layout *layout,
                         const struct image *source) {
  // Behind an odd pad it would begin in the middle of a chroma block: such pictures are padded in RGBA8.
  const bool fits_blocks = (layout->x | layout->y) % 2 == 0;
  const enum kind plain = source->format == IMAGE_YUV ? KIND_FULL_PLANES : KIND_RGBA;
  const bool is_lossy_webp = recipe->format == RECIPE_FORMAT_WEBP && !recipe->lossless && !render->sharp_yuv;
  if (!fits_blocks) return plain;
  if (is_lossy_webp) return KIND_WEBP_PLANES;
  if (recipe->format == RECIPE_FORMAT_JPEG && !source->has_alpha) return KIND_JPEG_PLANES;
  if (recipe->format == RECIPE_FORMAT_AVIF && !recipe->lossless) return KIND_JPEG_PLANES;
  return plain;
}

enum base_result render_picture_plan(const struct render *render, struct render_picture *picture,
                                     const struct recipe *recipe, const struct image_header *header,
                                     struct base_fault *fault) {
  if (recipe->format == RECIPE_FORMAT_AUTO) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "fm", "pictures are not made as %s", recipe_format_name(recipe->format));
  }
  const enum base_result result = recipe_plan(recipe, header, &picture->layout, fault);
  if (result != BASE_OK) return result;
  picture->level = 0;
  if (render_has_levels(render, header->width, header->height)) {
    for (unsigned shrink = image_layout_shrink(&picture->layout); shrink > 1; shrink /= 2) picture->level++;
  }
  return BASE_OK;
}

static bool is_padded(const struct image_layout *layout) {
  return layout->width != layout->canvas_width || layout->height != layout->canvas_height;
}

// The planes that a kind stands for. Those that are only an intermediate step have no room for padding.
static struct image_yuv planes_of(enum kind kind, const struct image_layout *layout, bool has_alpha) {
  const bool is_step = kind == KIND_FULL_PLANES;
  const uint8_t block = is_step ? 1 : 2;
  return (struct image_yuv){
      .width = is_step ? layout->width : layout->canvas_width,
      .height = is_step ? layout->height : layout->canvas_height,
      .range = kind == KIND_WEBP_PLANES ? IMAGE_RANGE_LIMITED : IMAGE_RANGE_FULL,
      .chroma_x = block,
      .chroma_y = block,
      .has_alpha = has_alpha,
  };
}

static bool is_same_kind(enum kind kind, const struct image_layout *layout, const struct image *source) {
  if (kind == KIND_RGBA) return source->format == IMAGE_RGBA8;
  if (source->format != IMAGE_YUV) return false;
  const struct image_yuv wanted = planes_of(kind, layout, source->has_alpha), *is = &source->yuv;
  if (is->range != wanted.range) return false;
  if (is->is_grey) return kind == KIND_FULL_PLANES;  // which has no use for its chroma
  return is->chroma_x == wanted.chroma_x && is->chroma_y == wanted.chroma_y;
}

static bool is_identity(const struct image_layout *layout, const struct image_rect *rect, const struct image *source) {
  return layout->orientation == IMAGE_UPRIGHT && layout->width == source->width && layout->height == source->height &&
         !is_padded(layout) && rect->x == 0 && rect->y == 0 && rect->width == source->width &&
         rect->height == source->height;
}

static enum resample_filter filter_of(enum recipe_filter filter) {
  static const enum resample_filter filters[] = {
      [RECIPE_FILTER_BICUBIC] = RESAMPLE_BICUBIC,
      [RECIPE_FILTER_MITCHELL] = RESAMPLE_MITCHELL,
      [RECIPE_FILTER_LANCZOS3] = RESAMPLE_LANCZOS3,
  };
  return filters[filter];
}

// BT.601 luma, which is what planes that lose their chroma show.
static uint8_t grey_of(const uint8_t rgb[3]) {
  uint8_t yuv[3];
  image_convert_colour(rgb, IMAGE_RANGE_FULL, yuv);
  return yuv[0];
}

static void background_of(const struct recipe *recipe, uint8_t out[3]) {
  memcpy(out, recipe->background, 3);
  if (recipe->grey) memset(out, grey_of(recipe->background), 3);
}

static void fill_background(struct image *canvas, const struct recipe *recipe) {
  uint8_t background[BYTES_A_PIXEL];
  background_of(recipe, background);
  background[BYTES_A_PIXEL - 1] = OPAQUE;
  image_fill(canvas, background);
}

// A picture of our own to change: a source that is the result already may be shared, or the decoder's memory.
static enum base_result make_own(struct image **image) {
  const struct image *shared = *image;
  struct image *own;
  if (atomic_load(&shared->refs) == 1 && !shared->release) return BASE_OK;
  const bool has_planes = shared->format == IMAGE_YUV;
  const enum base_result result = has_planes ? image_create_yuv(&shared->yuv, &own)
                                             : image_create(shared->width, shared->height, shared->has_alpha, &own);
  if (result != BASE_OK) return result;
  for (uint32_t y = 0; y < own->height && !has_planes; y++) {
    memcpy(image_row(own, y), image_row(shared, y), (size_t)own->width * BYTES_A_PIXEL);
  }
  for (unsigned i = 0; i < IMAGE_MAX_PLANES && has_planes; i++) {
    const struct image_plane *plane = &own->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      memcpy(image_plane_row(plane, y), image_plane_row(&shared->planes[i], y), plane->width);
    }
  }
  image_unref(image);
  *image = own;
  return BASE_OK;
}

enum base_result render_picture_flatten(struct image **image, const struct recipe *recipe, struct base_fault *fault) {
  uint8_t background[BYTES_A_PIXEL];
  const enum base_result result = make_own(image);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "size", "no memory for a copy of the picture");
  background_of(recipe, background);
  image_flatten(*image, background);
  return BASE_OK;
}

static enum base_result drop_colours(struct image **image) {
  enum { NEUTRAL = 128 };
  const enum base_result result = make_own(image);
  if (result != BASE_OK) return result;
  const struct image *own = *image;
  for (unsigned i = IMAGE_PLANE_U; i <= IMAGE_PLANE_V && own->format == IMAGE_YUV; i++) {
    const struct image_plane *plane = &own->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) memset(image_plane_row(plane, y), NEUTRAL, plane->width);
  }
  for (uint32_t y = 0; y < own->height && own->format == IMAGE_RGBA8; y++) {
    uint8_t *pixel = image_row(own, y);
    for (uint32_t x = 0; x < own->width; x++, pixel += BYTES_A_PIXEL) memset(pixel, grey_of(pixel), 3);
  }
  return BASE_OK;
}

static enum base_result no_memory(const struct image_layout *layout, enum base_result result,
                                  struct base_fault *fault) {
  return BASE_FAIL(fault, result, "size", "no memory for %u x %u pixels", layout->canvas_width, layout->canvas_height);
}

enum base_result render_picture_begin(const struct render *render, struct render_picture *picture,
                                      const struct recipe *recipe, struct resample_source *from,
                                      struct resample_job *job, bool *needs_job, struct base_fault *fault) {
  const struct image_layout *layout = &picture->layout;
  struct image *source = resample_source_image(from);
  const enum kind kind = kind_of(render, recipe, layout, source);
  // Exact also where a level's last box reaches over the edge: its side is rounded up, the picture in it is not.
  const double shrink = 1u << picture->level;
  const struct image_rect rect = {layout->source.x / shrink, layout->source.y / shrink, layout->source.width / shrink,
                                  layout->source.height / shrink};
  *needs_job = !is_same_kind(kind, layout, source) || !is_identity(layout, &rect, source);
  if (!*needs_job) {
    picture->image = image_ref(source);
    return BASE_OK;
  }
  enum base_result result;
  if (kind == KIND_RGBA) {
    result = image_create(layout->canvas_width, layout->canvas_height, source->has_alpha, &picture->image);
  } else {
    const struct image_yuv planes = planes_of(kind, layout, source->has_alpha);
    result = image_create_yuv(&planes, &picture->image);
  }
  if (result != BASE_OK) return no_memory(layout, result, fault);
  const bool is_step = kind == KIND_FULL_PLANES;
  if (is_padded(layout) && !is_step) fill_background(picture->image, recipe);
  *job = (struct resample_job){
      .source = from,
      .rect = rect,
      .orientation = layout->orientation,
      .width = layout->width,
      .height = layout->height,
      .target = picture->image,
      .x = is_step ? 0 : layout->x,
      .y = is_step ? 0 : layout->y,
      .filter = filter_of(recipe->filter),
      .is_linear = render->linear_light && source->format == IMAGE_RGBA8,
      .kernel = RESAMPLE_KERNEL_AUTO,
  };
  return BASE_OK;
}

// Padding is made in RGBA8, so that it has exactly the colour that was asked for.
static enum base_result pad(struct render_picture *picture, const struct recipe *recipe) {
  const struct image_layout *layout = &picture->layout;
  const struct image *inner = picture->image;
  struct image *canvas;
  const enum base_result result = image_create(layout->canvas_width, layout->canvas_height, inner->has_alpha, &canvas);
  if (result != BASE_OK) return result;
  fill_background(canvas, recipe);
  for (uint32_t y = 0; y < inner->height; y++) {
    memcpy(image_row(canvas, layout->y + y) + (size_t)layout->x * BYTES_A_PIXEL, image_row(inner, y),
           (size_t)inner->width * BYTES_A_PIXEL);
  }
  image_unref(&picture->image);
  picture->image = canvas;
  return BASE_OK;
}

enum base_result render_picture_end(const struct render *render, struct render_picture *picture,
                                    const struct recipe *recipe, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  const bool is_step = picture->image->format == IMAGE_YUV &&
                       kind_of(render, recipe, &picture->layout, picture->image) == KIND_FULL_PLANES;
  // Before the way to RGB, so that the grey is the planes' luma whatever the format.
  if (recipe->grey) result = drop_colours(&picture->image);
  if (result == BASE_OK && is_step) {
    struct image *rgba;
    result = image_convert_to_rgba(picture->image, &rgba);
    if (result == BASE_OK) {
      image_unref(&picture->image);
      picture->image = rgba;
      if (is_padded(&picture->layout)) result = pad(picture, recipe);
    }
  }
  return result == BASE_OK ? BASE_OK : no_memory(&picture->layout, result, fault);
}
