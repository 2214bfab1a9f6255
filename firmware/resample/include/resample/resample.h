// The resampler: separable polynomial filters on the GPU, exact weight tables, alpha premultiplied, mirrored edges.
//
// `render` uses it. Thread-safe: calls from several threads are interleaved on the device.
//
// What "right" is: double precision, filter widened by the scale on downscale, sample centres at (i + 0.5) * scale,
// taps that fall outside the source rectangle (its whole pixels: floor of the left and top edge to ceil of the right
// and bottom one) add their weight to the mirrored sample (edge sample repeated: -1 -> 0, -2 -> 1). With alpha the
// filter runs on premultiplied colour, which is divided by the filtered alpha before either is clamped; alpha 0 gives
// colour 0. Every kernel is within one 8-bit step of that.
#ifndef RESAMPLE_RESAMPLE_H
#define RESAMPLE_RESAMPLE_H

#include "base/trace.h"
#include "gpu/gpu.h"
#include "image/geometry.h"
#include "image/image.h"

enum resample_filter {
  RESAMPLE_BICUBIC,   // Keys, a = -0.5 (R. Keys, 1981)
  RESAMPLE_MITCHELL,  // B = C = 1/3 (Mitchell and Netravali, 1988)
  RESAMPLE_LANCZOS3,
};

enum resample_kernel {
  RESAMPLE_KERNEL_AUTO,
  RESAMPLE_KERNEL_TWO_PASS,  // vertical, then horizontal, through a 16-bit fixed-point (alpha: float) intermediate
  RESAMPLE_KERNEL_TILE,      // both in one dispatch through a shared-memory tile
};

struct resample_job {
  const struct image *source;          // borrowed
  struct image_rect rect;              // in pixels of `source`; fractions allowed; clipped to it
  enum image_orientation orientation;  // source -> target
  uint32_t width, height;              // of the resampled picture, after orientation
  struct image *target;                // borrowed, written at (x, y); nothing else of it is touched
  uint32_t x, y;
  enum resample_filter filter;
  enum resample_kernel kernel;  // AUTO: the device's better one for this job
};

struct resampler;

// Builds the kernels on `gpu` (borrowed) and warms them up. `budget_bytes` bounds device memory in use at once (0: 256
// MiB); larger pictures go through it in bands and strips.
enum base_result resample_create(struct gpu *gpu, uint64_t budget_bytes, struct resampler **out,
                                 struct base_fault *fault) BASE_CHECKED;
void resample_destroy(struct resampler **resampler);
// Runs n jobs. All are checked before the first runs, so that a wrong one leaves every target alone; a failure of the
// device leaves the targets' rectangles undefined. has_alpha of the targets must be set by the caller (a source with
// alpha needs a target with alpha). BASE_BAD_INPUT for a target too small or an empty rect; BASE_TOO_LARGE for sides
// over 65,000 pixels or a budget that not even the smallest band fits; BASE_DEVICE, BASE_TIMEOUT, BASE_NO_MEMORY from
// below.
enum base_result resample_run(struct resampler *resampler, const struct resample_job *jobs, size_t count,
                              struct base_fault *fault) BASE_CHECKED;
// The kernel that will run a job, for logs and tests: what AUTO means for it, and two-pass in place of a tile kernel
// that cannot take it (very large factors, a very small budget).
enum resample_kernel resample_choice(const struct resampler *resampler, const struct resample_job *job);
const char *resample_kernel_name(enum resample_kernel kernel);

#endif
