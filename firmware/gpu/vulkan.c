#include "vulkan.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const LIBRARY_NAMES[] = {"libvulkan.so.1", "libvulkan.so"};

static PFN_vkGetInstanceProcAddr entry_point(void *library) {
  PFN_vkGetInstanceProcAddr function = NULL;
  void *symbol = dlsym(library, "vkGetInstanceProcAddr");
  // ISO C has no cast from object to function pointer; POSIX promises that the bytes are the same.
  memcpy(&function, &symbol, sizeof(function));
  return function;
}

enum base_result gpu_vulkan_open(struct gpu_vulkan *vk, struct base_fault *fault) {
  for (size_t i = 0; i < sizeof(LIBRARY_NAMES) / sizeof(LIBRARY_NAMES[0]) && !vk->library; i++) {
    vk->library = dlopen(LIBRARY_NAMES[i], RTLD_NOW | RTLD_LOCAL);
  }
  if (!vk->library) {
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "there is no Vulkan loader on this machine (%s is missing)",
                     LIBRARY_NAMES[0]);
  }
  vk->GetInstanceProcAddr = entry_point(vk->library);
  if (!vk->GetInstanceProcAddr) {
    gpu_vulkan_close(vk);
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "%s is not a Vulkan loader", LIBRARY_NAMES[0]);
  }
#define GPU_LOAD(name)                                                                               \
  vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(VK_NULL_HANDLE, "vk" #name);                      \
  if (!vk->name) {                                                                                   \
    gpu_vulkan_close(vk);                                                                            \
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan loader is too old (no vk" #name ")"); \
  }
  GPU_LOADER_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
  return BASE_OK;
}

void gpu_vulkan_close(struct gpu_vulkan *vk) {
  if (vk->library) dlclose(vk->library);
  *vk = (struct gpu_vulkan){0};
}

enum { MAX_KEPT = 16 };

struct kept {
  size_t count;
  char *paths[MAX_KEPT];
};

static int note_if_vulkan(struct dl_phdr_info *object, size_t bytes, void *user) {
  struct kept *kept = user;
  (void)bytes;
  bool is_wanted = strstr(object->dlpi_name, "libvulkan_") || strstr(object->dlpi_name, "libVkLayer_khronos");
  if (is_wanted && kept->count < MAX_KEPT) kept->paths[kept->count++] = strdup(object->dlpi_name);
  return 0;
}

void gpu_vulkan_keep_drivers(void) {
  struct kept kept = {0};
  // Noted first: opening during the walk could deadlock with another thread's dlopen.
  dl_iterate_phdr(note_if_vulkan, &kept);
  for (size_t i = 0; i < kept.count; i++) {
    void *library = kept.paths[i] ? dlopen(kept.paths[i], RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) : NULL;
    if (library) dlclose(library);
    free(kept.paths[i]);
  }
}

enum base_result gpu_vulkan_load_instance(struct gpu_vulkan *vk, VkInstance instance, struct base_fault *fault) {
#define GPU_LOAD(name)                                                    \
  vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(instance, "vk" #name); \
  if (!vk->name) return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan loader has no vk" #name);
  GPU_INSTANCE_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
  return BASE_OK;
}

enum base_result gpu_vulkan_load_device(struct gpu_vulkan *vk, VkDevice device, struct base_fault *fault) {
#define GPU_LOAD(name)                                                \
  vk->name = (PFN_vk##name)vk->GetDeviceProcAddr(device, "vk" #name); \
  if (!vk->name) return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan driver has no vk" #name);
  GPU_DEVICE_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
  vk->GetMemoryHostPointerPropertiesEXT =
      (PFN_vkGetMemoryHostPointerPropertiesEXT)vk->GetDeviceProcAddr(device, "vkGetMemoryHostPointerPropertiesEXT");
  return BASE_OK;
}

const char *gpu_vulkan_error(VkResult result) {
  switch (result) {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_ERROR_INVALID_EXTERNAL_HANDLE:
      return "VK_ERROR_INVALID_EXTERNAL_HANDLE";
    default:
      return "an unexpected Vulkan result";
  }
}

enum base_result gpu_vulkan_fail(struct base_fault *fault, VkResult result, const char *what) {
  bool is_memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                   result == VK_ERROR_TOO_MANY_OBJECTS || result == VK_ERROR_OUT_OF_POOL_MEMORY;
  return BASE_FAIL(fault, is_memory ? BASE_NO_MEMORY : BASE_DEVICE, "vulkan", "%s: %s (%d)", what,
                   gpu_vulkan_error(result), (int)result);
}
