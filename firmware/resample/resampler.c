#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "work.h"

static const uint64_t DEFAULT_BUDGET_BYTES = 256u << 20;
static const double SNAP = 1e-6;            // rect edges this close to a pixel edge are on it
static const double TILE_MOST_SCALE = 2.0;  // above, neighbouring tiles redo too much of the horizontal pass
enum { WARM_SOURCE = 8, WARM_TARGET = 4 };

static const struct resample_backend *const BACKENDS[] = {&resample_two_pass, &resample_tile};
enum { BACKEND_COUNT = sizeof(BACKENDS) / sizeof(BACKENDS[0]) };

const char *resample_kernel_name(enum resample_kernel kernel) {
  for (size_t i = 0; i < BACKEND_COUNT; i++) {
    if (BACKENDS[i]->kernel == kernel) return BACKENDS[i]->name;
  }
  return "auto";
}

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

static enum base_result check(const struct resample_job *job, struct image_rect *out_rect, struct base_fault *fault) {
  const struct image *source = job->source;
  if (job->width == 0 || job->height == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "size", "a resampled picture has at least one pixel");
  }
  if (job->width > RESAMPLE_MAX_SIDE || job->height > RESAMPLE_MAX_SIDE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "size", "a resampled side is over %d", RESAMPLE_MAX_SIDE);
  }
  if (!lies_within(job->x, job->width, job->target->width) || !lies_within(job->y, job->height, job->target->height)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "%u x %u at (%u, %u) does not fit a target of %u x %u",
                     (unsigned)job->width, (unsigned)job->height, (unsigned)job->x, (unsigned)job->y,
                     (unsigned)job->target->width, (unsigned)job->target->height);
  }
  if (source->has_alpha && !job->target->has_alpha) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "target", "a source with alpha needs a target with alpha");
  }
  if (job->orientation < IMAGE_UPRIGHT || job->orientation > IMAGE_ROTATE_270) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "orientation", "%d is not an orientation", (int)job->orientation);
  }
  if (!clip(job->rect.x, job->rect.width, source->width, &out_rect->x, &out_rect->width) ||
      !clip(job->rect.y, job->rect.height, source->height, &out_rect->y, &out_rect->height)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "rect", "the source rectangle holds nothing of the picture");
  }
  return BASE_OK;
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

static void finish_work(struct resample_work *work) {
  resample_blocks_finish(&work->x_blocks);
  resample_blocks_finish(&work->y_blocks);
  resample_axis_finish(&work->x);
  resample_axis_finish(&work->y);
}

// Checks the job and makes its weights. Finish the work also after a failure.
static enum base_result prepare_work(struct resample_work *work, const struct resample_job *job,
                                     struct base_fault *fault) {
  *work = (struct resample_work){.job = job, .has_alpha = job->source->has_alpha};
  struct image_rect rect = {0};
  enum base_result result = check(job, &rect, fault);
  if (result != BASE_OK) return result;
  work->swaps = job->orientation >= IMAGE_TRANSPOSE;
  uint32_t x_outputs = work->swaps ? job->height : job->width;
  uint32_t y_outputs = work->swaps ? job->width : job->height;
  result = resample_axis_init(&work->x, job->filter, rect.x, rect.width, x_outputs, flips_x(job->orientation), fault);
  if (result != BASE_OK) return result;
  result = resample_axis_init(&work->y, job->filter, rect.y, rect.height, y_outputs, flips_y(job->orientation), fault);
  if (result != BASE_OK) return result;
  result = resample_blocks_init(&work->x_blocks, &work->x, fault);
  if (result != BASE_OK) return result;
  return resample_blocks_init(&work->y_blocks, &work->y, fault);
}

static const struct resample_backend *choose(const struct resampler *resampler, const struct resample_work *work) {
  enum resample_kernel wish = work->job->kernel;
  if (wish == RESAMPLE_KERNEL_AUTO) {
    double x_scale = work->x.length / (double)work->x.outputs;
    double y_scale = work->y.length / (double)work->y.outputs;
    bool is_software = gpu_get_info(resampler->gpu)->is_software;
    bool wants_tile = !is_software && fmax(x_scale, y_scale) <= TILE_MOST_SCALE;
    wish = wants_tile ? RESAMPLE_KERNEL_TILE : RESAMPLE_KERNEL_TWO_PASS;
  }
  if (wish == RESAMPLE_KERNEL_TILE && resample_tile.fits(resampler, work)) return &resample_tile;
  return &resample_two_pass;
}

enum resample_kernel resample_choice(const struct resampler *resampler, const struct resample_job *job) {
  struct resample_work work;
  enum resample_kernel kernel = RESAMPLE_KERNEL_TWO_PASS;
  if (prepare_work(&work, job, NULL) == BASE_OK) kernel = choose(resampler, &work)->kernel;
  finish_work(&work);
  return kernel;
}

enum base_result resample_run(struct resampler *resampler, const struct resample_job *jobs, size_t count,
                              struct base_fault *fault) {
  struct resample_work *works = calloc(count > 0 ? count : 1, sizeof(*works));
  if (!works) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling");
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = prepare_work(&works[i], &jobs[i], fault);
    if (result == BASE_OK && !choose(resampler, &works[i])->fits(resampler, &works[i])) {
      result = BASE_FAIL(fault, BASE_TOO_LARGE, "budget", "the GPU's memory budget is too small for this picture");
    }
  }
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = choose(resampler, &works[i])->run(resampler, &works[i], fault);
  }
  for (size_t i = 0; i < count; i++) finish_work(&works[i]);
  free(works);
  return result;
}

// Drivers compile a kernel when it first runs: that shall not be a visitor's request.
static enum base_result warm_up(struct resampler *resampler, struct base_fault *fault) {
  uint8_t from[WARM_SOURCE * WARM_SOURCE * 4] = {0};
  uint8_t to[WARM_TARGET * WARM_TARGET * 4];
  for (unsigned i = 0; i < 2 * BACKEND_COUNT; i++) {
    bool has_alpha = i % 2 != 0;
    struct image source = {.width = WARM_SOURCE,
                           .height = WARM_SOURCE,
                           .stride_bytes = WARM_SOURCE * 4,
                           .has_alpha = has_alpha,
                           .pixels = from,
                           .bytes = sizeof(from)};
    struct image target = {.width = WARM_TARGET,
                           .height = WARM_TARGET,
                           .stride_bytes = WARM_TARGET * 4,
                           .has_alpha = has_alpha,
                           .pixels = to,
                           .bytes = sizeof(to)};
    const struct resample_job job = {.source = &source,
                                     .rect = {0, 0, WARM_SOURCE, WARM_SOURCE},
                                     .orientation = IMAGE_UPRIGHT,
                                     .width = WARM_TARGET,
                                     .height = WARM_TARGET,
                                     .target = &target,
                                     .kernel = BACKENDS[i / 2]->kernel};
    enum base_result result = resample_run(resampler, &job, 1, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result resample_create(struct gpu *gpu, uint64_t budget_bytes, struct resampler **out,
                                 struct base_fault *fault) {
  *out = NULL;
  struct resampler *resampler = calloc(1, sizeof(*resampler));
  if (!resampler) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler");
  resampler->gpu = gpu;
  resample_pool_init(&resampler->pool, gpu, budget_bytes > 0 ? budget_bytes : DEFAULT_BUDGET_BYTES);
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < BACKEND_COUNT && result == BASE_OK; i++) result = BACKENDS[i]->create(resampler, fault);
  if (result == BASE_OK) result = warm_up(resampler, fault);
  if (result != BASE_OK) {
    resample_destroy(&resampler);
    return result;
  }
  struct base_fault ignored = {0};
  // Without the file the next start only takes longer.
  if (gpu_save_kernels(gpu, &ignored) != BASE_OK) base_fault_clear(&ignored);
  *out = resampler;
  return BASE_OK;
}

void resample_destroy(struct resampler **resampler_pointer) {
  struct resampler *resampler = *resampler_pointer;
  if (!resampler) return;
  *resampler_pointer = NULL;
  for (size_t i = BACKEND_COUNT; i-- > 0;) BACKENDS[i]->destroy(resampler);
  resample_pool_finish(&resampler->pool);
  free(resampler);
}
