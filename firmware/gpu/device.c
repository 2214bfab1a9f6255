#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"

enum { DEFAULT_TIMEOUT_MS = 20000, LIST_LIMIT_BYTES = 16384, LAST_WAIT_MS = 5000 };

static enum base_result fail_without_choice(const struct gpu_candidates *candidates, const char *reason,
                                            struct base_fault *fault) {
  struct base_buffer list;
  base_buffer_init(&list, LIST_LIMIT_BYTES);
  // A list cut short by lack of memory is still better than none.
  enum base_result printed = gpu_candidates_print(candidates, &list);
  (void)printed;
  enum base_result result =
      BASE_FAIL(fault, BASE_DEVICE, "device", "no such Vulkan device (%s); there is: %.*s", reason,
                (int)(list.bytes > 0 ? list.bytes - 1 : 0), list.data ? (const char *)list.data : "");
  base_buffer_finish(&list);
  return result;
}

static void fill_info(struct gpu *gpu, const struct gpu_candidate *chosen) {
  const VkPhysicalDeviceProperties *properties = &chosen->properties;
  struct gpu_info *info = &gpu->info;
  snprintf(info->name, sizeof(info->name), "%s", properties->deviceName);
  snprintf(info->driver, sizeof(info->driver), "%s", chosen->driver);
  info->is_software = properties->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  info->is_discrete = properties->deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  info->max_storage_bytes = properties->limits.maxStorageBufferRange;
  info->max_texels = properties->limits.maxTexelBufferElements;
  info->max_shared_bytes = properties->limits.maxComputeSharedMemorySize;
  info->max_invocations = properties->limits.maxComputeWorkGroupInvocations;
  int length = snprintf(info->identity, sizeof(info->identity), "%08x-%08x-%08x-", (unsigned)properties->vendorID,
                        (unsigned)properties->deviceID, (unsigned)properties->driverVersion);
  for (size_t i = 0; i < VK_UUID_SIZE; i++) {
    length += snprintf(info->identity + length, sizeof(info->identity) - (size_t)length, "%02x",
                       (unsigned)properties->pipelineCacheUUID[i]);
  }
  memcpy(info->max_groups, properties->limits.maxComputeWorkGroupCount, sizeof(info->max_groups));
}

static enum base_result choose(struct gpu *gpu, const char *wanted, struct base_fault *fault) {
  struct gpu_candidates *candidates = calloc(1, sizeof(*candidates));
  if (!candidates) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the device list");
  enum base_result result = gpu_candidates_find(&gpu->instance, candidates, fault);
  if (result != BASE_OK) goto out;
  int index = gpu_choose(candidates, wanted, gpu->info.reason, sizeof(gpu->info.reason));
  if (index < 0) {
    result = fail_without_choice(candidates, gpu->info.reason, fault);
    goto out;
  }
  const struct gpu_candidate *chosen = &candidates->list[index];
  gpu->physical = chosen->handle;
  gpu->family = chosen->family;
  gpu->properties = chosen->properties;
  fill_info(gpu, chosen);
out:
  free(candidates);
  return result;
}

static enum base_result create_device(struct gpu *gpu, struct base_fault *fault) {
  struct gpu_vulkan *vk = &gpu->instance.vk;
  VkPhysicalDeviceFeatures has;
  vk->GetPhysicalDeviceFeatures(gpu->physical, &has);
  vk->GetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
  gpu->info.has_int64 = has.shaderInt64 == VK_TRUE;
  const char *import_extension = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
  const float priority = 1.0f;
  const VkPhysicalDeviceFeatures wanted = {.shaderInt64 = has.shaderInt64};
  const VkDeviceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &(VkDeviceQueueCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                                      .queueFamilyIndex = gpu->family,
                                                      .queueCount = 1,
                                                      .pQueuePriorities = &priority},
      .enabledExtensionCount = gpu_import_find(gpu) ? 1 : 0,
      .ppEnabledExtensionNames = &import_extension,
      .pEnabledFeatures = &wanted,
  };
  VkResult result = vk->CreateDevice(gpu->physical, &info, NULL, &gpu->device);
  if (result != VK_SUCCESS) {
    gpu->device = VK_NULL_HANDLE;
    return gpu_vulkan_fail(fault, result, "vkCreateDevice");
  }
  enum base_result loaded = gpu_vulkan_load_device(vk, gpu->device, fault);
  if (loaded != BASE_OK) return loaded;
  vk->GetDeviceQueue(gpu->device, gpu->family, 0, &gpu->queue);
  return BASE_OK;
}

static void register_metrics(struct gpu *gpu, struct base_metrics *metrics) {
  gpu->memory_metric = base_metrics_gauge(metrics, "pixpop_gpu_memory_bytes", "", "Device memory held");
  gpu->imported_metric = base_metrics_gauge(metrics, "pixpop_gpu_imported_bytes", "",
                                            "Memory of the process that the device works on in place");
  gpu->failure_metric =
      base_metrics_counter(metrics, "pixpop_gpu_failures_total", "", "Submissions that failed or timed out");
  if (metrics) {
    gpu->run_histogram =
        base_metrics_histogram(metrics, "pixpop_gpu_run_seconds", "", "Time of one submission on the device");
  }
}

static enum base_result start(struct gpu *gpu, const struct gpu_config *config, struct base_fault *fault) {
  struct gpu_validation *validation = config->validation ? &gpu->validation : NULL;
  enum base_result result = gpu_instance_init(&gpu->instance, validation, fault);
  if (result == BASE_OK) result = choose(gpu, config->device, fault);
  if (result == BASE_OK) result = create_device(gpu, fault);
  if (result == BASE_OK) result = gpu_pipeline_cache_open(gpu, config->cache_folder, fault);
  if (result == BASE_OK) result = gpu_recorder_init(gpu, fault);
  if (result == BASE_OK) result = gpu_queue_start(gpu, fault);
  return result;
}

enum base_result gpu_create(const struct gpu_config *config, struct gpu **out, struct base_fault *fault) {
  *out = NULL;
  struct gpu *gpu = calloc(1, sizeof(*gpu));
  if (!gpu) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the GPU");
  pthread_mutex_init(&gpu->mutex, NULL);
  pthread_cond_init(&gpu->work, NULL);
  pthread_cond_init(&gpu->done, NULL);
  gpu_slab_init(&gpu->slab);
  gpu->log = config->log;
  gpu->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : DEFAULT_TIMEOUT_MS;
  gpu->lose_after = config->lose_after;
  gpu->validation.abort_on_message = config->abort_on_validation;
  gpu->validation.log = config->log;
  register_metrics(gpu, config->metrics);
  enum base_result result = start(gpu, config, fault);
  if (result != BASE_OK) {
    gpu_destroy(&gpu);
    return result;
  }
  base_log_write(gpu->log, BASE_LOG_INFO, "gpu", NULL, "using %s (%s): %s", gpu->info.name, gpu->info.driver,
                 gpu->info.reason);
  *out = gpu;
  return BASE_OK;
}

void gpu_destroy(struct gpu **gpu_pointer) {
  struct gpu *gpu = *gpu_pointer;
  if (!gpu) return;
  *gpu_pointer = NULL;
  gpu_queue_stop(gpu);
  bool has_device = gpu->device && gpu->instance.vk.DestroyDevice;
  if (has_device && !gpu_recorder_settle(gpu, LAST_WAIT_MS)) {
    // Freeing what a hung device still uses would corrupt memory: device, memory and kernels stay as they are.
    base_log_write(gpu->log, BASE_LOG_ERROR, "gpu", NULL, "the device hangs; it is left to the driver");
    return;
  }
  if (has_device) {
    gpu_pipeline_cache_close(gpu);
    gpu_recorder_finish(gpu);
  }
  gpu_slab_finish(gpu);
  if (has_device) gpu->instance.vk.DestroyDevice(gpu->device, NULL);
  gpu_instance_finish(&gpu->instance);
  pthread_cond_destroy(&gpu->done);
  pthread_cond_destroy(&gpu->work);
  pthread_mutex_destroy(&gpu->mutex);
  free(gpu->cache_path);
  free(gpu);
}

const struct gpu_info *gpu_get_info(const struct gpu *gpu) { return &gpu->info; }

uint64_t gpu_validation_count(const struct gpu *gpu) { return atomic_load(&gpu->validation.messages); }

void gpu_lose_after(struct gpu *gpu, uint32_t submissions) {
  gpu->lose_after = submissions > 0 ? gpu->recorder.submissions + submissions : 0;
}

enum base_result gpu_list_devices(struct base_buffer *out, struct base_fault *fault) {
  struct gpu_instance instance;
  enum base_result result = gpu_instance_init(&instance, NULL, fault);
  if (result != BASE_OK) return result;
  struct gpu_candidates *candidates = calloc(1, sizeof(*candidates));
  result = candidates ? gpu_candidates_find(&instance, candidates, fault)
                      : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the device list");
  if (result == BASE_OK) result = gpu_candidates_print(candidates, out);
  free(candidates);
  gpu_instance_finish(&instance);
  return result;
}
