// pixpop's resampler. The variant is a kernel ("cpu", "two-pass", "tile"), a dash, and "batch" (all sizes in one
// resample_run) or "single" (one run a size). Sources stay with the device between runs.
#include <stdbool.h>
#include <string.h>

#include "resample/resample.h"
#include "worker.h"

static struct resampler *resampler;
static bool has_device;
static struct resample_source *sources[WORKER_CASES];
static struct resample_job jobs[WORKER_CASES][WORKER_MAX_SIZES];

static struct image *new_image(const struct worker_case *one, struct worker_size size, enum image_range range) {
  const struct image_yuv yuv = {
      .width = size.width, .height = size.height, .range = range, .chroma_x = 2, .chroma_y = 2};
  struct image *image = NULL;
  const enum base_result result = one->kind == WORKER_YUV
                                      ? image_create_yuv(&yuv, &image)
                                      : image_create(size.width, size.height, one->kind == WORKER_RGBA, &image);
  if (result != BASE_OK) worker_die("no memory");
  memset(image->pixels, 0, image->bytes);
  return image;
}

static void copy_pixels(const struct worker_case *one, struct image *image) {
  const uint8_t *from = one->planes[0];
  for (uint32_t y = 0; y < image->height; y++) {
    uint8_t *row = image_row(image, y);
    for (uint32_t x = 0; x < image->width; x++, from += one->channels) {
      row[x * 4 + 3] = 255;
      memcpy(row + (size_t)x * 4, from, one->channels);
    }
  }
}

static void copy_planes(const struct worker_case *one, struct image *image) {
  for (unsigned i = 0; i < one->plane_count; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      memcpy(image_plane_row(plane, y), one->planes[i] + (size_t)y * plane->width, plane->width);
    }
  }
}

static void prepare(const struct worker_case *one, unsigned index) {
  struct base_fault fault = {0};
  struct image *image = new_image(one, one->from, IMAGE_RANGE_FULL);
  if (one->kind == WORKER_YUV) {
    copy_planes(one, image);
  } else {
    copy_pixels(one, image);
  }
  if (resample_source_create(resampler, image, &sources[index], &fault) != BASE_OK) worker_die("%s", fault.text);
  image_unref(&image);
  for (unsigned size = 0; size < one->size_count; size++) {
    jobs[index][size] = (struct resample_job){.source = sources[index],
                                              .rect = {0, 0, one->from.width, one->from.height},
                                              .orientation = IMAGE_UPRIGHT,
                                              .width = one->to[size].width,
                                              .height = one->to[size].height,
                                              .target = new_image(one, one->to[size], IMAGE_RANGE_LIMITED)};
  }
}

static enum resample_kernel kernel_of(const char *variant) {
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    const char *name = resample_kernel_name((enum resample_kernel)kernel);
    const size_t length = strlen(name);
    if (strncmp(variant, name, length) == 0 && variant[length] == '-') return (enum resample_kernel)kernel;
  }
  worker_die("there is no kernel for '%s'", variant);
}

static double run(const struct worker_case *one, unsigned index, const char *variant) {
  const enum resample_kernel kernel = kernel_of(variant);
  const bool is_batch = strcmp(strrchr(variant, '-'), "-batch") == 0;
  struct base_fault fault = {0};
  if (kernel != RESAMPLE_KERNEL_CPU && !has_device) return -1.0;
  for (unsigned size = 0; size < one->size_count; size++) {
    jobs[index][size].kernel = kernel;
    if (resample_choice(resampler, &jobs[index][size]) != kernel) return -1.0;
  }
  const unsigned step = is_batch ? one->size_count : 1;
  const double begin = worker_now_ms();
  for (unsigned size = 0; size < one->size_count; size += step) {
    if (resample_run(resampler, &jobs[index][size], step, &fault) != BASE_OK) worker_die("%s", fault.text);
  }
  return worker_now_ms() - begin;
}

int main(int count, char **arguments) {
  struct base_fault fault = {0};
  struct resample_info info;
  const struct base_log_config log_config = {.fd = 2, .level = BASE_LOG_WARN};
  struct resample_config config = {.mode = RESAMPLE_MODE_VULKAN,
                                   .budget_bytes = 1u << 30,
                                   .log = base_log_create(&log_config),
                                   .metrics = base_metrics_create()};
  has_device = resample_create(&config, &resampler, &fault) == BASE_OK;
  config.mode = RESAMPLE_MODE_CPU;
  if (!has_device && resample_create(&config, &resampler, &fault) != BASE_OK) worker_die("%s", fault.text);
  resample_get_info(resampler, &info);
  worker_say("device %s; sources %s, results %s", has_device ? info.device.name : "none", info.source_path,
             info.result_path);
  return worker_main(count, arguments, prepare, run);
}
