// Which kernel is the fastest for what: a few cases, measured once on a device and remembered by device and driver.
//
// Part of the room's front. Filled at start, only read afterwards.
#ifndef RESAMPLE_CALIBRATION_H
#define RESAMPLE_CALIBRATION_H

#include <stdatomic.h>

#include "vulkan.h"

// Raised when a kernel changes its speed, so that what is remembered is measured again.
enum { RESAMPLE_KERNELS_VERSION = 2 };
enum { RESAMPLE_CASE_TARGETS = 5 };

// What a case measures and which jobs are like it.
struct resample_case_kind {
  const char *name;
  bool is_yuv, has_alpha;
  uint32_t source_width, source_height;
  size_t target_count;  // 1, or a batch of one source
  uint32_t target_widths[RESAMPLE_CASE_TARGETS];
};

extern const struct resample_case_kind resample_case_kinds[];
extern const size_t resample_case_kind_count;

struct resample_calibration {
  bool cpu_competes;   // AUTO may choose the CPU
  bool has_times;      // false: choices are rules of thumb
  bool is_remembered;  // from the file
  struct resample_case cases[RESAMPLE_MAX_CASES];
};

// Names the cases and sets choices without times: Vulkan's by the rules of thumb, or the CPU.
void resample_calibration_init(struct resample_calibration *calibration, bool cpu_competes,
                               const struct gpu_info *device);
// Sets the choices by the times.
void resample_calibration_decide(struct resample_calibration *calibration);
// Runs the cases on the machine and the CPU, in some 300 ms where the device is quick. On a failure the rules of thumb
// stay; BASE_DEVICE and BASE_TIMEOUT as those of resample_vulkan_run. BASE_CANCELLED soon after *is_stopping is set.
enum base_result resample_calibration_measure(struct resample_calibration *calibration, struct resample_vulkan *vulkan,
                                              const struct gpu_info *device, const atomic_bool *is_stopping,
                                              struct base_fault *fault) BASE_CHECKED;
// Takes the times from the folder's file for the device. False when there is none that holds for it.
bool resample_calibration_load(struct resample_calibration *calibration, const char *folder,
                               const struct gpu_info *device) BASE_CHECKED;
enum base_result resample_calibration_save(const struct resample_calibration *calibration, const char *folder,
                                           const struct gpu_info *device, struct base_fault *fault) BASE_CHECKED;
// The kernel for a work that runs among `count` of the same picture.
enum resample_kernel resample_calibration_choice(const struct resample_calibration *calibration,
                                                 const struct resample_work *work, size_t count);
bool resample_calibration_is_cpu_only(const struct resample_calibration *calibration);

#endif
