// Devices whose texel buffers are small get kernels that read storage buffers: the same jobs, the same results.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "device.h"
#include "vulkan_rig.h"

enum { LEAST_TEXELS = 65536 };  // what every Vulkan device has

static int setup(void **state) {
  if (vulkan_rig_setup(state) != 0) return -1;
  struct vulkan_rig *rig = *state;
  resample_vulkan_destroy(&rig->vulkan);
  rig->gpu->info.max_texels = LEAST_TEXELS;
  rig->vulkan = vulkan_rig_machine(rig, 0, true);
  return 0;
}

// With every kernel that takes it.
static void check(struct vulkan_rig *rig, struct resample_job *job) {
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel <= RESAMPLE_KERNEL_TILE; kernel++) {
    job->kernel = (enum resample_kernel)kernel;
    if (kernel == RESAMPLE_KERNEL_TILE && job->source->image->format == IMAGE_YUV) continue;
    vulkan_run(rig->vulkan, job, 1);
    vulkan_assert_right(job);
  }
}

static void one_step_from_oracle_when_texel_buffers_are_small(void **state) {
  static const uint32_t SIZES[][4] = {{64, 48, 131, 97}, {200, 150, 61, 45}, {700, 33, 40, 9}, {1, 5, 7, 1}};
  struct vulkan_rig *rig = *state;
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]) * VULKAN_KIND_COUNT * 2; i++) {
    const uint32_t *sides = SIZES[i / (VULKAN_KIND_COUNT * 2)];
    const enum vulkan_kind kind = (enum vulkan_kind)(i % VULKAN_KIND_COUNT);
    struct resample_source *source = vulkan_source(vulkan_source_image(kind, sides[0], sides[1], i));
    struct resample_job job = vulkan_job(source, kind, sides[2], sides[3]);
    job.orientation = i / VULKAN_KIND_COUNT % 2 == 0 ? IMAGE_UPRIGHT : IMAGE_ROTATE_90;
    job.is_linear = kind == VULKAN_RGBA && i % 3 == 0;
    check(rig, &job);
    image_unref(&job.target);
    resample_vulkan_forget(rig->vulkan, source);
    vulkan_source_free(&source);
  }
}

// More pixels than such a device's texel buffers would hold.
static void large_picture_passes_when_texel_buffers_are_small(void **state) {
  struct vulkan_rig *rig = *state;
  struct resample_source *source = vulkan_source(vulkan_source_image(VULKAN_RGBA, 400, 300, 4));
  struct resample_job job = vulkan_job(source, VULKAN_RGBA, 350, 290);
  check(rig, &job);
  image_unref(&job.target);
  resample_vulkan_forget(rig->vulkan, source);
  vulkan_source_free(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_texel_buffers_are_small),
      cmocka_unit_test(large_picture_passes_when_texel_buffers_are_small),
  };
  return cmocka_run_group_tests(tests, setup, vulkan_rig_teardown);
}
