// The Vulkan functions this room calls, loaded at run time, so that a box without libvulkan can say so clearly.
#ifndef GPU_VULKAN_H
#define GPU_VULKAN_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <stdbool.h>

#include "base/result.h"

#define GPU_LOADER_FUNCTIONS(X)       \
  X(EnumerateInstanceVersion)         \
  X(EnumerateInstanceLayerProperties) \
  X(CreateInstance)

#define GPU_INSTANCE_FUNCTIONS(X)              \
  X(DestroyInstance)                           \
  X(EnumeratePhysicalDevices)                  \
  X(EnumerateDeviceExtensionProperties)        \
  X(GetPhysicalDeviceExternalBufferProperties) \
  X(GetPhysicalDeviceProperties2)              \
  X(GetPhysicalDeviceFeatures)                 \
  X(GetPhysicalDeviceQueueFamilyProperties)    \
  X(GetPhysicalDeviceMemoryProperties)         \
  X(CreateDevice)                              \
  X(GetDeviceProcAddr)

#define GPU_DEVICE_FUNCTIONS(X)   \
  X(DestroyDevice)                \
  X(GetDeviceQueue)               \
  X(CreateBuffer)                 \
  X(DestroyBuffer)                \
  X(GetBufferMemoryRequirements)  \
  X(BindBufferMemory)             \
  X(AllocateMemory)               \
  X(FreeMemory)                   \
  X(MapMemory)                    \
  X(FlushMappedMemoryRanges)      \
  X(InvalidateMappedMemoryRanges) \
  X(CreateBufferView)             \
  X(DestroyBufferView)            \
  X(CreateShaderModule)           \
  X(DestroyShaderModule)          \
  X(CreateDescriptorSetLayout)    \
  X(DestroyDescriptorSetLayout)   \
  X(CreatePipelineLayout)         \
  X(DestroyPipelineLayout)        \
  X(CreateComputePipelines)       \
  X(DestroyPipeline)              \
  X(CreatePipelineCache)          \
  X(DestroyPipelineCache)         \
  X(GetPipelineCacheData)         \
  X(CreateDescriptorPool)         \
  X(DestroyDescriptorPool)        \
  X(ResetDescriptorPool)          \
  X(AllocateDescriptorSets)       \
  X(UpdateDescriptorSets)         \
  X(CreateCommandPool)            \
  X(DestroyCommandPool)           \
  X(ResetCommandPool)             \
  X(AllocateCommandBuffers)       \
  X(BeginCommandBuffer)           \
  X(EndCommandBuffer)             \
  X(CmdBindPipeline)              \
  X(CmdBindDescriptorSets)        \
  X(CmdPushConstants)             \
  X(CmdPipelineBarrier)           \
  X(CmdDispatch)                  \
  X(QueueSubmit)                  \
  X(CreateFence)                  \
  X(DestroyFence)                 \
  X(ResetFences)                  \
  X(WaitForFences)

struct gpu_vulkan {
  void *library;
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
#define GPU_MEMBER(name) PFN_vk##name name;
  GPU_LOADER_FUNCTIONS(GPU_MEMBER)
  GPU_INSTANCE_FUNCTIONS(GPU_MEMBER)
  GPU_DEVICE_FUNCTIONS(GPU_MEMBER)
#undef GPU_MEMBER
  PFN_vkGetMemoryHostPointerPropertiesEXT GetMemoryHostPointerPropertiesEXT;  // NULL without the extension
};

// Opens libvulkan and finds the functions that need no instance. BASE_DEVICE when there is none.
enum base_result gpu_vulkan_open(struct gpu_vulkan *vk, struct base_fault *fault) BASE_CHECKED;
void gpu_vulkan_close(struct gpu_vulkan *vk);
enum base_result gpu_vulkan_load_instance(struct gpu_vulkan *vk, VkInstance instance,
                                          struct base_fault *fault) BASE_CHECKED;
enum base_result gpu_vulkan_load_device(struct gpu_vulkan *vk, VkDevice device, struct base_fault *fault) BASE_CHECKED;

// Keeps the loaded drivers (Mesa's are called libvulkan_*.so) and the validation layer in memory until the process
// ends: every time they are unloaded with their instance and loaded again they leak some of what they set up.
void gpu_vulkan_keep_drivers(void);

// "VK_ERROR_DEVICE_LOST"; the number's meaning for people.
const char *gpu_vulkan_error(VkResult result);
// Records `what` with the error's name; memory errors become BASE_NO_MEMORY, all others BASE_DEVICE.
enum base_result gpu_vulkan_fail(struct base_fault *fault, VkResult result, const char *what);

#endif
