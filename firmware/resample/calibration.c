#include "calibration.h"

#include <math.h>
#include <string.h>

const struct resample_case_kind resample_case_kinds[] = {
    {"2x up, RGBA", false, false, 960, 540, 1, {1920}},
    {"3.3x down, RGBA", false, false, 2000, 1500, 1, {600}},
    {"2x up, alpha", false, true, 480, 270, 1, {960}},
    {"3.3x down, alpha", false, true, 1000, 750, 1, {300}},
    {"2x up, YUV", true, false, 960, 540, 1, {1920}},
    {"2.5x down, YUV", true, false, 2000, 1336, 1, {800}},
    {"five sizes, YUV", true, false, 2000, 1336, 5, {1000, 800, 600, 400, 200}},
};
enum { KIND_COUNT = sizeof(resample_case_kinds) / sizeof(resample_case_kinds[0]) };
_Static_assert((int)KIND_COUNT <= (int)RESAMPLE_MAX_CASES, "the info has no room for the cases");
const size_t resample_case_kind_count = KIND_COUNT;

enum { LEAST_BATCH = 3 };  // more works than this at once are like the batch

static double factor_of(const struct resample_case_kind *kind) {
  return kind->source_width / (double)kind->target_widths[0];
}

// Neighbouring tiles redo too much of the horizontal pass where the picture shrinks; on a software device shared
// memory only costs.
static enum resample_kernel rule_of_thumb(const struct resample_case_kind *kind, const struct gpu_info *device) {
  const bool wants_tile = !device->is_software && !kind->is_yuv && factor_of(kind) <= 1.0;
  return wants_tile ? RESAMPLE_KERNEL_TILE : RESAMPLE_KERNEL_TWO_PASS;
}

void resample_calibration_init(struct resample_calibration *calibration, bool cpu_competes,
                               const struct gpu_info *device) {
  *calibration = (struct resample_calibration){.cpu_competes = cpu_competes};
  for (size_t i = 0; i < KIND_COUNT; i++) {
    calibration->cases[i].name = resample_case_kinds[i].name;
    calibration->cases[i].choice = cpu_competes ? RESAMPLE_KERNEL_CPU : rule_of_thumb(&resample_case_kinds[i], device);
  }
}

void resample_calibration_decide(struct resample_calibration *calibration) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    struct resample_case *one = &calibration->cases[i];
    uint64_t best = UINT64_MAX;
    for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
      const uint64_t time = one->microseconds[kernel];
      const bool competes = kernel != RESAMPLE_KERNEL_CPU || calibration->cpu_competes;
      if (time == 0 || time >= best || !competes) continue;
      best = time;
      one->choice = (enum resample_kernel)kernel;
    }
  }
  calibration->has_times = true;
}

bool resample_calibration_is_cpu_only(const struct resample_calibration *calibration) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    if (calibration->cases[i].choice != RESAMPLE_KERNEL_CPU) return false;
  }
  return true;
}

// How unlike a case a work is; the kind of picture matters more than any factor.
static double unlikeness(const struct resample_case_kind *kind, const struct resample_work *work, size_t count) {
  enum { OTHER_KIND = 1000, OTHER_COUNT = 100 };
  const struct resample_part *part = &work->parts[0];
  const double factor = sqrt(fabs(part->x.step) * fabs(part->y.step));
  double sum = fabs(log2(factor / factor_of(kind)));
  if (kind->is_yuv != (work->source->format == IMAGE_YUV)) sum += OTHER_KIND;
  if (!kind->is_yuv && kind->has_alpha != work->has_alpha) sum += OTHER_KIND;
  if ((kind->target_count > 1) != (count >= LEAST_BATCH)) sum += OTHER_COUNT;
  return sum;
}

enum resample_kernel resample_calibration_choice(const struct resample_calibration *calibration,
                                                 const struct resample_work *work, size_t count) {
  size_t best = 0;
  double least = INFINITY;
  for (size_t i = 0; i < KIND_COUNT; i++) {
    const double sum = unlikeness(&resample_case_kinds[i], work, count);
    if (!(sum < least)) continue;
    least = sum;
    best = i;
  }
  return calibration->cases[best].choice;
}
