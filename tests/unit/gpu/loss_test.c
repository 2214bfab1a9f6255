// Devices that are lost or hang for good: told to by lose_after, or played by other Vulkan functions.

#include "device.h"
#include "gpu_rig.h"

enum { ROUNDS = 20, WORDS = 100 };

struct parts {
  struct gpu *gpu;
  struct gpu_kernel *kernel;
  struct gpu_buffer *from, *to;
  struct gpu_dispatch dispatch;
};

static struct parts make(struct gpu_config config) {
  struct parts parts = {.gpu = gpu_rig_create(config)};
  parts.kernel = gpu_rig_kernel(parts.gpu, GPU_BINDING_STORAGE, 1);
  parts.from = gpu_rig_buffer(parts.gpu, WORDS * 4, GPU_MEMORY_UPLOAD);
  parts.to = gpu_rig_buffer(parts.gpu, WORDS * 4, GPU_MEMORY_READBACK);
  memset(gpu_buffer_map(parts.from), 0, WORDS * 4);
  parts.dispatch = gpu_rig_scale(parts.kernel, parts.from, parts.to, WORDS, 1);
  return parts;
}

static void finish(struct parts *parts) {
  gpu_buffer_destroy(&parts->from);
  gpu_buffer_destroy(&parts->to);
  gpu_kernel_destroy(&parts->kernel);
  gpu_destroy(&parts->gpu);
}

static void expect_lost(struct parts *parts) {
  struct base_fault fault = {0};
  assert_int_equal(gpu_run(parts->gpu, &parts->dispatch, 1, &fault), BASE_DEVICE);
  assert_true(strstr(fault.text, "LOST") || strstr(fault.text, "was lost"));
}

static void all_that_follows_is_refused_when_the_third_run_loses_the_device(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct parts parts = make((struct gpu_config){.lose_after = 3, .metrics = metrics});
  for (int i = 0; i < 2; i++) assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_OK);
  for (int i = 0; i < 4; i++) expect_lost(&parts);
  struct base_metric *failures = base_metrics_counter(metrics, "pixpop_gpu_failures_total", "", "");
  assert_int_equal(base_metric_get(failures), 1);
  finish(&parts);
  base_metrics_destroy(&metrics);
}

static void runs_are_counted_from_then_on_when_loss_is_ordered_later(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){.lose_after = 2});
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_OK);
  gpu_lose_after(parts.gpu, 0);
  for (int i = 0; i < 3; i++) assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_OK);
  gpu_lose_after(parts.gpu, 2);
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_OK);
  expect_lost(&parts);
  finish(&parts);
}

static void new_device_works_when_the_last_one_was_lost(void **state) {
  (void)state;
  for (int i = 0; i < ROUNDS; i++) {
    struct parts parts = make((struct gpu_config){.lose_after = 1});
    expect_lost(&parts);
    finish(&parts);
    struct gpu *gpu = gpu_rig_create((struct gpu_config){0});
    gpu_rig_check_run(gpu);
    gpu_destroy(&gpu);
  }
}

static VKAPI_ATTR VkResult VKAPI_CALL lose_on_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *submits,
                                                     VkFence fence) {
  (void)queue, (void)count, (void)submits, (void)fence;
  return VK_ERROR_DEVICE_LOST;
}

static void device_is_lost_when_submitting_says_so(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){0});
  PFN_vkQueueSubmit real = parts.gpu->instance.vk.QueueSubmit;
  parts.gpu->instance.vk.QueueSubmit = lose_on_submit;
  expect_lost(&parts);
  parts.gpu->instance.vk.QueueSubmit = real;
  expect_lost(&parts);
  finish(&parts);
}

static PFN_vkWaitForFences real_wait;
static VkResult waited;  // what is reported in place of the truth, once the device is done

static VKAPI_ATTR VkResult VKAPI_CALL wait_and_report(VkDevice device, uint32_t count, const VkFence *fences,
                                                      VkBool32 all, uint64_t timeout) {
  VkResult result = real_wait(device, count, fences, all, timeout);
  return waited == VK_SUCCESS ? result : waited;
}

static void report(struct gpu *gpu, VkResult result) {
  real_wait = gpu->instance.vk.WaitForFences;
  waited = result;
  gpu->instance.vk.WaitForFences = wait_and_report;
}

static void device_is_lost_when_waiting_says_so(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){0});
  report(parts.gpu, VK_ERROR_DEVICE_LOST);
  expect_lost(&parts);
  waited = VK_SUCCESS;
  expect_lost(&parts);
  finish(&parts);
}

// A device that timed out and is lost while later runs wait for it.
static void device_is_lost_when_a_hung_run_ends_so(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){0});
  report(parts.gpu, VK_TIMEOUT);
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_TIMEOUT);
  waited = VK_ERROR_DEVICE_LOST;
  expect_lost(&parts);
  waited = VK_SUCCESS;
  expect_lost(&parts);
  assert_int_equal(parts.gpu->recorder.submissions, 1);
  finish(&parts);
}

static void run_stays_under_way_when_waiting_fails_otherwise(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){0});
  report(parts.gpu, VK_ERROR_OUT_OF_HOST_MEMORY);
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_TIMEOUT);
  assert_true(parts.gpu->is_hung);
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_TIMEOUT);
  waited = VK_SUCCESS;
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_OK);
  finish(&parts);
}

static void new_device_works_when_the_last_one_hangs_for_good(void **state) {
  (void)state;
  struct parts parts = make((struct gpu_config){0});
  struct gpu *left = parts.gpu;
  report(parts.gpu, VK_TIMEOUT);
  assert_int_equal(gpu_run(parts.gpu, &parts.dispatch, 1, NULL), BASE_TIMEOUT);
  finish(&parts);
  assert_null(parts.gpu);
  assert_non_null(left->deferred_kernels);
  assert_non_null(left->deferred_buffers);
  struct gpu *gpu = gpu_rig_create((struct gpu_config){0});
  gpu_rig_check_run(gpu);
  gpu_destroy(&gpu);
  // It was not that bad: all that was left as it was is whole.
  waited = VK_SUCCESS;
  gpu_destroy(&left);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_that_follows_is_refused_when_the_third_run_loses_the_device),
      cmocka_unit_test(runs_are_counted_from_then_on_when_loss_is_ordered_later),
      cmocka_unit_test(new_device_works_when_the_last_one_was_lost),
      cmocka_unit_test(device_is_lost_when_submitting_says_so),
      cmocka_unit_test(device_is_lost_when_waiting_says_so),
      cmocka_unit_test(device_is_lost_when_a_hung_run_ends_so),
      cmocka_unit_test(run_stays_under_way_when_waiting_fails_otherwise),
      cmocka_unit_test(new_device_works_when_the_last_one_hangs_for_good),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
