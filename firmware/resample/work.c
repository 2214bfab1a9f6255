// From a job to the parts that are filtered: checks, clipping, and where each plane's outputs lie.
#include "work.h"

#include <math.h>
#include <string.h>

static const uint8_t NEUTRAL = 128, OPAQUE = 255;
static const double SNAP = 1e-6;  // rect edges this close to a pixel edge are on it

static double snap(double edge) {
  double nearest = round(edge);
  return fabs(edge - nearest) < SNAP ? nearest : edge;
}

// Clips [origin, origin + extent] to [0, side]. False when nothing is left (or a number is none).
static bool clip(double origin, double extent, uint32_t side, double *out_origin, double *out_extent) {
  double begin = snap(fmax(origin, 0.0));
  double end = snap(fmin(origin + extent, (double)side));
  if (isnan(origin) || !(extent > 0.0) || !(end > begin)) return false;
  *out_origin = begin;
  *out_extent = end - begin;
  return true;
}

static bool lies_within(uint32_t position, uint32_t length, uint32_t side) {
  return position <= side && length <= side - position;
}

// The target must be one that the source can be turned into.
static enum base_result check_kinds(const struct resample_job *job, const struct image *source,
                                    struct base_fault *fault) {
  const struct image *target = job->target;
  if (source->has_alpha && !target->has_alpha) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "a source with alpha needs a target with alpha");
  }
  if (source->format == IMAGE_YUV && (target->format != IMAGE_YUV || job->is_linear)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "planes are resampled to planes, and not in linear light");
  }
  if (target->format != IMAGE_YUV) return BASE_OK;
  if (target->yuv.is_grey || target->yuv.chroma_x > 2) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "a target has chroma in blocks of 1 or 2 pixels");
  }
  if (job->x % target->yuv.chroma_x != 0 || job->y % target->yuv.chroma_y != 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "(%u, %u) is not the corner of a chroma block", (unsigned)job->x,
                     (unsigned)job->y);
  }
  return BASE_OK;
}

static enum base_result check(const struct resample_job *job, const struct image *source, struct image_rect *out_rect,
                              struct base_fault *fault) {
  if (job->width == 0 || job->height == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "size", "a resampled picture has at least one pixel");
  }
  if (job->width > RESAMPLE_MAX_SIDE || job->height > RESAMPLE_MAX_SIDE || source->width > RESAMPLE_MAX_SIDE ||
      source->height > RESAMPLE_MAX_SIDE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "size", "a side is over %d", RESAMPLE_MAX_SIDE);
  }
  if (!lies_within(job->x, job->width, job->target->width) || !lies_within(job->y, job->height, job->target->height)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "%u x %u at (%u, %u) does not fit a target of %u x %u",
                     (unsigned)job->width, (unsigned)job->height, (unsigned)job->x, (unsigned)job->y,
                     (unsigned)job->target->width, (unsigned)job->target->height);
  }
  if (job->orientation < IMAGE_UPRIGHT || job->orientation > IMAGE_ROTATE_270) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "orientation", "%d is not an orientation", (int)job->orientation);
  }
  if (!clip(job->rect.x, job->rect.width, source->width, &out_rect->x, &out_rect->width) ||
      !clip(job->rect.y, job->rect.height, source->height, &out_rect->y, &out_rect->height)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "rect", "the source rectangle holds nothing of the picture");
  }
  return check_kinds(job, source, fault);
}

// Whether the results run against the source along an axis (EXIF orientations, as the picture must be turned).
static bool flips_x(enum image_orientation orientation) {
  return orientation == IMAGE_FLIP_H || orientation == IMAGE_ROTATE_180 || orientation == IMAGE_TRANSVERSE ||
         orientation == IMAGE_ROTATE_270;
}

static bool flips_y(enum image_orientation orientation) {
  return orientation == IMAGE_ROTATE_180 || orientation == IMAGE_FLIP_V || orientation == IMAGE_ROTATE_90 ||
         orientation == IMAGE_TRANSVERSE;
}

static uint32_t blocks_of(uint32_t side, unsigned block) { return (side + block - 1) / block; }

// One axis of a plane: [origin, origin + extent] of the picture becomes `outputs` pixels; a sample covers source_block
// pixels of the source and target_block of the target.
static struct resample_span make_span(enum resample_filter filter, double origin, double extent, uint32_t outputs,
                                      bool is_flipped, unsigned source_block, unsigned target_block, uint32_t side) {
  const double step = extent / outputs * target_block / source_block;
  const double begin = origin / source_block, end = (origin + extent) / source_block;
  struct resample_span span = {.filter = filter,
                               .begin = is_flipped ? end : begin,
                               .step = is_flipped ? -step : step,
                               .outputs = blocks_of(outputs, target_block)};
  // At least one sample, also where a sliver's two edges snap to the same one.
  const double first = fmin(floor(snap(begin)), side - 1.0), last = fmax(fmin(ceil(snap(end)), side), first + 1.0);
  span.first = (uint32_t)first;
  span.length = (uint32_t)(last - first);
  return span;
}

static void add_part(struct resample_work *work, const struct image_rect *rect, unsigned plane, const unsigned from[2],
                     const unsigned to[2]) {
  const struct resample_job *job = work->job;
  const struct image *source = work->source;
  struct resample_part *part = &work->parts[work->part_count++];
  // The target's blocks along the source's axes.
  const unsigned to_x = to[work->swaps], to_y = to[!work->swaps];
  *part = (struct resample_part){.plane = plane, .gain = 1.0f};
  part->x = make_span(job->filter, rect->x, rect->width, work->swaps ? job->height : job->width,
                      flips_x(job->orientation), from[0], to_x, blocks_of(source->width, from[0]));
  part->y = make_span(job->filter, rect->y, rect->height, work->swaps ? job->width : job->height,
                      flips_y(job->orientation), from[1], to_y, blocks_of(source->height, from[1]));
  part->target_x = job->x / to[0];
  part->target_y = job->y / to[1];
  part->target_width = blocks_of(job->width, to[0]);
  part->target_height = blocks_of(job->height, to[1]);
}

// ITU-T T.871's full range to BT.601's and back.
static void set_range(struct resample_part *part, enum image_range from, enum image_range to) {
  if (from == to || part->plane == IMAGE_PLANE_A) return;
  const bool is_luma = part->plane == IMAGE_PLANE_Y;
  const double span = is_luma ? 219.0 : 224.0, low = is_luma ? 16.0 : 128.0, middle = is_luma ? 0.0 : 128.0;
  const double gain = to == IMAGE_RANGE_LIMITED ? span / 255.0 : 255.0 / span;
  part->gain = (float)gain;
  part->bias = (float)(to == IMAGE_RANGE_LIMITED ? low - gain * middle : middle - gain * low);
}

static void add_planes(struct resample_work *work, const struct image_rect *rect) {
  const struct image_yuv *from = &work->source->yuv, *to = &work->target->yuv;
  const unsigned whole[2] = {1, 1};
  const unsigned from_chroma[2] = {from->chroma_x, from->chroma_y}, to_chroma[2] = {to->chroma_x, to->chroma_y};
  for (unsigned plane = 0; plane < IMAGE_MAX_PLANES; plane++) {
    const bool is_chroma = plane == IMAGE_PLANE_U || plane == IMAGE_PLANE_V;
    if (!work->source->planes[plane].samples) continue;
    add_part(work, rect, plane, is_chroma ? from_chroma : whole, is_chroma ? to_chroma : whole);
    set_range(&work->parts[work->part_count - 1], from->range, to->range);
  }
}

enum base_result resample_work_init(struct resample_work *work, const struct resample_job *job,
                                    struct base_fault *fault) {
  struct image_rect rect = {0};
  const unsigned whole[2] = {1, 1};
  const struct image *source = job->source->image;
  *work = (struct resample_work){
      .job = job, .source = source, .target = job->target, .has_alpha = source->has_alpha, .is_linear = job->is_linear};
  const enum base_result result = check(job, source, &rect, fault);
  if (result != BASE_OK) return result;
  work->swaps = image_orientation_swaps(job->orientation);
  if (source->format == IMAGE_YUV) {
    work->fills_chroma = source->yuv.is_grey;
    work->fills_alpha = job->target->has_alpha && !source->has_alpha;
    add_planes(work, &rect);
  } else {
    work->converts = job->target->format == IMAGE_YUV;
    add_part(work, &rect, 0, whole, whole);
  }
  return BASE_OK;
}

static void fill_plane(const struct resample_work *work, unsigned plane, unsigned block_x, unsigned block_y,
                       uint8_t value) {
  const struct resample_job *job = work->job;
  const struct image_plane *to = &work->target->planes[plane];
  const uint32_t width = blocks_of(job->width, block_x), height = blocks_of(job->height, block_y);
  for (uint32_t y = 0; y < height; y++) {
    memset(image_plane_row(to, job->y / block_y + y) + job->x / block_x, value, width);
  }
}

void resample_work_fill(const struct resample_work *work) {
  const struct image_yuv *yuv = &work->target->yuv;
  if (work->fills_chroma) {
    fill_plane(work, IMAGE_PLANE_U, yuv->chroma_x, yuv->chroma_y, NEUTRAL);
    fill_plane(work, IMAGE_PLANE_V, yuv->chroma_x, yuv->chroma_y, NEUTRAL);
  }
  if (work->fills_alpha) fill_plane(work, IMAGE_PLANE_A, 1, 1, OPAQUE);
}
