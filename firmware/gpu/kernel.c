#include "device.h"

#include <stdlib.h>
#include <string.h>

static VkDescriptorType descriptor_type(enum gpu_binding binding) {
  return binding == GPU_BINDING_STORAGE ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
}

static VkResult create_layout(struct gpu_kernel *kernel) {
  const struct gpu *gpu = kernel->gpu;
  VkDescriptorSetLayoutBinding bindings[GPU_MAX_BINDINGS] = {0};
  for (uint32_t i = 0; i < kernel->binding_count; i++) {
    bindings[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                 .descriptorType = descriptor_type(kernel->bindings[i]),
                                                 .descriptorCount = 1,
                                                 .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  const VkDescriptorSetLayoutCreateInfo set_info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                    .bindingCount = (uint32_t)kernel->binding_count,
                                                    .pBindings = bindings};
  VkResult result = gpu->instance.vk.CreateDescriptorSetLayout(gpu->device, &set_info, NULL, &kernel->set_layout);
  if (result != VK_SUCCESS) return result;
  const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = kernel->push_bytes};
  const VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                           .setLayoutCount = 1,
                                           .pSetLayouts = &kernel->set_layout,
                                           .pushConstantRangeCount = kernel->push_bytes > 0 ? 1 : 0,
                                           .pPushConstantRanges = &push};
  return gpu->instance.vk.CreatePipelineLayout(gpu->device, &info, NULL, &kernel->layout);
}

static VkResult create_pipeline(struct gpu_kernel *kernel, const struct gpu_kernel_config *config) {
  const struct gpu *gpu = kernel->gpu;
  const VkShaderModuleCreateInfo module_info = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = config->spirv_bytes, .pCode = config->spirv};
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult result = gpu->instance.vk.CreateShaderModule(gpu->device, &module_info, NULL, &module);
  if (result != VK_SUCCESS) return result;
  VkSpecializationMapEntry entries[GPU_MAX_CONSTANTS] = {0};
  for (uint32_t i = 0; i < config->constant_count; i++) {
    entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = i * 4, .size = 4};
  }
  const VkSpecializationInfo constants = {.mapEntryCount = (uint32_t)config->constant_count,
                                          .pMapEntries = entries,
                                          .dataSize = config->constant_count * 4,
                                          .pData = config->constants};
  const VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &constants},
      .layout = kernel->layout,
  };
  result = gpu->instance.vk.CreateComputePipelines(gpu->device, gpu->cache, 1, &info, NULL, &kernel->pipeline);
  gpu->instance.vk.DestroyShaderModule(gpu->device, module, NULL);
  return result;
}

enum base_result gpu_kernel_create(struct gpu *gpu, const struct gpu_kernel_config *config, struct gpu_kernel **out,
                                   struct base_fault *fault) {
  *out = NULL;
  BASE_ASSERT(config->binding_count <= GPU_MAX_BINDINGS && config->constant_count <= GPU_MAX_CONSTANTS);
  BASE_ASSERT(config->push_bytes <= GPU_MAX_PUSH_BYTES && config->push_bytes % 4 == 0);
  struct gpu_kernel *kernel = calloc(1, sizeof(*kernel));
  if (!kernel) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a kernel");
  kernel->gpu = gpu;
  kernel->name = config->name;
  kernel->binding_count = config->binding_count;
  memcpy(kernel->bindings, config->bindings, sizeof(kernel->bindings));
  kernel->push_bytes = (uint32_t)config->push_bytes;
  VkResult result = create_layout(kernel);
  if (result == VK_SUCCESS) result = create_pipeline(kernel, config);
  if (result != VK_SUCCESS) {
    gpu_kernel_release(kernel);
    return gpu_vulkan_fail(fault, result, config->name);
  }
  *out = kernel;
  return BASE_OK;
}

void gpu_kernel_release(struct gpu_kernel *kernel) {
  const struct gpu *gpu = kernel->gpu;
  if (kernel->pipeline) gpu->instance.vk.DestroyPipeline(gpu->device, kernel->pipeline, NULL);
  if (kernel->layout) gpu->instance.vk.DestroyPipelineLayout(gpu->device, kernel->layout, NULL);
  if (kernel->set_layout) gpu->instance.vk.DestroyDescriptorSetLayout(gpu->device, kernel->set_layout, NULL);
  free(kernel);
}

void gpu_kernel_destroy(struct gpu_kernel **kernel_pointer) {
  struct gpu_kernel *kernel = *kernel_pointer;
  if (!kernel) return;
  *kernel_pointer = NULL;
  struct gpu *gpu = kernel->gpu;
  pthread_mutex_lock(&gpu->mutex);
  bool is_hung = gpu->is_hung;
  if (is_hung) {
    kernel->next_deferred = gpu->deferred_kernels;
    gpu->deferred_kernels = kernel;
  }
  pthread_mutex_unlock(&gpu->mutex);
  if (!is_hung) gpu_kernel_release(kernel);
}
