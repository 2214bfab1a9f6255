// What the gpu room's tests share: a checked device, and the kernels of scale.comp and texels.comp (every word times a
// factor plus a constant).
#ifndef GPU_RIG_H
#define GPU_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/gpu.h"
#include "gpu_test_scale_spirv.h"
#include "gpu_test_texels_spirv.h"

struct scale_push {
  uint32_t count, factor;
};

// Every message of the validation layer aborts.
static inline struct gpu *gpu_rig_create(struct gpu_config config) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  config.validation = true;
  config.abort_on_validation = true;
  if (gpu_create(&config, &gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return gpu;
}

static inline int gpu_rig_setup(void **state) {
  *state = gpu_rig_create((struct gpu_config){0});
  return 0;
}

static inline int gpu_rig_teardown(void **state) {
  struct gpu *gpu = *state;
  assert_int_equal(gpu_validation_count(gpu), 0);
  gpu_destroy(&gpu);
  assert_null(gpu);
  return 0;
}

static inline struct gpu_kernel *gpu_rig_kernel(struct gpu *gpu, enum gpu_binding input, uint32_t added) {
  bool has_texels = input != GPU_BINDING_STORAGE;
  const struct gpu_kernel_config config = {
      .name = "scale",
      .spirv = has_texels ? gpu_test_texels_spirv : gpu_test_scale_spirv,
      .spirv_bytes = has_texels ? sizeof(gpu_test_texels_spirv) : sizeof(gpu_test_scale_spirv),
      .binding_count = 2,
      .bindings = {input, GPU_BINDING_STORAGE},
      .push_bytes = sizeof(struct scale_push),
      .constant_count = 1,
      .constants = {added}};
  struct gpu_kernel *kernel = NULL;
  assert_int_equal(gpu_kernel_create(gpu, &config, &kernel, NULL), BASE_OK);
  return kernel;
}

static inline struct gpu_buffer *gpu_rig_buffer(struct gpu *gpu, size_t bytes, enum gpu_memory memory) {
  struct base_fault fault = {0};
  struct gpu_buffer *buffer = NULL;
  if (gpu_buffer_create(gpu, bytes, memory, &buffer, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(gpu_buffer_bytes(buffer), bytes);
  return buffer;
}

static inline struct gpu_dispatch gpu_rig_scale(const struct gpu_kernel *kernel, struct gpu_buffer *from,
                                                struct gpu_buffer *to, uint32_t words, uint32_t factor) {
  const struct scale_push push = {words, factor};
  struct gpu_dispatch dispatch = {.kernel = kernel, .buffers = {from, to}, .groups = {(words + 63) / 64, 1, 1}};
  memcpy(dispatch.push, &push, sizeof(push));
  return dispatch;
}

// One run on the device comes out right: word i becomes i * 3 + 7.
static inline void gpu_rig_check_run(struct gpu *gpu) {
  enum { WORDS = 500 };
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 7);
  struct gpu_buffer *from = gpu_rig_buffer(gpu, WORDS * 4, GPU_MEMORY_UPLOAD);
  struct gpu_buffer *to = gpu_rig_buffer(gpu, WORDS * 4, GPU_MEMORY_READBACK);
  uint32_t *words = gpu_buffer_map(from);
  for (uint32_t i = 0; i < WORDS; i++) words[i] = i;
  const struct gpu_dispatch dispatch = gpu_rig_scale(kernel, from, to, WORDS, 3);
  assert_int_equal(gpu_run(gpu, &dispatch, 1, NULL), BASE_OK);
  const uint32_t *results = gpu_buffer_map(to);
  for (uint32_t i = 0; i < WORDS; i++) assert_int_equal(results[i], i * 3 + 7);
  gpu_buffer_destroy(&from);
  gpu_buffer_destroy(&to);
  gpu_kernel_destroy(&kernel);
}

#endif
