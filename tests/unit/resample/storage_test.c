// Devices whose texel buffers are small get kernels that read storage buffers: the same jobs, the same results.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "device.h"
#include "resample_rig.h"

enum { LEAST_TEXELS = 65536 };  // what every Vulkan device has

static int setup(void **state) {
  if (resample_rig_setup(state) != 0) return -1;
  struct resample_rig *rig = *state;
  resample_destroy(&rig->resampler);
  rig->gpu->info.max_texels = LEAST_TEXELS;
  return resample_create(rig->gpu, 0, &rig->resampler, NULL) == BASE_OK ? 0 : -1;
}

static void one_step_from_oracle_when_texel_buffers_are_small(void **state) {
  static const uint32_t SIZES[][4] = {{64, 48, 131, 97}, {200, 150, 61, 45}, {700, 33, 40, 9}, {1, 5, 7, 1}};
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]) * 4; i++) {
    const uint32_t *sides = SIZES[i / 4];
    struct image *source = resample_noise(sides[0], sides[1], i % 2, i);
    struct resample_job job = resample_job_make(source, sides[2], sides[3]);
    job.orientation = i % 4 < 2 ? IMAGE_UPRIGHT : IMAGE_ROTATE_90;
    resample_rig_check(*state, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

// More pixels than such a device's texel buffers would hold.
static void large_picture_passes_when_texel_buffers_are_small(void **state) {
  struct image *source = resample_noise(400, 300, true, 4);
  struct resample_job job = resample_job_make(source, 350, 290);
  resample_rig_check(*state, &job);
  resample_job_finish(&job);
  image_unref(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_texel_buffers_are_small),
      cmocka_unit_test(large_picture_passes_when_texel_buffers_are_small),
  };
  return cmocka_run_group_tests(tests, setup, resample_rig_teardown);
}
