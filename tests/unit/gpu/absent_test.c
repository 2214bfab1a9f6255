#include "gpu/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void device_fault_says_so_when_there_is_no_driver(void **state) {
  (void)state;
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){0}, &gpu, &fault), BASE_DEVICE);
  assert_null(gpu);
  assert_string_equal(fault.text, "there is no Vulkan driver on this machine (no usable ICD)");
}

static void list_fails_when_there_is_no_driver(void **state) {
  (void)state;
  struct base_fault fault = {0};
  struct base_buffer list;
  base_buffer_init(&list, 1024);
  assert_int_equal(gpu_list_devices(&list, &fault), BASE_DEVICE);
  assert_int_equal(list.bytes, 0);
  base_buffer_finish(&list);
}

int main(void) {
  // Two names for the same, for older and newer loaders.
  setenv("VK_ICD_FILENAMES", "/nonexistent", 1);
  setenv("VK_DRIVER_FILES", "/nonexistent", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(device_fault_says_so_when_there_is_no_driver),
      cmocka_unit_test(list_fails_when_there_is_no_driver),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
