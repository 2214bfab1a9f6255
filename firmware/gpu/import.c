// Host memory as buffers, by VK_EXT_external_memory_host.

#include <stdlib.h>
#include <string.h>

#include "device.h"

static const VkExternalMemoryHandleTypeFlagBits HANDLE_TYPE = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
// Better types first; 0 ends the list. Only memory that the CPU sees is of use.
static const VkMemoryPropertyFlags TYPES[] = {
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};

static bool has_extension(const struct gpu *gpu) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  uint32_t count = 0;
  if (vk->EnumerateDeviceExtensionProperties(gpu->physical, NULL, &count, NULL) != VK_SUCCESS) return false;
  VkExtensionProperties *list = calloc(count + 1, sizeof(*list));
  if (!list) return false;
  VkResult result = vk->EnumerateDeviceExtensionProperties(gpu->physical, NULL, &count, list);
  bool is_found = false;
  for (uint32_t i = 0; result == VK_SUCCESS && i < count; i++) {
    if (strcmp(list[i].extensionName, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME) == 0) is_found = true;
  }
  free(list);
  return is_found;
}

bool gpu_import_find(struct gpu *gpu) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  if (!has_extension(gpu)) return false;
  const VkPhysicalDeviceExternalBufferInfo info = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
                                                   .usage = GPU_BUFFER_USAGE,
                                                   .handleType = HANDLE_TYPE};
  VkExternalBufferProperties buffers = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
  vk->GetPhysicalDeviceExternalBufferProperties(gpu->physical, &info, &buffers);
  VkExternalMemoryFeatureFlags features = buffers.externalMemoryProperties.externalMemoryFeatures;
  if ((features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0) return false;
  VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
  VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &host};
  vk->GetPhysicalDeviceProperties2(gpu->physical, &properties);
  gpu->info.import_alignment = host.minImportedHostPointerAlignment;
  return gpu->info.import_alignment > 0;
}

// Of the types in `bits` the best one, or -1.
static int choose_type(const struct gpu *gpu, uint32_t bits) {
  for (const VkMemoryPropertyFlags *flags = TYPES; *flags; flags++) {
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
      VkMemoryPropertyFlags has = gpu->memory.memoryTypes[i].propertyFlags;
      if ((bits & (1u << i)) != 0 && (has & *flags) == *flags) return (int)i;
    }
  }
  return -1;
}

static VkResult create_handle(struct gpu_buffer *buffer) {
  const struct gpu *gpu = buffer->gpu;
  const VkExternalMemoryBufferCreateInfo external = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                     .handleTypes = HANDLE_TYPE};
  const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                   .pNext = &external,
                                   .size = buffer->bytes,
                                   .usage = GPU_BUFFER_USAGE,
                                   .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
  return gpu->instance.vk.CreateBuffer(gpu->device, &info, NULL, &buffer->handle);
}

static VkResult import(struct gpu_buffer *buffer, void *memory, uint32_t type) {
  struct gpu *gpu = buffer->gpu;
  const VkImportMemoryHostPointerInfoEXT host = {.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
                                                 .handleType = HANDLE_TYPE,
                                                 .pHostPointer = memory};
  const VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .pNext = &host,
                                     .allocationSize = buffer->bytes,
                                     .memoryTypeIndex = type};
  if (!gpu_slab_count(gpu)) return VK_ERROR_TOO_MANY_OBJECTS;
  VkResult result = gpu->instance.vk.AllocateMemory(gpu->device, &info, NULL, &buffer->imported);
  if (result != VK_SUCCESS) {
    buffer->imported = VK_NULL_HANDLE;
    gpu_slab_discount(gpu);
    return result;
  }
  base_metric_add(gpu->imported_metric, (int64_t)buffer->bytes);
  buffer->mapped = memory;
  buffer->is_coherent = (gpu->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
  if (!buffer->is_coherent) {
    // Only mapped memory may be flushed; the address goes unused, since both are the same bytes.
    void *unused = NULL;
    result = gpu->instance.vk.MapMemory(gpu->device, buffer->imported, 0, VK_WHOLE_SIZE, 0, &unused);
    if (result != VK_SUCCESS) return result;
  }
  return gpu->instance.vk.BindBufferMemory(gpu->device, buffer->handle, buffer->imported, 0);
}

static VkResult place(struct gpu_buffer *buffer, void *memory) {
  const struct gpu *gpu = buffer->gpu;
  VkMemoryHostPointerPropertiesEXT host = {.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  VkResult result = gpu->instance.vk.GetMemoryHostPointerPropertiesEXT(gpu->device, HANDLE_TYPE, memory, &host);
  if (result == VK_SUCCESS) result = create_handle(buffer);
  if (result != VK_SUCCESS) return result;
  VkMemoryRequirements needs;
  gpu->instance.vk.GetBufferMemoryRequirements(gpu->device, buffer->handle, &needs);
  int type = choose_type(gpu, needs.memoryTypeBits & host.memoryTypeBits);
  if (type < 0 || needs.size > buffer->bytes) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
  return import(buffer, memory, (uint32_t)type);
}

enum base_result gpu_buffer_import(struct gpu *gpu, void *memory, size_t bytes, struct gpu_buffer **out,
                                   struct base_fault *fault) {
  *out = NULL;
  size_t alignment = gpu->info.import_alignment;
  BASE_ASSERT(alignment > 0 && (uintptr_t)memory % alignment == 0 && bytes % alignment == 0);
  struct gpu_buffer *buffer = NULL;
  enum base_result prepared = gpu_buffer_prepare(gpu, bytes, &buffer, fault);
  if (prepared != BASE_OK) return prepared;
  VkResult result = place(buffer, memory);
  if (result == VK_SUCCESS) {
    *out = buffer;
    return BASE_OK;
  }
  gpu_buffer_release(buffer);
  if (result == VK_ERROR_DEVICE_LOST) return gpu_vulkan_fail(fault, result, "an imported buffer");
  // Drivers report memory that they will not take in many ways, lack of memory among them.
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "buffer", "%s does not take this memory: %s (%d)", gpu->info.name,
                   gpu_vulkan_error(result), (int)result);
}
