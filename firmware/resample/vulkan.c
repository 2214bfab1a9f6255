#include "vulkan.h"

#include <stdlib.h>

#include "batch.h"

enum { WARM_SOURCE = 8, WARM_TARGET = 4 };

static const uint64_t DEFAULT_BUDGET_BYTES = 256u << 20;

// The units of some works.
struct units {
  size_t count;
  struct resample_unit *list;
};

static void finish_units(struct resample_vulkan *vulkan, struct units *units, enum base_result result) {
  for (size_t i = 0; i < units->count; i++) {
    struct resample_unit *unit = &units->list[i];
    resample_copy_give(&vulkan->pool, &unit->copy);
    if (unit->owns_target) resample_result_end_import(unit, result);
    resample_unit_finish(unit);
  }
  free(units->list);
}

// Makes the units with their weights and what can be imported. Finish them also after a failure.
static enum base_result make_units(struct resample_vulkan *vulkan, const struct resample_work *works,
                                   const enum resample_kernel *kernels, size_t count, struct units *out,
                                   struct base_fault *fault) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += works[i].part_count;
  *out = (struct units){.list = calloc(total > 0 ? total : 1, sizeof(*out->list))};
  if (!out->list) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling");
  const uint64_t most_bytes = resample_buffer_limit(vulkan, RESAMPLE_WORD_BYTES);
  for (size_t i = 0; i < count; i++) {
    for (size_t part = 0; part < works[i].part_count; part++) {
      struct resample_unit *unit = &out->list[out->count++];
      enum base_result result = resample_unit_init(unit, &works[i], part, kernels[i], fault);
      if (result == BASE_OK) result = resample_unit_weigh(unit, fault);
      if (result != BASE_OK) return result;
      unit->copy = resample_copy_import(&vulkan->pool, works[i].job->source, vulkan->imports_sources, most_bytes);
      resample_result_import(vulkan, out->list, unit);
    }
  }
  return BASE_OK;
}

enum base_result resample_vulkan_run(struct resample_vulkan *vulkan, const struct resample_work *works,
                                     const enum resample_kernel *kernels, size_t count, struct base_fault *fault) {
  struct units units;
  enum base_result result = make_units(vulkan, works, kernels, count, &units, fault);
  for (size_t done = 0; done < units.count && result == BASE_OK;) {
    const size_t gathered = resample_batch_gather(vulkan, units.list + done, units.count - done);
    if (gathered > 0) {
      result = resample_batch_run(vulkan, units.list + done, gathered, fault);
    } else {
      result = resample_bands_run(vulkan, &units.list[done], fault);
    }
    done += gathered > 0 ? gathered : 1;
  }
  finish_units(vulkan, &units, result);
  for (size_t i = 0; i < count && result == BASE_OK; i++) resample_work_fill(&works[i]);
  return result;
}

static bool part_fits(const struct resample_vulkan *vulkan, enum resample_kernel kernel,
                      const struct resample_work *work, size_t part) {
  struct resample_unit unit;
  const bool fits = resample_unit_init(&unit, work, part, kernel, NULL) == BASE_OK &&
                    (kernel != RESAMPLE_KERNEL_TILE || resample_tile_takes(vulkan, &unit)) &&
                    resample_bands_fit(vulkan, &unit);
  resample_unit_finish(&unit);
  return fits;
}

bool resample_vulkan_fits(const struct resample_vulkan *vulkan, enum resample_kernel kernel,
                          const struct resample_work *work) {
  const bool is_tile = kernel == RESAMPLE_KERNEL_TILE;
  if (is_tile ? work->source->format != IMAGE_RGBA8 : kernel != RESAMPLE_KERNEL_TWO_PASS) return false;
  for (size_t part = 0; part < work->part_count; part++) {
    if (!part_fits(vulkan, kernel, work, part)) return false;
  }
  return true;
}

// --- start and end ---

struct warm_case {
  bool is_planar, has_alpha, is_linear, converts;
  enum resample_kernel kernel;
};

static enum base_result warm_image(uint32_t side, bool is_planar, bool has_alpha, struct image **out) {
  if (!is_planar) return image_create(side, side, has_alpha, out);
  const struct image_yuv yuv = {.width = side, .height = side, .chroma_x = 2, .chroma_y = 2, .has_alpha = has_alpha};
  return image_create_yuv(&yuv, out);
}

static enum base_result warm_with(struct resample_vulkan *vulkan, const struct warm_case *warm,
                                  struct base_fault *fault) {
  const uint8_t white[4] = {255, 255, 255, 255};
  struct resample_source source = {0};
  struct resample_job job = {.source = &source,
                             .rect = {0, 0, WARM_SOURCE, WARM_SOURCE},
                             .orientation = IMAGE_UPRIGHT,
                             .width = WARM_TARGET,
                             .height = WARM_TARGET,
                             .is_linear = warm->is_linear};
  enum base_result result = warm_image(WARM_SOURCE, warm->is_planar, warm->has_alpha, &source.image);
  if (result == BASE_OK) {
    image_fill(source.image, white);
    result = warm_image(WARM_TARGET, warm->is_planar || warm->converts, warm->has_alpha, &job.target);
  }
  if (result == BASE_OK) {
    struct resample_work work;
    result = resample_work_init(&work, &job, fault);
    if (result == BASE_OK) result = resample_vulkan_run(vulkan, &work, &warm->kernel, 1, fault);
  } else {
    result = BASE_FAIL(fault, result, "", "no memory for a picture");
  }
  resample_copy_forget(&vulkan->pool, &source);
  image_unref(&job.target);
  image_unref(&source.image);
  return result;
}

// Drivers compile a kernel when it first runs: that shall not be a visitor's request.
static enum base_result warm_up(struct resample_vulkan *vulkan, struct base_fault *fault) {
  static const struct warm_case CASES[] = {
      {.is_planar = true, .kernel = RESAMPLE_KERNEL_TWO_PASS},
      {.converts = true, .kernel = RESAMPLE_KERNEL_TWO_PASS},
      {.has_alpha = true, .kernel = RESAMPLE_KERNEL_TWO_PASS},
      {.is_linear = true, .kernel = RESAMPLE_KERNEL_TWO_PASS},
      {.kernel = RESAMPLE_KERNEL_TILE},
      {.has_alpha = true, .kernel = RESAMPLE_KERNEL_TILE},
      {.is_linear = true, .kernel = RESAMPLE_KERNEL_TILE},
  };
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    const enum base_result result = warm_with(vulkan, &CASES[i], fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result resample_vulkan_create(struct gpu *gpu, uint64_t budget_bytes, bool is_warmed,
                                        struct resample_vulkan **out, struct base_fault *fault) {
  *out = NULL;
  struct resample_vulkan *vulkan = calloc(1, sizeof(*vulkan));
  if (!vulkan) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler");
  const struct gpu_info *info = gpu_get_info(gpu);
  vulkan->gpu = gpu;
  vulkan->imports_sources = info->import_alignment > 0 && !info->is_discrete;
  vulkan->imports_results = info->import_alignment > 0 && info->is_software;
  resample_pool_init(&vulkan->pool, gpu, budget_bytes > 0 ? budget_bytes : DEFAULT_BUDGET_BYTES);
  enum base_result result = resample_kernels_create(vulkan, fault);
  if (result == BASE_OK && is_warmed) result = warm_up(vulkan, fault);
  if (result != BASE_OK) {
    resample_vulkan_destroy(&vulkan);
    return result;
  }
  struct base_fault ignored = {0};
  // Without the file the next start only takes longer.
  if (gpu_save_kernels(gpu, &ignored) != BASE_OK) base_fault_clear(&ignored);
  *out = vulkan;
  return BASE_OK;
}

void resample_vulkan_destroy(struct resample_vulkan **vulkan_pointer) {
  struct resample_vulkan *vulkan = *vulkan_pointer;
  if (!vulkan) return;
  *vulkan_pointer = NULL;
  resample_copy_forget_all(&vulkan->pool);
  resample_kernels_destroy(vulkan);
  resample_pool_finish(&vulkan->pool);
  free(vulkan);
}

void resample_vulkan_forget(struct resample_vulkan *vulkan, struct resample_source *source) {
  resample_copy_forget(&vulkan->pool, source);
}

const char *resample_vulkan_source_path(const struct resample_vulkan *vulkan) {
  return vulkan->imports_sources ? "imported" : "staged";
}

const char *resample_vulkan_result_path(const struct resample_vulkan *vulkan) {
  return vulkan->imports_results ? "imported" : "staged";
}

uint64_t resample_vulkan_bytes(struct resample_vulkan *vulkan) { return resample_pool_held(&vulkan->pool); }
