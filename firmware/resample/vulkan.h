// The Vulkan machine: kernels, buffers and copies of sources on one device. It knows nothing of losing devices: the
// room's front makes a new one.
#ifndef RESAMPLE_VULKAN_H
#define RESAMPLE_VULKAN_H

#include "work.h"

struct resample_vulkan;

// Builds the kernels on `gpu` (borrowed), and warms them up if asked.
enum base_result resample_vulkan_create(struct gpu *gpu, uint64_t budget_bytes, bool is_warmed,
                                        struct resample_vulkan **out, struct base_fault *fault) BASE_CHECKED;
// Takes every source's copy away (source->copy becomes NULL). No run may be under way.
void resample_vulkan_destroy(struct resample_vulkan **vulkan);
// Whether the kernel (TWO_PASS or TILE) can run the work within the budget.
bool resample_vulkan_fits(const struct resample_vulkan *vulkan, enum resample_kernel kernel,
                          const struct resample_work *work);
// Runs n works with the kernels named beside them, in as few submissions as the budget allows: all first passes, one
// barrier, all second passes, conversions. BASE_DEVICE, BASE_TIMEOUT, BASE_NO_MEMORY, BASE_TOO_LARGE.
enum base_result resample_vulkan_run(struct resample_vulkan *vulkan, const struct resample_work *works,
                                     const enum resample_kernel *kernels, size_t count,
                                     struct base_fault *fault) BASE_CHECKED;
// Gives up the device's copy of a source; nothing when there is none.
void resample_vulkan_forget(struct resample_vulkan *vulkan, struct resample_source *source);
// "imported" or "staged": what most sources and results do on this device.
const char *resample_vulkan_source_path(const struct resample_vulkan *vulkan);
const char *resample_vulkan_result_path(const struct resample_vulkan *vulkan);
uint64_t resample_vulkan_bytes(struct resample_vulkan *vulkan);

#endif
