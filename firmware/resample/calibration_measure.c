// Measuring: every case on every kernel, the median of a few runs after one that warms up.
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "calibration.h"
#include "cpu.h"

enum { RUNS = 3 };
enum { BUDGET_MS = 300 };  // afterwards a kernel runs only once in a case
// A kernel this many times slower than the best one is not run again in a case: after the warm-up, after a run.
enum { FAR_OFF = 6, SLOWER = 3 };
enum { SOFTWARE_SHRINK = 2 };  // of the cases' sides: a software device takes long, and smaller ones tell as much

struct bench {
  struct resample_vulkan *vulkan;
  bool cpu_competes;
  uint32_t shrink;
  uint64_t deadline_us;
  bool is_hopeless[RESAMPLE_KERNEL_COUNT];  // so far behind in one case that the others are not worth the time
  // The case at hand.
  struct resample_source source;
  size_t count;
  struct resample_job jobs[RESAMPLE_CASE_TARGETS];
  struct resample_work works[RESAMPLE_CASE_TARGETS];
};

static uint64_t now_us(void) { return base_clock_us(base_clock_system()); }

// --- a case's pictures ---

static enum base_result make_picture(const struct resample_case_kind *kind, uint32_t width, enum image_range range,
                                     struct image **out) {
  const double ratio = kind->source_height / (double)kind->source_width;
  const uint32_t height = (uint32_t)fmax(round(width * ratio), 1.0);
  const struct image_yuv yuv = {width, height, range, 2, 2, false, false};
  return kind->is_yuv ? image_create_yuv(&yuv, out) : image_create(width, height, kind->has_alpha, out);
}

static enum base_result set_up(struct bench *bench, const struct resample_case_kind *kind, struct base_fault *fault) {
  static const uint8_t colour[4] = {180, 120, 60, 255};
  const uint32_t source_width = kind->source_width / bench->shrink;
  enum base_result result = make_picture(kind, source_width, IMAGE_RANGE_FULL, &bench->source.image);
  if (result == BASE_OK) image_fill(bench->source.image, colour);
  for (bench->count = 0; result == BASE_OK && bench->count < kind->target_count; bench->count++) {
    struct image *target = NULL;
    const uint32_t width = kind->target_widths[bench->count] / bench->shrink;
    result = make_picture(kind, width, IMAGE_RANGE_LIMITED, &target);
    if (result != BASE_OK) break;
    bench->jobs[bench->count] = (struct resample_job){.source = &bench->source,
                                                      .rect = {0, 0, source_width, bench->source.image->height},
                                                      .orientation = IMAGE_UPRIGHT,
                                                      .width = target->width,
                                                      .height = target->height,
                                                      .target = target};
    result = resample_work_init(&bench->works[bench->count], &bench->jobs[bench->count], fault);
  }
  return result == BASE_OK ? BASE_OK
                           : BASE_FAIL(fault, result, "calibration", "no memory for pictures to measure with");
}

static void tear_down(struct bench *bench) {
  if (bench->source.copy) resample_vulkan_forget(bench->vulkan, &bench->source);
  for (size_t i = 0; i < RESAMPLE_CASE_TARGETS; i++) image_unref(&bench->jobs[i].target);
  image_unref(&bench->source.image);
}

// --- times ---

static bool takes_case(const struct bench *bench, enum resample_kernel kernel) {
  if (bench->is_hopeless[kernel]) return false;
  if (kernel == RESAMPLE_KERNEL_CPU) return true;
  for (size_t i = 0; i < bench->count; i++) {
    if (!resample_vulkan_fits(bench->vulkan, kernel, &bench->works[i])) return false;
  }
  return true;
}

static enum base_result run_once(struct bench *bench, enum resample_kernel kernel, uint64_t *out_us,
                                 struct base_fault *fault) {
  enum resample_kernel kernels[RESAMPLE_CASE_TARGETS];
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < bench->count; i++) kernels[i] = kernel;
  const uint64_t begin_us = now_us();
  if (kernel != RESAMPLE_KERNEL_CPU) {
    result = resample_vulkan_run(bench->vulkan, bench->works, kernels, bench->count, fault);
  }
  for (size_t i = 0; kernel == RESAMPLE_KERNEL_CPU && i < bench->count && result == BASE_OK; i++) {
    result = resample_cpu_run(&bench->works[i], fault);
  }
  const uint64_t time_us = now_us() - begin_us;
  *out_us = time_us > 0 ? time_us : 1;
  return result;
}

static int compare(const void *a, const void *b) {
  const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return (left > right) - (left < right);
}

// `best_us` is the fastest competitor's time so far, or 0.
static enum base_result time_kernel(struct bench *bench, enum resample_kernel kernel, uint64_t best_us,
                                    uint64_t *out_us, struct base_fault *fault) {
  uint64_t times[RUNS];
  enum base_result result = run_once(bench, kernel, out_us, fault);
  const bool is_far_off = best_us > 0 && *out_us > best_us * FAR_OFF;
  if (result != BASE_OK || is_far_off || now_us() > bench->deadline_us) return result;
  for (size_t i = 0; i < RUNS; i++) {
    result = run_once(bench, kernel, &times[i], fault);
    if (result != BASE_OK) return result;
    qsort(times, i + 1, sizeof(times[0]), compare);
    *out_us = times[i / 2];
    if (best_us > 0 && *out_us > best_us * SLOWER) return BASE_OK;
  }
  return BASE_OK;
}

// The CPU first where it competes, so that a slow device is given up early; else last, for people to compare.
static enum base_result time_case(struct bench *bench, struct resample_case *one, struct base_fault *fault) {
  static const enum resample_kernel with_cpu[] = {RESAMPLE_KERNEL_CPU, RESAMPLE_KERNEL_TWO_PASS, RESAMPLE_KERNEL_TILE};
  static const enum resample_kernel without_cpu[] = {RESAMPLE_KERNEL_TWO_PASS, RESAMPLE_KERNEL_TILE,
                                                     RESAMPLE_KERNEL_CPU};
  const enum resample_kernel *order = bench->cpu_competes ? with_cpu : without_cpu;
  uint64_t best_us = 0;
  for (size_t i = 0; i < sizeof(with_cpu) / sizeof(with_cpu[0]); i++) {
    const enum resample_kernel kernel = order[i];
    if (!takes_case(bench, kernel)) continue;
    uint64_t *time_us = &one->microseconds[kernel];
    const enum base_result result = time_kernel(bench, kernel, best_us, time_us, fault);
    if (result != BASE_OK) return result;
    bench->is_hopeless[kernel] = best_us > 0 && *time_us > best_us * FAR_OFF;
    if (best_us == 0 || *time_us < best_us) best_us = *time_us;
  }
  return BASE_OK;
}

enum base_result resample_calibration_measure(struct resample_calibration *calibration, struct resample_vulkan *vulkan,
                                              const struct gpu_info *device, const atomic_bool *is_stopping,
                                              struct base_fault *fault) {
  struct resample_calibration measured = *calibration;
  enum base_result result = BASE_OK;
  struct bench bench = {.vulkan = vulkan,
                        .cpu_competes = calibration->cpu_competes,
                        .shrink = device->is_software ? SOFTWARE_SHRINK : 1,
                        .deadline_us = now_us() + BUDGET_MS * 1000ULL};
  for (size_t i = 0; i < resample_case_kind_count && result == BASE_OK; i++) {
    result = set_up(&bench, &resample_case_kinds[i], fault);
    if (atomic_load(is_stopping)) result = BASE_FAIL(fault, BASE_CANCELLED, "", "nobody needs the times any more");
    if (result == BASE_OK) result = time_case(&bench, &measured.cases[i], fault);
    tear_down(&bench);
  }
  if (result != BASE_OK) return result;
  *calibration = measured;
  resample_calibration_decide(calibration);
  return BASE_OK;
}
