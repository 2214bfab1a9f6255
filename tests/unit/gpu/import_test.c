// Host memory as buffers. Devices that refuse it, or whose memory is not coherent, are played by other functions and
// memory types put into the room's own tables.

#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "gpu_rig.h"

enum { PAGES = 3, WORDS = PAGES * 4096 / 4 };

static const size_t BYTES = WORDS * sizeof(uint32_t);

static struct gpu_buffer *import(struct gpu *gpu, void *memory) {
  struct base_fault fault = {0};
  struct gpu_buffer *buffer = NULL;
  if (gpu_buffer_import(gpu, memory, BYTES, &buffer, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(gpu_buffer_bytes(buffer), BYTES);
  assert_ptr_equal(gpu_buffer_map(buffer), memory);
  return buffer;
}

static void fill(uint32_t *from, uint32_t round) {
  for (uint32_t i = 0; i < WORDS; i++) from[i] = i ^ round;
}

// A kernel reads `from`, filled before and after the import, and writes `to` in place.
static void check_in_place(struct gpu *gpu, uint32_t *from, uint32_t *to, enum gpu_binding binding) {
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, binding, 9);
  fill(from, 0);
  struct gpu_buffer *input = import(gpu, from), *output = import(gpu, to);
  for (uint32_t round = 0; round < 2; round++) {
    if (round > 0) fill(from, round);
    memset(to, 0xee, BYTES);
    const struct gpu_dispatch dispatch = gpu_rig_scale(kernel, input, output, WORDS, 5);
    assert_int_equal(gpu_run(gpu, &dispatch, 1, NULL), BASE_OK);
    for (uint32_t i = 0; i < WORDS; i++) assert_int_equal(to[i], (i ^ round) * 5 + 9);
  }
  gpu_buffer_destroy(&input);
  gpu_buffer_destroy(&output);
  gpu_kernel_destroy(&kernel);
  assert_int_equal(to[11], (11 ^ 1) * 5 + 9);
}

static uint32_t *allocate_pages(struct gpu *gpu) {
  size_t alignment = gpu_get_info(gpu)->import_alignment;
  assert_true(alignment > 0 && 4096 % alignment == 0);
  uint32_t *pages = aligned_alloc(4096, BYTES);
  assert_non_null(pages);
  memset(pages, 0, BYTES);
  return pages;
}

static void kernels_work_in_place_when_memory_is_from_malloc(void **state) {
  uint32_t *from = allocate_pages(*state), *to = allocate_pages(*state);
  check_in_place(*state, from, to, GPU_BINDING_STORAGE);
  free(from);
  free(to);
}

static void kernels_work_in_place_when_they_read_texels(void **state) {
  uint32_t *from = allocate_pages(*state), *to = allocate_pages(*state);
  check_in_place(*state, from, to, GPU_BINDING_TEXELS_R32UI);
  free(from);
  free(to);
}

static void file_sees_results_when_mapping_is_shared(void **state) {
  int fd = memfd_create("import", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, (off_t)(2 * BYTES)), 0);
  uint8_t *mapped = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_ptr_not_equal(mapped, MAP_FAILED);
  check_in_place(*state, (uint32_t *)(void *)mapped, (uint32_t *)(void *)(mapped + BYTES), GPU_BINDING_STORAGE);
  munmap(mapped, 2 * BYTES);
  uint32_t word = 0;
  assert_int_equal(pread(fd, &word, sizeof(word), (off_t)(BYTES + 100 * 4)), sizeof(word));
  assert_int_equal(word, (100 ^ 1) * 5 + 9);
  close(fd);
}

static int flushes, invalidations;

static VKAPI_ATTR VkResult VKAPI_CALL count_flush(VkDevice device, uint32_t count, const VkMappedMemoryRange *ranges) {
  (void)device, (void)ranges;
  flushes += (int)count;
  return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL count_invalidation(VkDevice device, uint32_t count,
                                                         const VkMappedMemoryRange *ranges) {
  (void)device, (void)ranges;
  invalidations += (int)count;
  return VK_SUCCESS;
}

static void imported_memory_is_flushed_and_invalidated_when_not_coherent(void **state) {
  (void)state;
  struct gpu *gpu = gpu_rig_create((struct gpu_config){0});
  for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
    gpu->memory.memoryTypes[i].propertyFlags &= ~(VkMemoryPropertyFlags)VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  }
  uint32_t *from = allocate_pages(gpu), *to = allocate_pages(gpu);
  // With the real functions the layer checks that the ranges may be flushed.
  check_in_place(gpu, from, to, GPU_BINDING_STORAGE);
  gpu_rig_check_run(gpu);
  gpu->instance.vk.FlushMappedMemoryRanges = count_flush;
  gpu->instance.vk.InvalidateMappedMemoryRanges = count_invalidation;
  check_in_place(gpu, from, to, GPU_BINDING_STORAGE);
  assert_int_equal(flushes, 2 * 2);
  assert_int_equal(invalidations, 2 * 2);
  gpu_rig_check_run(gpu);
  assert_int_equal(flushes, 2 * 2 + 1);
  assert_int_equal(invalidations, 2 * 2 + 1);
  gpu_destroy(&gpu);
  free(from);
  free(to);
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse_pointer(VkDevice device, VkExternalMemoryHandleTypeFlagBits type,
                                                     const void *pointer, VkMemoryHostPointerPropertiesEXT *out) {
  (void)device, (void)type, (void)pointer, (void)out;
  return VK_ERROR_INVALID_EXTERNAL_HANDLE;
}

static VKAPI_ATTR VkResult VKAPI_CALL no_types(VkDevice device, VkExternalMemoryHandleTypeFlagBits type,
                                               const void *pointer, VkMemoryHostPointerPropertiesEXT *out) {
  (void)device, (void)type, (void)pointer;
  out->memoryTypeBits = 0;
  return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse_allocation(VkDevice device, const VkMemoryAllocateInfo *info,
                                                        const VkAllocationCallbacks *callbacks, VkDeviceMemory *out) {
  (void)device, (void)info, (void)callbacks, (void)out;
  return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse_binding(VkDevice device, VkBuffer buffer, VkDeviceMemory memory,
                                                     VkDeviceSize offset) {
  (void)device, (void)buffer, (void)memory, (void)offset;
  return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static void check_refused(struct gpu *gpu, uint32_t *pages, const char *text) {
  struct base_fault fault = {0};
  struct gpu_buffer *buffer = NULL;
  uint32_t allocations = gpu->slab.allocations;
  assert_int_equal(gpu_buffer_import(gpu, pages, BYTES, &buffer, &fault), BASE_UNSUPPORTED);
  assert_null(buffer);
  assert_non_null(strstr(fault.text, text));
  assert_int_equal(gpu->slab.allocations, allocations);
  assert_int_equal(base_metric_get(gpu->imported_metric), 0);
}

// What is left behind would be reported by the layer when the device goes.
static void import_is_unsupported_when_the_device_refuses(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct gpu *gpu = gpu_rig_create((struct gpu_config){.metrics = metrics});
  const struct gpu_vulkan real = gpu->instance.vk;
  uint32_t *pages = allocate_pages(gpu);
  gpu->instance.vk.GetMemoryHostPointerPropertiesEXT = refuse_pointer;
  check_refused(gpu, pages, "VK_ERROR_INVALID_EXTERNAL_HANDLE");
  gpu->instance.vk.GetMemoryHostPointerPropertiesEXT = no_types;
  check_refused(gpu, pages, "VK_ERROR_INVALID_EXTERNAL_HANDLE");
  gpu->instance.vk = real;
  gpu->instance.vk.AllocateMemory = refuse_allocation;
  check_refused(gpu, pages, "VK_ERROR_OUT_OF_DEVICE_MEMORY");
  gpu->instance.vk = real;
  gpu->instance.vk.BindBufferMemory = refuse_binding;
  check_refused(gpu, pages, "VK_ERROR_OUT_OF_DEVICE_MEMORY");
  gpu->instance.vk = real;
  gpu->properties.limits.maxMemoryAllocationCount = 0;
  check_refused(gpu, pages, "VK_ERROR_TOO_MANY_OBJECTS");
  gpu->properties.limits.maxMemoryAllocationCount = 1;
  struct gpu_buffer *buffer = import(gpu, pages);
  assert_int_equal(base_metric_get(gpu->imported_metric), BYTES);
  assert_int_equal(gpu_memory_bytes(gpu), 0);
  gpu_buffer_destroy(&buffer);
  assert_int_equal(base_metric_get(gpu->imported_metric), 0);
  gpu_destroy(&gpu);
  base_metrics_destroy(&metrics);
  free(pages);
}

static void import_is_refused_when_over_the_device_limit(void **state) {
  struct gpu *gpu = *state;
  uint32_t *pages = allocate_pages(gpu);
  uint64_t most = gpu->info.max_storage_bytes;
  gpu->info.max_storage_bytes = BYTES - 1;
  struct gpu_buffer *buffer = NULL;
  assert_int_equal(gpu_buffer_import(gpu, pages, BYTES, &buffer, NULL), BASE_TOO_LARGE);
  assert_null(buffer);
  gpu->info.max_storage_bytes = most;
  free(pages);
}

static PFN_vkWaitForFences real_wait;
static int time_outs;

static VKAPI_ATTR VkResult VKAPI_CALL time_out(VkDevice device, uint32_t count, const VkFence *fences, VkBool32 all,
                                               uint64_t timeout) {
  return time_outs-- > 0 ? VK_TIMEOUT : real_wait(device, count, fences, all, timeout);
}

static void note_release(void *user) { ++*(int *)user; }

static void memory_is_released_later_when_the_device_hangs(void **state) {
  struct gpu *gpu = *state;
  int releases = 0;
  uint32_t *from = allocate_pages(gpu), *to = allocate_pages(gpu);
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 0);
  struct gpu_buffer *input = import(gpu, from), *output = import(gpu, to);
  gpu_buffer_on_release(input, note_release, &releases);
  gpu_buffer_on_release(output, note_release, &releases);
  const struct gpu_dispatch dispatch = gpu_rig_scale(kernel, input, output, WORDS, 5);
  real_wait = gpu->instance.vk.WaitForFences;
  time_outs = 2;
  gpu->instance.vk.WaitForFences = time_out;
  assert_int_equal(gpu_run(gpu, &dispatch, 1, NULL), BASE_TIMEOUT);
  gpu_buffer_destroy(&input);
  assert_int_equal(gpu_run(gpu, &dispatch, 1, NULL), BASE_TIMEOUT);
  gpu_buffer_destroy(&output);
  gpu_kernel_destroy(&kernel);
  assert_int_equal(releases, 0);
  gpu_rig_check_run(gpu);
  assert_int_equal(releases, 2);
  gpu->instance.vk.WaitForFences = real_wait;
  input = import(gpu, from);
  gpu_buffer_on_release(input, note_release, &releases);
  gpu_buffer_destroy(&input);
  assert_int_equal(releases, 3);
  free(from);
  free(to);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kernels_work_in_place_when_memory_is_from_malloc),
      cmocka_unit_test(kernels_work_in_place_when_they_read_texels),
      cmocka_unit_test(file_sees_results_when_mapping_is_shared),
      cmocka_unit_test(imported_memory_is_flushed_and_invalidated_when_not_coherent),
      cmocka_unit_test(import_is_unsupported_when_the_device_refuses),
      cmocka_unit_test(import_is_refused_when_over_the_device_limit),
      cmocka_unit_test(memory_is_released_later_when_the_device_hangs),
  };
  return cmocka_run_group_tests(tests, gpu_rig_setup, gpu_rig_teardown);
}
