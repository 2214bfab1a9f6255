#include "vulkan_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"
#include "resample_oracle.h"

enum { TARGET_SEED = 99 };

// The linker puts this in gpu_run's place.
enum base_result __real_gpu_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                                struct base_fault *fault);
enum base_result __wrap_gpu_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                                struct base_fault *fault);

static atomic_uint submissions;

enum base_result __wrap_gpu_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                                struct base_fault *fault) {
  atomic_fetch_add(&submissions, 1);
  return __real_gpu_run(gpu, dispatches, count, fault);
}

int vulkan_rig_setup(void **state) {
  struct vulkan_rig *rig = calloc(1, sizeof(*rig));
  struct base_fault fault = {0};
  const struct base_log_config log_config = {.fd = 2, .level = BASE_LOG_WARN};
  rig->log = base_log_create(&log_config);
  const struct gpu_config config = {.validation = true, .abort_on_validation = true, .log = rig->log};
  if (gpu_create(&config, &rig->gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  rig->import_alignment = rig->gpu->info.import_alignment;
  rig->vulkan = vulkan_rig_machine(rig, 0, true);
  *state = rig;
  return 0;
}

int vulkan_rig_teardown(void **state) {
  struct vulkan_rig *rig = *state;
  resample_vulkan_destroy(&rig->vulkan);
  gpu_destroy(&rig->gpu);
  base_log_destroy(&rig->log);
  free(rig);
  return 0;
}

struct resample_vulkan *vulkan_rig_machine(struct vulkan_rig *rig, uint64_t budget_bytes, bool imports) {
  struct base_fault fault = {0};
  struct resample_vulkan *vulkan = NULL;
  rig->gpu->info.import_alignment = imports ? rig->import_alignment : 0;
  if (resample_vulkan_create(rig->gpu, budget_bytes, true, &vulkan, &fault) != BASE_OK) fail_msg("%s", fault.text);
  rig->gpu->info.import_alignment = rig->import_alignment;
  return vulkan;
}

struct resample_source *vulkan_source(struct image *image) {
  struct resample_source *source = calloc(1, sizeof(*source));
  atomic_init(&source->refs, 1);
  source->image = image;
  return source;
}

void vulkan_source_free(struct resample_source **source) {
  assert_null((*source)->copy);
  image_unref(&(*source)->image);
  free(*source);
  *source = NULL;
}

struct image *vulkan_source_image(enum vulkan_kind kind, uint32_t width, uint32_t height, uint64_t seed) {
  const struct image_yuv yuv = {
      .width = width, .height = height, .range = IMAGE_RANGE_FULL, .chroma_x = 2, .chroma_y = 2};
  return kind == VULKAN_PLANES ? resample_noise_yuv(&yuv, seed)
                               : resample_noise(width, height, kind != VULKAN_RGB, seed);
}

struct image *vulkan_target_image(enum vulkan_kind kind, uint32_t width, uint32_t height) {
  const struct image_yuv yuv = {.width = width,
                                .height = height,
                                .range = IMAGE_RANGE_LIMITED,
                                .chroma_x = 2,
                                .chroma_y = 2,
                                .has_alpha = kind == VULKAN_CONVERTED};
  const bool is_yuv = kind == VULKAN_PLANES || kind == VULKAN_CONVERTED;
  return is_yuv ? resample_noise_yuv(&yuv, TARGET_SEED)
                : resample_noise(width, height, kind == VULKAN_RGBA, TARGET_SEED);
}

struct resample_job vulkan_job(struct resample_source *source, enum vulkan_kind kind, uint32_t width, uint32_t height) {
  return (struct resample_job){.source = source,
                               .rect = {0, 0, source->image->width, source->image->height},
                               .orientation = IMAGE_UPRIGHT,
                               .width = width,
                               .height = height,
                               .target = vulkan_target_image(kind, width, height),
                               .kernel = RESAMPLE_KERNEL_TWO_PASS};
}

enum base_result vulkan_try(struct resample_vulkan *vulkan, const struct resample_job *jobs, size_t count,
                            struct base_fault *fault) {
  struct resample_work *works = calloc(count, sizeof(*works));
  enum resample_kernel *kernels = calloc(count, sizeof(*kernels));
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = resample_work_init(&works[i], &jobs[i], fault);
    kernels[i] = jobs[i].kernel;
  }
  if (result == BASE_OK) result = resample_vulkan_run(vulkan, works, kernels, count, fault);
  free(kernels);
  free(works);
  return result;
}

unsigned vulkan_run(struct resample_vulkan *vulkan, const struct resample_job *jobs, size_t count) {
  struct base_fault fault = {0};
  const unsigned before = atomic_load(&submissions);
  if (vulkan_try(vulkan, jobs, count, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return atomic_load(&submissions) - before;
}

bool vulkan_fits(struct resample_vulkan *vulkan, const struct resample_job *job) {
  struct resample_work work;
  struct base_fault fault = {0};
  if (resample_work_init(&work, job, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return resample_vulkan_fits(vulkan, job->kernel, &work);
}

static void assert_same_rows(const uint8_t *a, size_t a_stride, const uint8_t *b, size_t b_stride, size_t bytes,
                             uint32_t rows, unsigned plane) {
  for (uint32_t y = 0; y < rows; y++) {
    if (memcmp(a + y * a_stride, b + y * b_stride, bytes) != 0)
      fail_msg("row %u of plane %u differs", (unsigned)y, plane);
  }
}

void vulkan_assert_same(const struct image *a, const struct image *b) {
  if (a->format == IMAGE_RGBA8) {
    assert_same_rows(a->pixels, a->stride_bytes, b->pixels, b->stride_bytes, (size_t)a->width * 4, a->height, 0);
    return;
  }
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *p = &a->planes[i], *q = &b->planes[i];
    assert_same_rows(p->samples, p->stride_bytes, q->samples, q->stride_bytes, p->width, p->height, i);
  }
}

void vulkan_assert_right(const struct resample_job *job) {
  struct resample_oracle *oracle = resample_oracle_create(job);
  const struct resample_difference worst = resample_oracle_compare(oracle, job);
  resample_oracle_destroy(&oracle);
  if (worst.steps > 1) {
    fail_msg("%u x %u -> %u x %u is %d steps off: channel %u at (%u, %u) is %u, not %.3f",
             (unsigned)job->source->image->width, (unsigned)job->source->image->height, (unsigned)job->width,
             (unsigned)job->height, worst.steps, worst.channel, (unsigned)worst.x, (unsigned)worst.y,
             (unsigned)worst.found, worst.expected);
  }
}
