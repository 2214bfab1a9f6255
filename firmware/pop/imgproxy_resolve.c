// From what imgproxy's options mean to a recipe in pixels. Sides, gravities and crops are all meant in the picture as
// it is seen: upright and turned.
#include <math.h>

#include "image/geometry.h"
#include "pop/imgproxy.h"

enum { DPR_UNIT = 1000 };

struct extent {
  double width, height;
};

static double rounded_side(double side) { return fmax(1, floor(side + 0.5)); }

static double length_in(const struct pop_imgproxy_length *length, double whole, double scale) {
  return length->pixels ? length->pixels * scale : whole * length->share / POP_IMGPROXY_UNIT;
}

// Where `inner` begins within `outer` along one axis: `side` is -1 at the beginning, 0 in the middle, 1 at the end.
static double place(double outer, double inner, int side, double offset) {
  const double slack = outer - inner;
  const double at = side < 0 ? offset : side > 0 ? slack - offset : slack / 2 + offset;
  return fmin(fmax(at, 0), slack);
}

// The same with a point that should be in the middle of `inner`.
static double place_at_focus(double outer, double inner, uint16_t focus) {
  return fmin(fmax(outer * focus / RECIPE_FOCUS_UNIT - inner / 2, 0), outer - inner);
}

static void place_by_gravity(const struct pop_imgproxy_gravity *gravity, struct extent outer, struct extent inner,
                             double scale, double *x, double *y) {
  if (gravity->is_focus) {
    *x = place_at_focus(outer.width, inner.width, gravity->focus_x);
    *y = place_at_focus(outer.height, inner.height, gravity->focus_y);
    return;
  }
  *x = place(outer.width, inner.width, gravity->x, length_in(&gravity->offset_x, outer.width, scale));
  *y = place(outer.height, inner.height, gravity->y, length_in(&gravity->offset_y, outer.height, scale));
}

// --- crop ---

static double crop_side(const struct pop_imgproxy_length *length, double whole) {
  if (!length->pixels && !length->share) return whole;
  return fmin(rounded_side(length_in(length, whole, 1)), whole);
}

// Puts the crop into the recipe, in the upright picture before the turn, and returns its extent as seen.
static struct extent crop(const struct pop_imgproxy *wish, struct extent turned, struct recipe *out) {
  const struct extent inner = {crop_side(&wish->crop_width, turned.width),
                               crop_side(&wish->crop_height, turned.height)};
  const struct pop_imgproxy_gravity *gravity = wish->crop_gravity.is_given ? &wish->crop_gravity : &wish->gravity;
  struct image_rect rect = {.width = inner.width, .height = inner.height};
  if (inner.width == turned.width && inner.height == turned.height) return inner;
  place_by_gravity(gravity, turned, inner, 1, &rect.x, &rect.y);
  rect.x = floor(rect.x);
  rect.y = floor(rect.y);
  rect = image_rect_orient(rect, image_orientation_inverse(wish->turn), turned.width, turned.height);
  out->has_crop = true;
  out->crop_x = (uint32_t)rect.x;
  out->crop_y = (uint32_t)rect.y;
  out->crop_width = (uint32_t)rect.width;
  out->crop_height = (uint32_t)rect.height;
  return inner;
}

// --- size ---

// What becomes of the picture along both axes.
struct sizing {
  enum pop_imgproxy_type type;  // not AUTO
  double dpr;                   // the part of it that is followed
  struct extent scaled;         // the whole picture
  struct extent target;         // the box in pixels; 0 where none is given
  struct extent result;         // what is left of `scaled`
};

static enum pop_imgproxy_type type_of(const struct pop_imgproxy *wish, struct extent picture) {
  if (wish->type != POP_IMGPROXY_AUTO) return wish->type;
  const double width = wish->width ? wish->width : picture.width;
  const double height = wish->height ? wish->height : picture.height;
  return (picture.width >= picture.height) == (width >= height) ? POP_IMGPROXY_FILL : POP_IMGPROXY_FIT;
}

// Scales that the sides ask for, at a dpr of 1.
static struct extent scales_of(const struct pop_imgproxy *wish, enum pop_imgproxy_type type, struct extent picture) {
  struct extent scale = {wish->width ? wish->width / picture.width : 1,
                         wish->height ? wish->height / picture.height : 1};
  if (type == POP_IMGPROXY_FORCE) return scale;
  if (!wish->width) scale.width = scale.height;
  if (!wish->height) scale.height = scale.width;
  const bool fills = type == POP_IMGPROXY_FILL || type == POP_IMGPROXY_FILL_DOWN;
  scale.width = scale.height = fills ? fmax(scale.width, scale.height) : fmin(scale.width, scale.height);
  return scale;
}

// Without enlarge the picture's own size ends everything: first the scales, then as much of the dpr as still fits, so
// that offsets and padding keep their proportions to the picture.
static void hold_scales(const struct pop_imgproxy *wish, struct extent *scale, double *dpr) {
  const double largest = fmax(scale->width, scale->height);
  if (wish->may_enlarge) return;
  if (largest > 1) {
    scale->width /= largest;
    scale->height /= largest;
    if (!wish->extends) *dpr *= largest;  // an extended one keeps its composition
  }
  *dpr = fmin(*dpr, 1 / fmax(scale->width, scale->height));
}

static double smaller_of(double scaled, double target) { return target > 0 ? fmin(scaled, target) : scaled; }

// fill-down: where the box can not be filled, the largest part of its shape.
static void keep_shape(struct sizing *sizing) {
  const struct extent scaled = sizing->scaled, target = sizing->target;
  const double across = target.width / scaled.width, down = target.height / scaled.height;
  if (across > down && across > 1) {
    sizing->result = (struct extent){scaled.width, rounded_side(scaled.width * target.height / target.width)};
  } else if (down > across && down > 1) {
    sizing->result = (struct extent){rounded_side(scaled.height * target.width / target.height), scaled.height};
  }
}

static struct sizing size(const struct pop_imgproxy *wish, struct extent picture) {
  struct sizing sizing = {.type = type_of(wish, picture),
                          .dpr = wish->dpr_milli ? (double)wish->dpr_milli / DPR_UNIT : 1};
  struct extent scale = scales_of(wish, sizing.type, picture);
  hold_scales(wish, &scale, &sizing.dpr);
  sizing.scaled = (struct extent){rounded_side(picture.width * scale.width * sizing.dpr),
                                  rounded_side(picture.height * scale.height * sizing.dpr)};
  sizing.target = (struct extent){wish->width ? rounded_side(wish->width * sizing.dpr) : 0,
                                  wish->height ? rounded_side(wish->height * sizing.dpr) : 0};
  sizing.result = (struct extent){smaller_of(sizing.scaled.width, sizing.target.width),
                                  smaller_of(sizing.scaled.height, sizing.target.height)};
  const bool has_box = wish->width && wish->height;
  if (sizing.type == POP_IMGPROXY_FILL_DOWN && !wish->may_enlarge && has_box) keep_shape(&sizing);
  return sizing;
}

static uint16_t focus_of(double at, double slack) {
  return slack > 0 ? (uint16_t)(at / slack * RECIPE_FOCUS_UNIT + 0.5) : RECIPE_DEFAULT.focus_x;
}

static enum base_result set_size(const struct pop_imgproxy *wish, const struct sizing *sizing, struct recipe *out,
                                 struct base_fault *fault) {
  const struct extent scaled = sizing->scaled, result = sizing->result;
  const bool cuts = result.width < scaled.width || result.height < scaled.height;
  const bool is_wide = result.width > IMAGE_MAX_BOX_SIDE, is_high = result.height > IMAGE_MAX_BOX_SIDE;
  const bool keeps_shape = !cuts && sizing->type != POP_IMGPROXY_FORCE;
  out->fit = IMAGE_FIT_FILL;
  if ((is_wide && is_high) || ((is_wide || is_high) && !keeps_shape)) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size",
                     "the result would be %.0f x %.0f; at most %d pixels a side are made here", result.width,
                     result.height, IMAGE_MAX_BOX_SIDE);
  }
  // A side over the limit follows from the other one.
  out->width = is_wide ? 0 : (uint32_t)result.width;
  out->height = is_high ? 0 : (uint32_t)result.height;
  if (cuts) {
    double x, y;
    place_by_gravity(&wish->gravity, scaled, result, sizing->dpr, &x, &y);
    out->fit = IMAGE_FIT_COVER;
    out->focus_x = focus_of(x, scaled.width - result.width);
    out->focus_y = focus_of(y, scaled.height - result.height);
  }
  return BASE_OK;
}

// --- pads ---

static enum base_result set_pads(const struct pop_imgproxy *wish, const struct sizing *sizing, struct recipe *out,
                                 struct base_fault *fault) {
  double pads[4];  // top, right, bottom, left
  for (int i = 0; i < 4; i++) pads[i] = floor(wish->pad[i] * sizing->dpr + 0.5);
  if (wish->extends) {
    const struct extent inner = sizing->result;
    const struct extent outer = {fmax(inner.width, sizing->target.width), fmax(inner.height, sizing->target.height)};
    double x, y;
    place_by_gravity(&wish->extend_gravity, outer, inner, sizing->dpr, &x, &y);
    x = floor(x);
    y = floor(y);
    pads[0] += y;
    pads[1] += outer.width - inner.width - x;
    pads[2] += outer.height - inner.height - y;
    pads[3] += x;
  }
  for (int i = 0; i < 4; i++) {
    if (pads[i] <= RECIPE_MAX_PAD) continue;
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size",
                     "%.0f pixels would be added on one side; at most %d are (max_pad)", pads[i], RECIPE_MAX_PAD);
  }
  out->pad_top = (uint16_t)pads[0];
  out->pad_right = (uint16_t)pads[1];
  out->pad_bottom = (uint16_t)pads[2];
  out->pad_left = (uint16_t)pads[3];
  return BASE_OK;
}

enum base_result pop_imgproxy_resolve(const struct pop_imgproxy *wish, const struct image_header *original,
                                      struct recipe *out, struct base_fault *fault) {
  const bool swaps = image_orientation_swaps(original->orientation) != image_orientation_swaps(wish->turn);
  const struct extent turned = {swaps ? original->height : original->width, swaps ? original->width : original->height};
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.turn = wish->turn;
  recipe.dpr_milli = DPR_UNIT;
  recipe.quality = wish->quality;
  recipe.format = wish->format;
  for (int i = 0; wish->has_background && i < 3; i++) recipe.background[i] = wish->background[i];
  const struct extent picture = crop(wish, turned, &recipe);
  const struct sizing sizing = size(wish, picture);
  enum base_result result = set_size(wish, &sizing, &recipe, fault);
  if (result == BASE_OK) result = set_pads(wish, &sizing, &recipe, fault);
  if (result == BASE_OK) *out = recipe;
  return result;
}

bool pop_imgproxy_is_plain(const struct pop_imgproxy *wish) {
  const struct pop_imgproxy_length *crops[] = {&wish->crop_width, &wish->crop_height};
  for (int i = 0; i < 2; i++) {
    if (crops[i]->pixels || crops[i]->share) return false;
  }
  for (int i = 0; i < 4; i++) {
    if (wish->pad[i]) return false;
  }
  return wish->type == POP_IMGPROXY_FIT && !wish->height && !wish->may_enlarge && !wish->extends &&
         !wish->gravity.is_given && !wish->has_background &&
         (!wish->quality || wish->quality == RECIPE_DEFAULT_QUALITY) && wish->turn == IMAGE_UPRIGHT &&
         !wish->has_cachebuster;
}
