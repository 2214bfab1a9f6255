#include "resample_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_oracle.h"

int resample_rig_setup(void **state) {
  struct resample_rig *rig = calloc(1, sizeof(*rig));
  struct base_fault fault = {0};
  const struct base_log_config log_config = {.fd = 2, .level = BASE_LOG_WARN};
  rig->log = base_log_create(&log_config);
  const struct gpu_config config = {.validation = true, .abort_on_validation = true, .log = rig->log};
  if (gpu_create(&config, &rig->gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  if (resample_create(rig->gpu, 0, &rig->resampler, &fault) != BASE_OK) fail_msg("%s", fault.text);
  *state = rig;
  return 0;
}

int resample_rig_teardown(void **state) {
  struct resample_rig *rig = *state;
  resample_destroy(&rig->resampler);
  gpu_destroy(&rig->gpu);
  base_log_destroy(&rig->log);
  free(rig);
  return 0;
}

uint32_t resample_random_next(struct resample_random *random, uint32_t limit) {
  uint64_t x = random->state ? random->state : 1;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  random->state = x;
  return (uint32_t)((x >> 32) % limit);
}

struct image *resample_picture(uint32_t width, uint32_t height, bool has_alpha) {
  struct image *image = NULL;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  return image;
}

struct image *resample_noise(uint32_t width, uint32_t height, bool has_alpha, uint64_t seed) {
  struct image *image = resample_picture(width, height, has_alpha);
  struct resample_random random = {seed * 2654435761u + 1};
  for (uint32_t y = 0; y < height; y++) {
    uint8_t *row = image_row(image, y);
    for (uint32_t x = 0; x < width; x++) {
      for (uint32_t c = 0; c < 4; c++) row[x * 4 + c] = (uint8_t)resample_random_next(&random, 256);
      uint32_t kind = resample_random_next(&random, 4);
      if (!has_alpha || kind == 0) row[x * 4 + 3] = 255;
      if (has_alpha && kind == 1) row[x * 4 + 3] = 0;
    }
  }
  return image;
}

struct image *resample_binary_noise(uint32_t width, uint32_t height, uint64_t seed) {
  struct image *image = resample_noise(width, height, false, seed);
  for (uint32_t y = 0; y < height; y++) {
    uint8_t *row = image_row(image, y);
    for (uint32_t i = 0; i < width * 4; i++) row[i] = row[i] & 0x40 || i % 4 == 3 ? 255 : 0;
  }
  return image;
}

struct resample_job resample_job_make(const struct image *source, uint32_t width, uint32_t height) {
  return (struct resample_job){.source = source,
                               .rect = {0, 0, source->width, source->height},
                               .orientation = IMAGE_UPRIGHT,
                               .width = width,
                               .height = height,
                               .target = resample_noise(width, height, source->has_alpha, 99),
                               .kernel = RESAMPLE_KERNEL_TWO_PASS};
}

void resample_job_finish(struct resample_job *job) { image_unref(&job->target); }

void resample_rig_run(struct resampler *resampler, const struct resample_job *job) {
  struct base_fault fault = {0};
  if (resample_run(resampler, job, 1, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

void resample_rig_check(struct resample_rig *rig, struct resample_job *job) {
  double *expected = resample_oracle(job);
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel <= RESAMPLE_KERNEL_TILE; kernel++) {
    job->kernel = (enum resample_kernel)kernel;
    resample_rig_run(rig->resampler, job);
    int difference = resample_oracle_difference(job, expected);
    if (difference > 1) {
      fail_msg("%s, filter %d, orientation %d, alpha %d: %ux%u (%g,%g %gx%g) -> %ux%u is %d steps off",
               resample_kernel_name(job->kernel), (int)job->filter, (int)job->orientation, (int)job->source->has_alpha,
               (unsigned)job->source->width, (unsigned)job->source->height, job->rect.x, job->rect.y, job->rect.width,
               job->rect.height, (unsigned)job->width, (unsigned)job->height, difference);
    }
  }
  free(expected);
}
