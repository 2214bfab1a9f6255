// Resamples raw samples from standard input to standard output, for witnesses in other languages.
//
//   resample_raw WIDTH HEIGHT NEW_WIDTH NEW_HEIGHT bicubic|mitchell|lanczos3 rgba|planes two-pass|tile|cpu ...
//
// rgba: 4 bytes a pixel. planes: Y, U and V of 4:2:0 one after another, full range on both sides. Every kernel's
// result follows the one before.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resample/resample.h"

enum { FIRST_KERNEL = 7 };  // among the arguments

// Reads or writes all samples, without what pads the rows.
static bool transfer(struct image *image, FILE *file, bool is_read) {
  const bool is_planar = image->format == IMAGE_YUV;
  for (unsigned p = 0; p < (is_planar ? 3u : 1u); p++) {
    const uint32_t rows = is_planar ? image->planes[p].height : image->height;
    const size_t bytes = is_planar ? image->planes[p].width : (size_t)image->width * 4;
    for (uint32_t y = 0; y < rows; y++) {
      uint8_t *row = is_planar ? image_plane_row(&image->planes[p], y) : image_row(image, y);
      if ((is_read ? fread(row, bytes, 1, file) : fwrite(row, bytes, 1, file)) != 1) return false;
    }
  }
  return true;
}

static enum base_result make_image(uint32_t width, uint32_t height, bool is_planar, struct image **out) {
  const struct image_yuv yuv = {.width = width, .height = height, .chroma_x = 2, .chroma_y = 2};
  return is_planar ? image_create_yuv(&yuv, out) : image_create(width, height, false, out);
}

static enum resample_kernel kernel_named(const char *name) {
  int kernel = RESAMPLE_KERNEL_COUNT - 1;
  while (kernel > RESAMPLE_KERNEL_AUTO && strcmp(resample_kernel_name((enum resample_kernel)kernel), name) != 0)
    kernel--;
  return (enum resample_kernel)kernel;
}

static int run(struct image *source, struct resample_job *job, char **kernels) {
  struct base_fault fault = {0};
  struct resampler *resampler = NULL;
  int status = 1;
  const struct resample_config config = {.mode = RESAMPLE_MODE_VULKAN,
                                         .gpu = {.validation = true, .abort_on_validation = true}};
  if (resample_create(&config, &resampler, &fault) != BASE_OK) goto out;
  if (resample_source_create(resampler, source, &job->source, &fault) != BASE_OK) goto out;
  for (; *kernels; kernels++) {
    job->kernel = kernel_named(*kernels);
    if (job->kernel == RESAMPLE_KERNEL_AUTO || resample_choice(resampler, job) != job->kernel) goto out;
    if (resample_run(resampler, job, 1, &fault) != BASE_OK) goto out;
    if (!transfer(job->target, stdout, false)) goto out;
  }
  status = 0;
out:
  if (fault.result != BASE_OK) fprintf(stderr, "%s\n", fault.text);
  resample_source_unref(&job->source);
  resample_destroy(&resampler);
  return status;
}

int main(int argument_count, char **arguments) {
  static const char *const FILTERS[] = {"bicubic", "mitchell", "lanczos3"};
  if (argument_count <= FIRST_KERNEL) return 2;
  uint32_t sides[4];
  for (int i = 0; i < 4; i++) sides[i] = (uint32_t)strtoul(arguments[i + 1], NULL, 10);
  const bool is_planar = strcmp(arguments[6], "planes") == 0;
  struct image *source = NULL, *target = NULL;
  if (make_image(sides[0], sides[1], is_planar, &source) != BASE_OK) return 2;
  if (make_image(sides[2], sides[3], is_planar, &target) != BASE_OK) return 2;
  struct resample_job job = {.rect = {0, 0, source->width, source->height},
                             .orientation = IMAGE_UPRIGHT,
                             .width = target->width,
                             .height = target->height,
                             .target = target};
  for (int i = 0; i < 3; i++) {
    if (strcmp(arguments[5], FILTERS[i]) == 0) job.filter = (enum resample_filter)i;
  }
  const int status = transfer(source, stdin, true) ? run(source, &job, arguments + FIRST_KERNEL) : 2;
  image_unref(&source);
  image_unref(&target);
  return status;
}
