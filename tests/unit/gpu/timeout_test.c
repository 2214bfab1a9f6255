#include "gpu/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_test_spin_spirv.h"

enum { TIMEOUT_MS = 5, TURNS = 20000, LONG_GROUPS = 2048, MOST_TRIES = 10000 };

static void run_is_refused_until_done_when_one_timed_out(void **state) {
  (void)state;
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  const struct gpu_config config = {.validation = true, .abort_on_validation = true, .timeout_ms = TIMEOUT_MS};
  if (gpu_create(&config, &gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  const struct gpu_kernel_config kernel_config = {.name = "spin",
                                                  .spirv = gpu_test_spin_spirv,
                                                  .spirv_bytes = sizeof(gpu_test_spin_spirv),
                                                  .binding_count = 1,
                                                  .push_bytes = 4};
  struct gpu_kernel *kernel = NULL, *other_kernel = NULL;
  assert_int_equal(gpu_kernel_create(gpu, &kernel_config, &kernel, NULL), BASE_OK);
  assert_int_equal(gpu_kernel_create(gpu, &kernel_config, &other_kernel, NULL), BASE_OK);
  struct gpu_buffer *buffer = NULL, *other = NULL;
  assert_int_equal(gpu_buffer_create(gpu, 64 * 4, GPU_MEMORY_READBACK, &buffer, NULL), BASE_OK);
  assert_int_equal(gpu_buffer_create(gpu, 64 * 4, GPU_MEMORY_READBACK, &other, NULL), BASE_OK);
  const uint32_t turns = TURNS;
  struct gpu_dispatch dispatch = {.kernel = kernel, .buffers = {buffer}, .groups = {LONG_GROUPS, 1, 1}};
  memcpy(dispatch.push, &turns, sizeof(turns));
  assert_int_equal(gpu_run(gpu, &dispatch, 1, &fault), BASE_TIMEOUT);
  assert_int_equal(fault.result, BASE_TIMEOUT);
  // Still in use on the device: the room must keep both alive by itself.
  gpu_buffer_destroy(&buffer);
  gpu_kernel_destroy(&kernel);

  dispatch.kernel = other_kernel;
  dispatch.buffers[0] = other;
  dispatch.groups[0] = 1;
  memset(dispatch.push, 0, sizeof(dispatch.push));
  enum base_result result = BASE_TIMEOUT;
  int refusals = 0;
  for (int i = 0; i < MOST_TRIES && result == BASE_TIMEOUT; i++) {
    result = gpu_run(gpu, &dispatch, 1, NULL);
    refusals += result == BASE_TIMEOUT;
  }
  assert_int_equal(result, BASE_OK);
  assert_true(refusals > 0);
  assert_int_equal(((uint32_t *)gpu_buffer_map(other))[5], 5);
  gpu_buffer_destroy(&other);
  gpu_kernel_destroy(&other_kernel);
  gpu_destroy(&gpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(run_is_refused_until_done_when_one_timed_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
