#include "device.h"

#include <stdlib.h>

enum { BUFFER_UNIT_BYTES = 16 };  // one RGBA32F texel: every view format divides it

// Better types first; 0 ends the list.
static const VkMemoryPropertyFlags UPLOAD_TYPES[] = {
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};
static const VkMemoryPropertyFlags READBACK_TYPES[] = {
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};
static const VkMemoryPropertyFlags DEVICE_TYPES[] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};

static const VkMemoryPropertyFlags *wanted_types(enum gpu_memory memory) {
  switch (memory) {
    case GPU_MEMORY_UPLOAD:
      return UPLOAD_TYPES;
    case GPU_MEMORY_READBACK:
      return READBACK_TYPES;
    case GPU_MEMORY_DEVICE:
      break;
  }
  return DEVICE_TYPES;
}

// Allocates from the first type that has `flags` and room.
static VkResult allocate_with(struct gpu *gpu, struct gpu_buffer *buffer, const VkMemoryRequirements *needs,
                              VkMemoryPropertyFlags flags) {
  for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
    VkMemoryPropertyFlags has = gpu->memory.memoryTypes[i].propertyFlags;
    if ((needs->memoryTypeBits & (1u << i)) == 0 || (has & flags) != flags) continue;
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs->size, .memoryTypeIndex = i};
    VkResult result = gpu->instance.vk.AllocateMemory(gpu->device, &info, NULL, &buffer->block);
    if (result != VK_SUCCESS) continue;
    buffer->block_bytes = needs->size;
    buffer->is_coherent = (has & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
    return VK_SUCCESS;
  }
  return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static VkResult allocate(struct gpu *gpu, struct gpu_buffer *buffer) {
  VkMemoryRequirements needs;
  gpu->instance.vk.GetBufferMemoryRequirements(gpu->device, buffer->handle, &needs);
  VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  for (const VkMemoryPropertyFlags *flags = wanted_types(buffer->memory); *flags && result != VK_SUCCESS; flags++) {
    result = allocate_with(gpu, buffer, &needs, *flags);
  }
  if (result != VK_SUCCESS) return result;
  result = gpu->instance.vk.BindBufferMemory(gpu->device, buffer->handle, buffer->block, 0);
  if (result != VK_SUCCESS || buffer->memory == GPU_MEMORY_DEVICE) return result;
  return gpu->instance.vk.MapMemory(gpu->device, buffer->block, 0, VK_WHOLE_SIZE, 0, &buffer->mapped);
}

enum base_result gpu_buffer_create(struct gpu *gpu, size_t bytes, enum gpu_memory memory, struct gpu_buffer **out,
                                   struct base_fault *fault) {
  *out = NULL;
  BASE_ASSERT(bytes > 0);
  if (bytes > gpu->info.max_storage_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "buffer", "a buffer of %zu bytes is over the device's %llu", bytes,
                     (unsigned long long)gpu->info.max_storage_bytes);
  }
  struct gpu_buffer *buffer = calloc(1, sizeof(*buffer));
  if (!buffer) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a buffer");
  *buffer = (struct gpu_buffer){.gpu = gpu, .bytes = bytes, .memory = memory};
  const VkBufferCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .size = (bytes + BUFFER_UNIT_BYTES - 1) / BUFFER_UNIT_BYTES * BUFFER_UNIT_BYTES,
      .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT,
      .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
  };
  VkResult result = gpu->instance.vk.CreateBuffer(gpu->device, &info, NULL, &buffer->handle);
  if (result == VK_SUCCESS) result = allocate(gpu, buffer);
  if (result != VK_SUCCESS) {
    gpu_buffer_release(buffer);
    return gpu_vulkan_fail(fault, result, "a device buffer");
  }
  base_metric_add(gpu->memory_metric, (int64_t)buffer->block_bytes);
  *out = buffer;
  return BASE_OK;
}

void gpu_buffer_release(struct gpu_buffer *buffer) {
  struct gpu *gpu = buffer->gpu;
  for (size_t i = 0; i < GPU_VIEW_FORMATS; i++) {
    if (buffer->views[i]) gpu->instance.vk.DestroyBufferView(gpu->device, buffer->views[i], NULL);
  }
  if (buffer->handle) gpu->instance.vk.DestroyBuffer(gpu->device, buffer->handle, NULL);
  if (buffer->block) gpu->instance.vk.FreeMemory(gpu->device, buffer->block, NULL);
  free(buffer);
}

void gpu_buffer_destroy(struct gpu_buffer **buffer_pointer) {
  struct gpu_buffer *buffer = *buffer_pointer;
  if (!buffer) return;
  *buffer_pointer = NULL;
  struct gpu *gpu = buffer->gpu;
  base_metric_add(gpu->memory_metric, -(int64_t)buffer->block_bytes);
  pthread_mutex_lock(&gpu->mutex);
  bool is_hung = gpu->is_hung;
  if (is_hung) {
    buffer->next_deferred = gpu->deferred;
    gpu->deferred = buffer;
  }
  pthread_mutex_unlock(&gpu->mutex);
  if (!is_hung) gpu_buffer_release(buffer);
}

void *gpu_buffer_map(struct gpu_buffer *buffer) { return buffer->mapped; }

size_t gpu_buffer_bytes(const struct gpu_buffer *buffer) { return buffer->bytes; }

VkMappedMemoryRange gpu_buffer_range(const struct gpu_buffer *buffer) {
  return (VkMappedMemoryRange){
      .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, .memory = buffer->block, .offset = 0, .size = VK_WHOLE_SIZE};
}

enum base_result gpu_buffer_view(struct gpu_buffer *buffer, enum gpu_binding binding, VkBufferView *out,
                                 struct base_fault *fault) {
  static const struct {
    VkFormat format;
    size_t texel_bytes;
  } FORMATS[GPU_VIEW_FORMATS] = {
      {VK_FORMAT_R32_UINT, 4}, {VK_FORMAT_R32G32_UINT, 8}, {VK_FORMAT_R32G32B32A32_SFLOAT, 16}};
  BASE_ASSERT(binding >= GPU_BINDING_TEXELS_R32UI && binding <= GPU_BINDING_TEXELS_RGBA32F);
  size_t index = (size_t)binding - GPU_BINDING_TEXELS_R32UI;
  struct gpu *gpu = buffer->gpu;
  *out = buffer->views[index];
  if (*out) return BASE_OK;
  if (buffer->bytes / FORMATS[index].texel_bytes > gpu->info.max_texels) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "buffer", "a texel buffer of %zu bytes is over the device's %llu texels",
                     buffer->bytes, (unsigned long long)gpu->info.max_texels);
  }
  size_t range =
      (buffer->bytes + FORMATS[index].texel_bytes - 1) / FORMATS[index].texel_bytes * FORMATS[index].texel_bytes;
  const VkBufferViewCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                       .buffer = buffer->handle,
                                       .format = FORMATS[index].format,
                                       .range = range};
  VkResult result = gpu->instance.vk.CreateBufferView(gpu->device, &info, NULL, &buffer->views[index]);
  if (result != VK_SUCCESS) {
    buffer->views[index] = VK_NULL_HANDLE;
    return gpu_vulkan_fail(fault, result, "vkCreateBufferView");
  }
  *out = buffer->views[index];
  return BASE_OK;
}
