// Which of the machine's devices to use, and why.
#ifndef GPU_CHOICE_H
#define GPU_CHOICE_H

#include "base/span.h"
#include "gpu/gpu.h"
#include "instance.h"

enum { GPU_MAX_DEVICES = 16 };

struct gpu_candidate {
  VkPhysicalDevice handle;
  VkPhysicalDeviceProperties properties;
  char driver[256];
  uint32_t family;  // its compute queue family
  bool is_usable;   // Vulkan 1.1 and a compute queue
};

struct gpu_candidates {
  size_t count;
  struct gpu_candidate list[GPU_MAX_DEVICES];
};

// The part of the choice that needs no Vulkan: kinds in, index out. `wanted` as in gpu_config. -1 when none fits.
int gpu_choose(const struct gpu_candidates *candidates, const char *wanted, char *reason, size_t reason_capacity);

enum base_result gpu_candidates_find(const struct gpu_instance *instance, struct gpu_candidates *out,
                                     struct base_fault *fault) BASE_CHECKED;
// One line a device.
enum base_result gpu_candidates_print(const struct gpu_candidates *candidates, struct base_buffer *out) BASE_CHECKED;

#endif
