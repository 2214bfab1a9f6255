// A Vulkan instance and, when asked for, the validation layer reporting into a counter.
#ifndef GPU_INSTANCE_H
#define GPU_INSTANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "vulkan.h"

// What the validation layer said; lives as long as the instance.
struct gpu_validation {
  bool abort_on_message;
  struct base_log *log;
  atomic_uint_fast64_t messages;
};

struct gpu_instance {
  struct gpu_vulkan vk;
  VkInstance handle;
  VkDebugUtilsMessengerEXT messenger;
};

// `validation` NULL: no layer. BASE_DEVICE when there is no loader, no driver, or no layer that was asked for.
enum base_result gpu_instance_init(struct gpu_instance *instance, struct gpu_validation *validation,
                                   struct base_fault *fault) BASE_CHECKED;
void gpu_instance_finish(struct gpu_instance *instance);

#endif
