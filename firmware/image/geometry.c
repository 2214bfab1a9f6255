// Layout planning: which part of the stored picture goes where, at what size.
//
// Three pictures matter: the stored one, the upright one (EXIF applied; crops are given in it) and the turned one
// (rot and flip applied to the crop; the fit and the focus are meant in it).
#include "image/geometry.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

struct size {
  double width, height;
};

static struct size size_oriented(struct size size, enum image_orientation orientation) {
  return image_orientation_swaps(orientation) ? (struct size){size.height, size.width} : size;
}

static double rounded(double number) { return floor(number + 0.5); }
static double rounded_side(double side) { return fmax(1, rounded(side)); }

static struct size size_scaled(struct size size, double scale) {
  return (struct size){rounded_side(size.width * scale), rounded_side(size.height * scale)};
}

static enum base_result check_wish(const struct image_wish *wish, struct base_fault *fault) {
  if (!isfinite(wish->dpr) || wish->dpr <= 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "dpr", "dpr must be a positive number");
  }
  // Written so that NaN fails too.
  if (!(wish->focus_x >= 0 && wish->focus_x <= 1 && wish->focus_y >= 0 && wish->focus_y <= 1)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "pos", "pos must lie within 0..1");
  }
  return BASE_OK;
}

// The part of the upright picture that is asked for.
static enum base_result plan_crop(const struct image_wish *wish, uint32_t width, uint32_t height,
                                  struct image_rect *out, struct base_fault *fault) {
  *out = (struct image_rect){0, 0, width, height};
  if (!wish->has_crop) return BASE_OK;
  if (wish->crop_width == 0 || wish->crop_height == 0 || wish->crop_x >= width || wish->crop_y >= height) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "crop",
                     "crop %" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 " has no pixel of the %" PRIu32 " x %" PRIu32
                     " picture",
                     wish->crop_x, wish->crop_y, wish->crop_width, wish->crop_height, width, height);
  }
  out->x = wish->crop_x;
  out->y = wish->crop_y;
  out->width = fmin(wish->crop_width, width - wish->crop_x);
  out->height = fmin(wish->crop_height, height - wish->crop_y);
  return BASE_OK;
}

static enum base_result check_size(struct size size, struct base_fault *fault) {
  if (size.width > IMAGE_MAX_RESULT_SIDE || size.height > IMAGE_MAX_RESULT_SIDE) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size",
                     "the result would be %.0f x %.0f; at most %d pixels a side are made (max_result_side)", size.width,
                     size.height, IMAGE_MAX_RESULT_SIDE);
  }
  if (size.width * size.height > IMAGE_MAX_RESULT_PIXELS) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size",
                     "the result would be %.0f x %.0f; at most %d pixels are made (max_result_pixels)", size.width,
                     size.height, IMAGE_MAX_RESULT_PIXELS);
  }
  return BASE_OK;
}

// A box side that was asked for is held to the limit even where `inside` would never reach it: whether a URL is
// within the limits must not depend on the original.
static enum base_result check_box_side(double side, const char *name, struct base_fault *fault) {
  if (side <= IMAGE_MAX_RESULT_SIDE) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size",
                   "%s times dpr is %.0f; at most %d pixels a side are made (max_result_side)", name, side,
                   IMAGE_MAX_RESULT_SIDE);
}

// The target box in whole physical pixels. A missing side follows from the turned crop's aspect ratio.
static enum base_result plan_box(const struct image_wish *wish, struct size turned, struct size *out,
                                 struct base_fault *fault) {
  double width = wish->width ? rounded_side(wish->width * wish->dpr) : 0;
  double height = wish->height ? rounded_side(wish->height * wish->dpr) : 0;
  enum base_result result = check_box_side(width, "w", fault);
  if (result == BASE_OK) result = check_box_side(height, "h", fault);
  if (result != BASE_OK) return result;
  if (wish->width && wish->height) {
    *out = (struct size){width, height};
  } else if (wish->width) {
    *out = (struct size){width, rounded_side(width * turned.height / turned.width)};
  } else if (wish->height) {
    *out = (struct size){rounded_side(height * turned.width / turned.height), height};
  } else {
    *out = size_scaled(turned, wish->dpr);
  }
  return BASE_OK;
}

// Scale at which the turned crop just fits into the box; a side that was not given does not bind.
static double scale_to_fit(const struct image_wish *wish, struct size turned, struct size box) {
  double across = box.width / turned.width;
  double down = box.height / turned.height;
  if (!wish->width && !wish->height) return wish->dpr;
  if (!wish->height) return across;
  if (!wish->width) return down;
  return fmin(across, down);
}

// The largest part of the turned crop with the box's shape, at the focus.
static struct image_rect cover_rect(const struct image_wish *wish, struct size turned, struct size box) {
  double scale = fmax(box.width / turned.width, box.height / turned.height);
  struct image_rect rect = {.width = fmin(turned.width, box.width / scale),
                            .height = fmin(turned.height, box.height / scale)};
  rect.x = wish->focus_x * (turned.width - rect.width);
  rect.y = wish->focus_y * (turned.height - rect.height);
  return rect;
}

// What a fit makes of the turned crop and the box.
struct fitted {
  struct image_rect rect;  // of the turned crop
  struct size picture;
  struct size canvas;
};

static struct fitted plan_fit(const struct image_wish *wish, struct size turned, struct size box) {
  struct fitted fitted = {.rect = {0, 0, turned.width, turned.height}, .picture = box, .canvas = box};
  bool has_box = wish->width && wish->height;
  if (wish->fit == IMAGE_FIT_INSIDE) {
    fitted.picture = size_scaled(turned, fmin(1, scale_to_fit(wish, turned, box)));
    fitted.canvas = fitted.picture;
  } else if (has_box && wish->fit == IMAGE_FIT_CONTAIN) {
    fitted.picture = size_scaled(turned, scale_to_fit(wish, turned, box));
  } else if (has_box && wish->fit == IMAGE_FIT_OUTSIDE) {
    fitted.picture = size_scaled(turned, fmax(box.width / turned.width, box.height / turned.height));
    fitted.canvas = fitted.picture;
  } else if (has_box && wish->fit == IMAGE_FIT_COVER) {
    fitted.rect = cover_rect(wish, turned, box);
  }
  return fitted;
}

// The canvas of the fit grows by the pads; *x and *y are where it begins then.
static void add_pads(const struct image_wish *wish, struct size *canvas, uint32_t *x, uint32_t *y) {
  const double left = rounded(wish->pad_left * wish->dpr), top = rounded(wish->pad_top * wish->dpr);
  canvas->width += left + rounded(wish->pad_right * wish->dpr);
  canvas->height += top + rounded(wish->pad_bottom * wish->dpr);
  // Past every limit when it does not fit, which the canvas tells.
  *x = (uint32_t)fmin(left, UINT32_MAX);
  *y = (uint32_t)fmin(top, UINT32_MAX);
}

enum base_result image_layout_plan(const struct image_wish *wish, uint32_t stored_width, uint32_t stored_height,
                                   enum image_orientation exif, struct image_layout *out, struct base_fault *fault) {
  struct image_rect crop;
  struct size box;
  uint32_t x, y;
  BASE_ASSERT(stored_width > 0 && stored_height > 0);
  enum base_result result = check_wish(wish, fault);
  if (result != BASE_OK) return result;
  bool swaps = image_orientation_swaps(exif);
  uint32_t upright_width = swaps ? stored_height : stored_width;
  uint32_t upright_height = swaps ? stored_width : stored_height;
  result = plan_crop(wish, upright_width, upright_height, &crop, fault);
  if (result != BASE_OK) return result;
  struct size turned = size_oriented((struct size){crop.width, crop.height}, wish->turn);
  result = plan_box(wish, turned, &box, fault);
  if (result != BASE_OK) return result;
  struct fitted fitted = plan_fit(wish, turned, box);
  // Rounded down to even before the pads come.
  const uint32_t slack_x = (uint32_t)(fitted.canvas.width - fitted.picture.width) / 4 * 2;
  const uint32_t slack_y = (uint32_t)(fitted.canvas.height - fitted.picture.height) / 4 * 2;
  add_pads(wish, &fitted.canvas, &x, &y);
  result = check_size(fitted.canvas, fault);
  if (result != BASE_OK) return result;

  struct image_rect rect =
      image_rect_orient(fitted.rect, image_orientation_inverse(wish->turn), turned.width, turned.height);
  rect.x += crop.x;
  rect.y += crop.y;
  *out = (struct image_layout){
      .source = image_rect_orient(rect, image_orientation_inverse(exif), upright_width, upright_height),
      .orientation = image_orientation_compose(exif, wish->turn),
      .width = (uint32_t)fitted.picture.width,
      .height = (uint32_t)fitted.picture.height,
      .canvas_width = (uint32_t)fitted.canvas.width,
      .canvas_height = (uint32_t)fitted.canvas.height,
      .x = x + slack_x,
      .y = y + slack_y,
  };
  return BASE_OK;
}

unsigned image_layout_shrink(const struct image_layout *layout) {
  bool swaps = image_orientation_swaps(layout->orientation);
  double width = swaps ? layout->height : layout->width;
  double height = swaps ? layout->width : layout->height;
  for (unsigned shrink = 8; shrink > 1; shrink /= 2) {
    if (layout->source.width >= 2.0 * shrink * width && layout->source.height >= 2.0 * shrink * height) return shrink;
  }
  return 1;
}
