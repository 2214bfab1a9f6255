#include "choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct gpu_candidates all;

static void add(const char *name, VkPhysicalDeviceType type, bool is_usable) {
  struct gpu_candidate *candidate = &all.list[all.count++];
  *candidate = (struct gpu_candidate){.is_usable = is_usable};
  candidate->properties.deviceType = type;
  snprintf(candidate->properties.deviceName, sizeof(candidate->properties.deviceName), "%s", name);
}

static int setup(void **state) {
  (void)state;
  all.count = 0;
  add("llvmpipe (LLVM)", VK_PHYSICAL_DEVICE_TYPE_CPU, true);
  add("Virtio Venus", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU, true);
  add("Intel Xe", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, true);
  add("Old Radeon", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, false);
  add("GeForce RTX", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, true);
  add("GeForce second", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, true);
  return 0;
}

static int choose(const char *wanted) {
  char reason[64] = "";
  int index = gpu_choose(&all, wanted, reason, sizeof(reason));
  assert_true(strlen(reason) > 0);
  return index;
}

static void better_kind_wins_when_nothing_is_asked_for(void **state) {
  (void)state;
  assert_int_equal(choose(NULL), 4);
  assert_int_equal(choose(""), 4);
  all.count = 3;
  assert_int_equal(choose(NULL), 2);
  all.count = 2;
  assert_int_equal(choose(NULL), 1);
  all.count = 1;
  assert_int_equal(choose(NULL), 0);
}

static void name_part_matches_when_case_differs(void **state) {
  (void)state;
  assert_int_equal(choose("xe"), 2);
  assert_int_equal(choose("SECOND"), 5);
  assert_int_equal(choose("matrox"), -1);
}

static void index_counts_from_zero_when_digits_are_asked_for(void **state) {
  (void)state;
  assert_int_equal(choose("0"), 0);
  assert_int_equal(choose("5"), 5);
  assert_int_equal(choose("6"), -1);
  assert_int_equal(choose("18446744073709551615"), -1);
}

static void unusable_device_is_never_chosen_when_asked_for(void **state) {
  (void)state;
  assert_int_equal(choose("3"), -1);
  assert_int_equal(choose("radeon"), -1);
  for (size_t i = 0; i < all.count; i++) all.list[i].is_usable = false;
  assert_int_equal(choose(NULL), -1);
}

static void every_device_has_a_line_when_listed(void **state) {
  (void)state;
  struct base_buffer out;
  base_buffer_init(&out, 4096);
  assert_int_equal(gpu_candidates_print(&all, &out), BASE_OK);
  assert_int_equal(base_buffer_append(&out, "", 1), BASE_OK);
  assert_non_null(strstr((const char *)out.data, "0: llvmpipe (LLVM) () software, Vulkan 0.0\n"));
  assert_non_null(strstr((const char *)out.data, "3: Old Radeon () discrete, Vulkan 0.0, not usable\n"));
  base_buffer_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(better_kind_wins_when_nothing_is_asked_for, setup),
      cmocka_unit_test_setup(name_part_matches_when_case_differs, setup),
      cmocka_unit_test_setup(index_counts_from_zero_when_digits_are_asked_for, setup),
      cmocka_unit_test_setup(unusable_device_is_never_chosen_when_asked_for, setup),
      cmocka_unit_test_setup(every_device_has_a_line_when_listed, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
