#include "device.h"

static const uint64_t NS_PER_MS = 1000000;
// How long a run waits for one before it that has timed out: those in the queue behind it must not add up.
enum { SETTLE_MS = 50 };
enum { KERNEL_ACCESS = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };

static VkResult create_command_buffer(struct gpu *gpu) {
  struct gpu_recorder *recorder = &gpu->recorder;
  const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
                                        .queueFamilyIndex = gpu->family};
  VkResult result = gpu->instance.vk.CreateCommandPool(gpu->device, &pool, NULL, &recorder->commands);
  if (result != VK_SUCCESS) return result;
  const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = recorder->commands,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
  return gpu->instance.vk.AllocateCommandBuffers(gpu->device, &info, &recorder->buffer);
}

enum base_result gpu_recorder_init(struct gpu *gpu, struct base_fault *fault) {
  struct gpu_recorder *recorder = &gpu->recorder;
  VkResult result = create_command_buffer(gpu);
  if (result != VK_SUCCESS) return gpu_vulkan_fail(fault, result, "vkAllocateCommandBuffers");
  const VkDescriptorPoolSize sizes[] = {
      {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_MAX_DISPATCHES * GPU_MAX_BINDINGS},
      {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, GPU_MAX_DISPATCHES * GPU_MAX_BINDINGS},
  };
  const VkDescriptorPoolCreateInfo descriptors = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                                  .maxSets = GPU_MAX_DISPATCHES,
                                                  .poolSizeCount = 2,
                                                  .pPoolSizes = sizes};
  result = gpu->instance.vk.CreateDescriptorPool(gpu->device, &descriptors, NULL, &recorder->descriptors);
  if (result != VK_SUCCESS) return gpu_vulkan_fail(fault, result, "vkCreateDescriptorPool");
  const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  result = gpu->instance.vk.CreateFence(gpu->device, &fence, NULL, &recorder->fence);
  return result == VK_SUCCESS ? BASE_OK : gpu_vulkan_fail(fault, result, "vkCreateFence");
}

void gpu_recorder_finish(struct gpu *gpu) {
  struct gpu_recorder *recorder = &gpu->recorder;
  if (recorder->fence) gpu->instance.vk.DestroyFence(gpu->device, recorder->fence, NULL);
  if (recorder->descriptors) gpu->instance.vk.DestroyDescriptorPool(gpu->device, recorder->descriptors, NULL);
  if (recorder->commands) gpu->instance.vk.DestroyCommandPool(gpu->device, recorder->commands, NULL);
  *recorder = (struct gpu_recorder){0};
}

static enum base_result bind(struct gpu *gpu, const struct gpu_dispatch *dispatch, VkDescriptorSet set,
                             struct base_fault *fault) {
  const struct gpu_kernel *kernel = dispatch->kernel;
  VkWriteDescriptorSet writes[GPU_MAX_BINDINGS];
  VkDescriptorBufferInfo infos[GPU_MAX_BINDINGS];
  VkBufferView views[GPU_MAX_BINDINGS];
  for (uint32_t i = 0; i < kernel->binding_count; i++) {
    struct gpu_buffer *buffer = dispatch->buffers[i];
    bool is_storage = kernel->bindings[i] == GPU_BINDING_STORAGE;
    infos[i] = (VkDescriptorBufferInfo){.buffer = buffer->handle, .range = VK_WHOLE_SIZE};
    views[i] = VK_NULL_HANDLE;
    if (!is_storage) {
      enum base_result result = gpu_buffer_view(buffer, kernel->bindings[i], &views[i], fault);
      if (result != BASE_OK) return result;
    }
    writes[i] = (VkWriteDescriptorSet){
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = i,
        .descriptorCount = 1,
        .descriptorType = is_storage ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
        .pBufferInfo = &infos[i],
        .pTexelBufferView = &views[i]};
  }
  gpu->instance.vk.UpdateDescriptorSets(gpu->device, (uint32_t)kernel->binding_count, writes, 0, NULL);
  return BASE_OK;
}

// What kernels recorded or submitted earlier wrote is there for `access` in `stage`; what they read may be overwritten.
static void record_barrier(struct gpu *gpu, VkPipelineStageFlags stage, VkAccessFlags access) {
  const VkMemoryBarrier barrier = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT, .dstAccessMask = access};
  gpu->instance.vk.CmdPipelineBarrier(gpu->recorder.buffer, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, stage, 0, 1, &barrier,
                                      0, NULL, 0, NULL);
}

static enum base_result record_dispatch(struct gpu *gpu, const struct gpu_dispatch *dispatch,
                                        struct base_fault *fault) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  const struct gpu_kernel *kernel = dispatch->kernel;
  VkCommandBuffer commands = gpu->recorder.buffer;
  const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                            .descriptorPool = gpu->recorder.descriptors,
                                            .descriptorSetCount = 1,
                                            .pSetLayouts = &kernel->set_layout};
  VkDescriptorSet set = VK_NULL_HANDLE;
  VkResult result = vk->AllocateDescriptorSets(gpu->device, &info, &set);
  if (result != VK_SUCCESS) return gpu_vulkan_fail(fault, result, "vkAllocateDescriptorSets");
  enum base_result bound = bind(gpu, dispatch, set, fault);
  if (bound != BASE_OK) return bound;
  if (dispatch->after_barrier) record_barrier(gpu, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, KERNEL_ACCESS);
  vk->CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
  vk->CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1, &set, 0, NULL);
  if (kernel->push_bytes > 0) {
    vk->CmdPushConstants(commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kernel->push_bytes, dispatch->push);
  }
  vk->CmdDispatch(commands, dispatch->groups[0], dispatch->groups[1], dispatch->groups[2]);
  return BASE_OK;
}

static enum base_result record(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                               struct base_fault *fault) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  VkResult result = vk->ResetCommandPool(gpu->device, gpu->recorder.commands, 0);
  if (result == VK_SUCCESS) result = vk->ResetDescriptorPool(gpu->device, gpu->recorder.descriptors, 0);
  const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                          .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  if (result == VK_SUCCESS) result = vk->BeginCommandBuffer(gpu->recorder.buffer, &begin);
  if (result != VK_SUCCESS) return gpu_vulkan_fail(fault, result, "vkBeginCommandBuffer");
  // A fence makes earlier submissions' results available, but not visible to kernels. What the CPU wrote is, by
  // submitting.
  record_barrier(gpu, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, KERNEL_ACCESS);
  for (size_t i = 0; i < count; i++) {
    enum base_result recorded = record_dispatch(gpu, &dispatches[i], fault);
    if (recorded != BASE_OK) return recorded;
  }
  record_barrier(gpu, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  result = vk->EndCommandBuffer(gpu->recorder.buffer);
  return result == VK_SUCCESS ? BASE_OK : gpu_vulkan_fail(fault, result, "vkEndCommandBuffer");
}

typedef PFN_vkFlushMappedMemoryRanges synchronise_function;

// Calls Vulkan for every buffer that `is_wanted` and whose memory is not coherent.
static VkResult synchronise(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                            bool (*is_wanted)(const struct gpu_buffer *), synchronise_function function) {
  for (size_t i = 0; i < count; i++) {
    for (size_t b = 0; b < dispatches[i].kernel->binding_count; b++) {
      const struct gpu_buffer *buffer = dispatches[i].buffers[b];
      if (buffer->is_coherent || !is_wanted(buffer)) continue;
      VkMappedMemoryRange range = gpu_buffer_range(buffer);
      VkResult result = function(gpu->device, 1, &range);
      if (result != VK_SUCCESS) return result;
    }
  }
  return VK_SUCCESS;
}

// From here on what the submission uses may be destroyed by those who have given up waiting for it.
static void mark_hung(struct gpu *gpu) {
  pthread_mutex_lock(&gpu->mutex);
  gpu->is_hung = true;
  pthread_mutex_unlock(&gpu->mutex);
}

// The submission is over: what was destroyed while the device hung is released.
static void end_submission(struct gpu *gpu) {
  gpu->recorder.is_pending = false;
  pthread_mutex_lock(&gpu->mutex);
  gpu->is_hung = false;
  struct gpu_buffer *buffer = gpu->deferred_buffers;
  struct gpu_kernel *kernel = gpu->deferred_kernels;
  gpu->deferred_buffers = NULL;
  gpu->deferred_kernels = NULL;
  pthread_mutex_unlock(&gpu->mutex);
  while (buffer) {
    struct gpu_buffer *next = buffer->next_deferred;
    gpu_buffer_release(buffer);
    buffer = next;
  }
  while (kernel) {
    struct gpu_kernel *next = kernel->next_deferred;
    gpu_kernel_release(kernel);
    kernel = next;
  }
}

static enum base_result fail_device(struct gpu *gpu, VkResult result, const char *what, struct base_fault *fault) {
  base_metric_add(gpu->failure_metric, 1);
  if (result == VK_ERROR_DEVICE_LOST) gpu->is_lost = true;
  return gpu_vulkan_fail(fault, result, what);
}

// Waits for the submission under way. It stays under way after a time-out and after failures that say nothing about it.
static VkResult wait_for_device(struct gpu *gpu, uint32_t timeout_ms) {
  const struct gpu_recorder *recorder = &gpu->recorder;
  VkResult result = gpu->instance.vk.WaitForFences(gpu->device, 1, &recorder->fence, VK_TRUE, timeout_ms * NS_PER_MS);
  bool is_injected = gpu->lose_after > 0 && recorder->submissions >= gpu->lose_after;
  if (result == VK_SUCCESS && is_injected) result = VK_ERROR_DEVICE_LOST;
  if (result == VK_ERROR_DEVICE_LOST) gpu->is_lost = true;
  if (result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST) {
    end_submission(gpu);
  } else {
    mark_hung(gpu);
  }
  return result;
}

static enum base_result submit_and_wait(struct gpu *gpu, struct base_fault *fault) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  const VkSubmitInfo submit = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &gpu->recorder.buffer};
  VkResult result = vk->ResetFences(gpu->device, 1, &gpu->recorder.fence);
  if (result == VK_SUCCESS) result = vk->QueueSubmit(gpu->queue, 1, &submit, gpu->recorder.fence);
  if (result != VK_SUCCESS) return fail_device(gpu, result, "vkQueueSubmit", fault);
  if (gpu->recorder.submissions < UINT32_MAX) gpu->recorder.submissions++;
  gpu->recorder.is_pending = true;
  result = wait_for_device(gpu, gpu->timeout_ms);
  if (result == VK_SUCCESS) return BASE_OK;
  if (result == VK_ERROR_DEVICE_LOST) return fail_device(gpu, result, "vkWaitForFences", fault);
  base_metric_add(gpu->failure_metric, 1);
  // Whatever waiting failed of, the device may still write: callers must treat its memory as after a time-out.
  if (result != VK_TIMEOUT) {
    return BASE_FAIL(fault, BASE_TIMEOUT, "device", "%s can not be waited for: %s (%d)", gpu->info.name,
                     gpu_vulkan_error(result), (int)result);
  }
  return BASE_FAIL(fault, BASE_TIMEOUT, "device", "%s did not finish within %u ms", gpu->info.name,
                   (unsigned)gpu->timeout_ms);
}

bool gpu_recorder_settle(struct gpu *gpu, uint32_t timeout_ms) {
  if (!gpu->recorder.is_pending) return true;
  VkResult result = wait_for_device(gpu, timeout_ms);
  return result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST;
}

enum base_result gpu_recorder_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                                  struct base_fault *fault) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  if (!gpu_recorder_settle(gpu, gpu->timeout_ms < SETTLE_MS ? gpu->timeout_ms : SETTLE_MS)) {
    return BASE_FAIL(fault, BASE_TIMEOUT, "device", "%s still works on something that timed out", gpu->info.name);
  }
  if (gpu->is_lost) return BASE_FAIL(fault, BASE_DEVICE, "device", "%s was lost", gpu->info.name);
  enum base_result recorded = record(gpu, dispatches, count, fault);
  if (recorded != BASE_OK) return recorded;
  VkResult result = synchronise(gpu, dispatches, count, gpu_buffer_is_written_by_host, vk->FlushMappedMemoryRanges);
  if (result != VK_SUCCESS) return fail_device(gpu, result, "vkFlushMappedMemoryRanges", fault);
  enum base_result ran = submit_and_wait(gpu, fault);
  if (ran != BASE_OK) return ran;
  result = synchronise(gpu, dispatches, count, gpu_buffer_is_read_by_host, vk->InvalidateMappedMemoryRanges);
  return result == VK_SUCCESS ? BASE_OK : fail_device(gpu, result, "vkInvalidateMappedMemoryRanges", fault);
}
