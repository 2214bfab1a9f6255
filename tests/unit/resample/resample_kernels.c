// Builds every kernel for the Vulkan device that pixpopd would take, and runs none: for drivers whose device is no
// hardware (RADV_FORCE_FAMILY) and only compiles. Prints the device's line, then the size of the pipeline cache before
// any kernel, with those that read texel buffers, and with those that read storage buffers as well.

#include <stdio.h>

#include "device.h"
#include "vulkan.h"

enum { FEW_TEXELS = 65536 };  // what Vulkan promises; the kernels then read storage buffers

enum base_result __wrap_gpu_recorder_init(struct gpu *gpu, struct base_fault *fault);

// In gpu_recorder_init's place: such a device has no fences to wait for.
enum base_result __wrap_gpu_recorder_init(struct gpu *gpu, struct base_fault *fault) {
  (void)gpu;
  (void)fault;
  return BASE_OK;
}

static void print_cache(const struct gpu *gpu) {
  size_t bytes = 0;
  const VkResult result = gpu->instance.vk.GetPipelineCacheData(gpu->device, gpu->cache, &bytes, NULL);
  printf("cache %zu\n", result == VK_SUCCESS ? bytes : 0);
}

static enum base_result build_kernels(struct gpu *gpu, struct base_fault *fault) {
  struct resample_vulkan *vulkan = NULL;
  const enum base_result result = resample_vulkan_create(gpu, 0, false, &vulkan, fault);
  resample_vulkan_destroy(&vulkan);
  if (result == BASE_OK) print_cache(gpu);
  return result;
}

int main(void) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  const struct gpu_config config = {0};
  enum base_result result = gpu_create(&config, &gpu, &fault);
  if (result == BASE_OK) {
    printf("device %s (%s)\n", gpu->info.name, gpu->info.driver);
    print_cache(gpu);
    result = build_kernels(gpu, &fault);
  }
  if (result == BASE_OK) {
    gpu->info.max_texels = FEW_TEXELS;
    result = build_kernels(gpu, &fault);
  }
  if (result != BASE_OK) fprintf(stderr, "%s\n", fault.text);
  gpu_destroy(&gpu);
  return result == BASE_OK ? 0 : 1;
}
