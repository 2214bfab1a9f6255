#include "device.h"

#include <stdlib.h>

#include "base/checked.h"

enum { BUFFER_UNIT_BYTES = 16 };  // one RGBA32F texel: every view format divides it

static VkResult place(struct gpu *gpu, struct gpu_buffer *buffer) {
  VkMemoryRequirements needs;
  gpu->instance.vk.GetBufferMemoryRequirements(gpu->device, buffer->handle, &needs);
  VkResult result = gpu_slab_take(gpu, buffer->memory, &needs, &buffer->slice);
  if (result != VK_SUCCESS) return result;
  const struct gpu_block *block = buffer->slice->block;
  buffer->is_coherent = block->is_coherent;
  if (buffer->memory != GPU_MEMORY_DEVICE) buffer->mapped = block->mapped + buffer->slice->offset;
  return gpu->instance.vk.BindBufferMemory(gpu->device, buffer->handle, block->handle, buffer->slice->offset);
}

enum base_result gpu_buffer_prepare(struct gpu *gpu, size_t bytes, struct gpu_buffer **out, struct base_fault *fault) {
  BASE_ASSERT(bytes > 0);
  if (bytes > gpu->info.max_storage_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "buffer", "a buffer of %zu bytes is over the device's %llu", bytes,
                     (unsigned long long)gpu->info.max_storage_bytes);
  }
  struct gpu_buffer *buffer = calloc(1, sizeof(*buffer));
  if (!buffer) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a buffer");
  *buffer = (struct gpu_buffer){.gpu = gpu, .bytes = bytes};
  *out = buffer;
  return BASE_OK;
}

enum base_result gpu_buffer_create(struct gpu *gpu, size_t bytes, enum gpu_memory memory, struct gpu_buffer **out,
                                   struct base_fault *fault) {
  *out = NULL;
  struct gpu_buffer *buffer = NULL;
  enum base_result prepared = gpu_buffer_prepare(gpu, bytes, &buffer, fault);
  if (prepared != BASE_OK) return prepared;
  buffer->memory = memory;
  const VkBufferCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .size = base_round_up(bytes, BUFFER_UNIT_BYTES),
      .usage = GPU_BUFFER_USAGE,
      .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
  };
  VkResult result = gpu->instance.vk.CreateBuffer(gpu->device, &info, NULL, &buffer->handle);
  if (result == VK_SUCCESS) result = place(gpu, buffer);
  if (result != VK_SUCCESS) {
    gpu_buffer_release(buffer);
    return gpu_vulkan_fail(fault, result, "a device buffer");
  }
  *out = buffer;
  return BASE_OK;
}

void gpu_buffer_release(struct gpu_buffer *buffer) {
  struct gpu *gpu = buffer->gpu;
  for (size_t i = 0; i < GPU_VIEW_FORMATS; i++) {
    if (buffer->views[i]) gpu->instance.vk.DestroyBufferView(gpu->device, buffer->views[i], NULL);
  }
  if (buffer->handle) gpu->instance.vk.DestroyBuffer(gpu->device, buffer->handle, NULL);
  if (buffer->slice) gpu_slab_give(gpu, buffer->slice);
  if (buffer->imported) {
    gpu->instance.vk.FreeMemory(gpu->device, buffer->imported, NULL);
    gpu_slab_discount(gpu);
    base_metric_add(gpu->imported_metric, -(int64_t)buffer->bytes);
  }
  if (buffer->release) buffer->release(buffer->release_user);
  free(buffer);
}

void gpu_buffer_destroy(struct gpu_buffer **buffer_pointer) {
  struct gpu_buffer *buffer = *buffer_pointer;
  if (!buffer) return;
  *buffer_pointer = NULL;
  struct gpu *gpu = buffer->gpu;
  pthread_mutex_lock(&gpu->mutex);
  bool is_hung = gpu->is_hung;
  if (is_hung) {
    buffer->next_deferred = gpu->deferred_buffers;
    gpu->deferred_buffers = buffer;
  }
  pthread_mutex_unlock(&gpu->mutex);
  if (!is_hung) gpu_buffer_release(buffer);
}

void gpu_buffer_on_release(struct gpu_buffer *buffer, void (*release)(void *user), void *user) {
  buffer->release = release;
  buffer->release_user = user;
}

void *gpu_buffer_map(struct gpu_buffer *buffer) { return buffer->mapped; }

size_t gpu_buffer_bytes(const struct gpu_buffer *buffer) { return buffer->bytes; }

bool gpu_buffer_is_written_by_host(const struct gpu_buffer *buffer) {
  return buffer->memory == GPU_MEMORY_UPLOAD || buffer->imported;
}

bool gpu_buffer_is_read_by_host(const struct gpu_buffer *buffer) {
  return buffer->memory == GPU_MEMORY_READBACK || buffer->imported;
}

VkMappedMemoryRange gpu_buffer_range(const struct gpu_buffer *buffer) {
  VkMappedMemoryRange range = {.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE};
  if (buffer->imported) {
    range.memory = buffer->imported;
    range.size = VK_WHOLE_SIZE;
  } else {
    range.memory = buffer->slice->block->handle;
    range.offset = buffer->slice->offset;
    range.size = buffer->slice->bytes;
  }
  return range;
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
  size_t range = base_round_up(buffer->bytes, FORMATS[index].texel_bytes);
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
