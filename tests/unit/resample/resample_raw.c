// Resamples raw RGBA from standard input to standard output, for witnesses in other languages.
//
//   resample_raw WIDTH HEIGHT NEW_WIDTH NEW_HEIGHT bicubic|mitchell|lanczos3 two-pass|tile

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resample/resample.h"

static int run(const struct resample_job *job) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  struct resampler *resampler = NULL;
  int status = 1;
  if (gpu_create(&(struct gpu_config){.validation = true, .abort_on_validation = true}, &gpu, &fault) != BASE_OK)
    goto out;
  if (resample_create(gpu, 0, &resampler, &fault) != BASE_OK) goto out;
  if (resample_run(resampler, job, 1, &fault) != BASE_OK) goto out;
  status = fwrite(job->target->pixels, job->target->bytes, 1, stdout) == 1 ? 0 : 1;
out:
  if (fault.result != BASE_OK) fprintf(stderr, "%s\n", fault.text);
  resample_destroy(&resampler);
  gpu_destroy(&gpu);
  return status;
}

int main(int argument_count, char **arguments) {
  static const char *const FILTERS[] = {"bicubic", "mitchell", "lanczos3"};
  if (argument_count != 7) return 2;
  uint32_t sides[4];
  for (int i = 0; i < 4; i++) sides[i] = (uint32_t)strtoul(arguments[i + 1], NULL, 10);
  struct image *source = NULL, *target = NULL;
  if (image_create(sides[0], sides[1], false, &source) != BASE_OK) return 2;
  if (image_create(sides[2], sides[3], false, &target) != BASE_OK) return 2;
  struct resample_job job = {.source = source,
                             .rect = {0, 0, source->width, source->height},
                             .orientation = IMAGE_UPRIGHT,
                             .width = target->width,
                             .height = target->height,
                             .target = target};
  for (int i = 0; i < 3; i++) {
    if (strcmp(arguments[5], FILTERS[i]) == 0) job.filter = (enum resample_filter)i;
  }
  job.kernel = strcmp(arguments[6], "tile") == 0 ? RESAMPLE_KERNEL_TILE : RESAMPLE_KERNEL_TWO_PASS;
  int status = fread(source->pixels, source->bytes, 1, stdin) == 1 ? run(&job) : 2;
  image_unref(&source);
  image_unref(&target);
  return status;
}
