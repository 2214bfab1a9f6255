// The resampler: separable polynomial filters on the GPU or, where there is none that is faster, on the CPU; exact
// weights, alpha premultiplied, mirrored edges.
//
// `render` uses it. Thread-safe: calls from several threads are interleaved on the device.
//
// What "right" is: double precision, filter widened by the scale on downscale, sample centres at (i + 0.5) * scale,
// taps that fall outside the source rectangle (its whole samples: floor of the left and top edge to ceil of the right
// and bottom one) add their weight to the mirrored sample (edge sample repeated: -1 -> 0, -2 -> 1). With alpha the
// filter runs on premultiplied colour, which is divided by the filtered alpha before either is clamped; alpha 0 gives
// colour 0. Planes are filtered each for itself: a chroma plane's rectangle is the picture's divided by its block, and
// its outputs' centres are those of the target's blocks. Every kernel is within one 8-bit step of that.
//
// A device that is lost or hangs costs nobody a picture: the jobs are run again on the device made anew, or on the CPU.
#ifndef RESAMPLE_RESAMPLE_H
#define RESAMPLE_RESAMPLE_H

#include "base/log.h"
#include "base/metrics.h"
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
  RESAMPLE_KERNEL_TILE,      // both in one dispatch through a shared-memory tile; RGBA8 only
  RESAMPLE_KERNEL_CPU,       // zimg
  RESAMPLE_KERNEL_COUNT
};

// Which kernels AUTO may choose from.
enum resample_mode {
  RESAMPLE_MODE_AUTO,    // a hardware GPU's; else the faster of the software device and the CPU, by measurement
  RESAMPLE_MODE_VULKAN,  // only a Vulkan device's (the CPU still stands in while a lost one comes back)
  RESAMPLE_MODE_CPU,     // no device is opened
};

struct resample_config {
  enum resample_mode mode;
  struct gpu_config gpu;           // of the device to open; not looked at with RESAMPLE_MODE_CPU
  uint64_t budget_bytes;           // device memory in use at once, copies of sources included; 0: 256 MiB
  const char *calibration_folder;  // where measured times are remembered by device and driver; NULL: nowhere
  bool is_unmeasured;              // every job will name its kernel: no time is spent on measuring them
  bool is_cold;                    // kernels are compiled by the first jobs that need them, not before
  bool is_background;              // the device waits for resample_open
  // With is_background: called once, from a thread, with what resample_create would else have failed with. NULL: that
  // is logged.
  void (*failed)(void *self, const struct base_fault *fault);
  void *failed_self;
  const struct base_clock *clock;  // NULL: the system's
  struct base_log *log;
  struct base_metrics *metrics;
};

struct resampler;

// Opens the device, builds its kernels and warms them up (unless is_cold), measures them where nothing is remembered
// (some 100 ms). BASE_DEVICE only with RESAMPLE_MODE_VULKAN or a device that was named: else AUTO goes on with the CPU
// and says so in the log. With is_background all that is left to resample_open.
enum base_result resample_create(const struct resample_config *config, struct resampler **out,
                                 struct base_fault *fault) BASE_CHECKED;
// Begins, once, to do in a thread what a resample_create with is_background left out; a driver may take seconds. Until
// it is over, also before the call, jobs of RESAMPLE_MODE_AUTO run on the CPU and those of RESAMPLE_MODE_VULKAN wait:
// they fail with what the opening failed with. BASE_NO_MEMORY: no thread.
enum base_result resample_open(struct resampler *resampler, struct base_fault *fault) BASE_CHECKED;
// Before the end: nothing waits any more for a device that is being opened or was lost, and measuring breaks off. Where
// RESAMPLE_MODE_VULKAN has no device yet, jobs that wait and those that come fail with BASE_BUSY; all others run.
void resample_stop(struct resampler *resampler);
// Every source must be gone. Waits for a driver that is being opened.
void resample_destroy(struct resampler **resampler);

// A picture to resample from, ref-counted, with what the device keeps of it: the first job brings it there, later ones
// find it. The picture itself is held as long, so that a lost device can be given it again.
struct resample_source;
// Takes a reference to `image`, which may not change any more.
enum base_result resample_source_create(struct resampler *resampler, struct image *image, struct resample_source **out,
                                        struct base_fault *fault) BASE_CHECKED;
struct resample_source *resample_source_ref(struct resample_source *source);
void resample_source_unref(struct resample_source **source);
struct image *resample_source_image(const struct resample_source *source);

struct resample_job {
  struct resample_source *source;      // borrowed
  struct image_rect rect;              // in pixels of the source; fractions allowed; clipped to it
  enum image_orientation orientation;  // source -> target
  uint32_t width, height;              // of the resampled picture, after orientation
  // Borrowed, written at (x, y); nothing else of it is touched. From RGBA8: RGBA8, or YUV with chroma blocks of 1 or 2;
  // from YUV: YUV of either range. x and y are multiples of the target's chroma block.
  struct image *target;
  uint32_t x, y;
  enum resample_filter filter;
  bool is_linear;  // filters linear light (sRGB transfer function undone and done again); RGBA8 sources only
  enum resample_kernel kernel;  // AUTO: the fastest one for this job
};

// Runs n jobs, on a device in one submission where its memory allows. All are checked before the first runs, so that a
// wrong one leaves every target alone; any other failure leaves the targets' rectangles undefined. has_alpha of the
// targets must be set by the caller (a source with alpha needs a target with alpha). BASE_BAD_INPUT for a target too
// small or of the wrong kind or an empty rect; BASE_TOO_LARGE for sides over 65,000 pixels or a budget that not even
// the smallest band fits; BASE_NO_MEMORY from below; BASE_BUSY after resample_stop.
enum base_result resample_run(struct resampler *resampler, const struct resample_job *jobs, size_t count,
                              struct base_fault *fault) BASE_CHECKED;
// The kernel that will run a job, for logs and tests: what AUTO means for it, and two-pass in place of a tile kernel
// that cannot take it (planes, very large factors, a very small budget).
enum resample_kernel resample_choice(struct resampler *resampler, const struct resample_job *job);
const char *resample_kernel_name(enum resample_kernel kernel);

// --- what `pixpop device` and the metrics show ---

enum { RESAMPLE_MAX_CASES = 8 };

struct resample_case {
  const char *name;  // "2x up, RGBA"
  // Median of a few runs; 0: the kernel does not take the case or was not measured.
  uint64_t microseconds[RESAMPLE_KERNEL_COUNT];
  enum resample_kernel choice;  // of AUTO for jobs like this one
};

struct resample_info {
  enum resample_mode mode;
  bool has_device;          // one is open now
  bool is_opening;          // see resample_open
  bool is_lost;             // one was, and the CPU stands in for it
  struct gpu_info device;   // of the open or lost one
  const char *source_path;  // how sources reach the kernels: "imported", "staged", "host memory"
  const char *result_path;  // how results come back, the same words
  char reason[160];         // why AUTO chose as it did, for people
  uint64_t losses, recoveries;
  uint64_t device_bytes, budget_bytes;
  bool is_calibration_remembered;  // read from the folder, not measured at this start
  size_t case_count;
  struct resample_case cases[RESAMPLE_MAX_CASES];
};

void resample_get_info(struct resampler *resampler, struct resample_info *out);

#endif
