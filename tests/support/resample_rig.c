#include "resample_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_oracle.h"

enum { TARGET_SEED = 99 };

struct resample_config resample_rig_config(const struct resample_rig *rig) {
  return (struct resample_config){
      .mode = RESAMPLE_MODE_VULKAN,
      .gpu = {.validation = true, .abort_on_validation = true, .log = rig->log},
      .log = rig->log,
  };
}

struct resampler *resample_rig_create(const struct resample_config *config) {
  struct base_fault fault = {0};
  struct resampler *resampler = NULL;
  if (resample_create(config, &resampler, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return resampler;
}

int resample_rig_setup(void **state) {
  struct resample_rig *rig = calloc(1, sizeof(*rig));
  const struct base_log_config log_config = {.fd = 2, .level = BASE_LOG_WARN};
  rig->log = base_log_create(&log_config);
  const struct resample_config config = resample_rig_config(rig);
  rig->resampler = resample_rig_create(&config);
  *state = rig;
  return 0;
}

int resample_rig_teardown(void **state) {
  struct resample_rig *rig = *state;
  resample_destroy(&rig->resampler);
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

struct image *resample_picture_yuv(const struct image_yuv *yuv) {
  struct image *image = NULL;
  assert_int_equal(image_create_yuv(yuv, &image), BASE_OK);
  return image;
}

static void fill_pixels(struct image *image, struct resample_random *random) {
  for (uint32_t y = 0; y < image->height; y++) {
    uint8_t *row = image_row(image, y);
    for (uint32_t x = 0; x < image->width; x++) {
      for (uint32_t c = 0; c < 4; c++) row[x * 4 + c] = (uint8_t)resample_random_next(random, 256);
      uint32_t kind = resample_random_next(random, 4);
      if (!image->has_alpha || kind == 0) row[x * 4 + 3] = 255;
      if (image->has_alpha && kind == 1) row[x * 4 + 3] = 0;
    }
  }
}

void resample_fill_noise(struct image *image, uint64_t seed) {
  struct resample_random random = {seed * 2654435761u + 1};
  if (image->format == IMAGE_RGBA8) {
    fill_pixels(image, &random);
    return;
  }
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      uint8_t *row = image_plane_row(plane, y);
      for (uint32_t x = 0; x < plane->stride_bytes; x++) row[x] = (uint8_t)resample_random_next(&random, 256);
    }
  }
}

struct image *resample_noise(uint32_t width, uint32_t height, bool has_alpha, uint64_t seed) {
  struct image *image = resample_picture(width, height, has_alpha);
  resample_fill_noise(image, seed);
  return image;
}

struct image *resample_noise_yuv(const struct image_yuv *yuv, uint64_t seed) {
  struct image *image = resample_picture_yuv(yuv);
  resample_fill_noise(image, seed);
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

struct resample_job resample_job_make(struct resampler *resampler, struct image *image, uint32_t width,
                                      uint32_t height) {
  struct base_fault fault = {0};
  struct resample_job job = {.rect = {0, 0, image->width, image->height},
                             .orientation = IMAGE_UPRIGHT,
                             .width = width,
                             .height = height,
                             .kernel = RESAMPLE_KERNEL_TWO_PASS};
  if (resample_source_create(resampler, image, &job.source, &fault) != BASE_OK) fail_msg("%s", fault.text);
  if (image->format == IMAGE_RGBA8) {
    job.target = resample_noise(width, height, image->has_alpha, TARGET_SEED);
  } else {
    const struct image_yuv yuv = {.width = width,
                                  .height = height,
                                  .range = IMAGE_RANGE_LIMITED,
                                  .chroma_x = 2,
                                  .chroma_y = 2,
                                  .has_alpha = image->has_alpha};
    job.target = resample_noise_yuv(&yuv, TARGET_SEED);
  }
  return job;
}

void resample_job_retarget(struct resample_job *job, struct image *target) {
  image_unref(&job->target);
  job->target = target;
}

void resample_job_finish(struct resample_job *job) {
  image_unref(&job->target);
  resample_source_unref(&job->source);
}

void resample_rig_run(struct resampler *resampler, const struct resample_job *job) {
  struct base_fault fault = {0};
  if (resample_run(resampler, job, 1, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

// --- what a run may touch ---

struct area {
  uint32_t left, top, right, bottom;
};

// `bytes` a sample; rows up to the last sample.
static bool same_outside(const uint8_t *a, const uint8_t *b, size_t row_bytes, size_t bytes, uint32_t y,
                         const struct area *area) {
  if (y < area->top || y >= area->bottom) return memcmp(a, b, row_bytes) == 0;
  const size_t left = area->left * bytes, right = area->right * bytes;
  return memcmp(a, b, left) == 0 && memcmp(a + right, b + right, row_bytes - right) == 0;
}

static bool only_its_place_is_touched(const struct resample_job *job, const struct image *before) {
  const struct image *target = job->target;
  const struct area whole = {job->x, job->y, job->x + job->width, job->y + job->height};
  if (target->format == IMAGE_RGBA8) {
    for (uint32_t y = 0; y < target->height; y++) {
      if (!same_outside(image_row(target, y), image_row(before, y), (size_t)target->width * 4, 4, y, &whole)) {
        return false;
      }
    }
    return true;
  }
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &target->planes[i];
    const bool is_chroma = i == IMAGE_PLANE_U || i == IMAGE_PLANE_V;
    const unsigned block_x = is_chroma ? target->yuv.chroma_x : 1, block_y = is_chroma ? target->yuv.chroma_y : 1;
    const struct area area = {whole.left / block_x, whole.top / block_y, (whole.right + block_x - 1) / block_x,
                              (whole.bottom + block_y - 1) / block_y};
    for (uint32_t y = 0; y < plane->height; y++) {
      const uint8_t *row = image_plane_row(plane, y), *was = image_plane_row(&before->planes[i], y);
      if (!same_outside(row, was, plane->width, 1, y, &area)) return false;
    }
  }
  return true;
}

// --- every kernel against the oracle ---

enum resample_kernel resample_rig_next_kernel(struct resampler *resampler, struct resample_job *job,
                                              enum resample_kernel previous) {
  for (int kernel = (int)previous + 1; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    job->kernel = (enum resample_kernel)kernel;
    const enum resample_kernel choice = resample_choice(resampler, job);
    if (choice == job->kernel) return job->kernel;
    // Only the tile kernel may pass a job on.
    if (kernel != RESAMPLE_KERNEL_TILE) {
      fail_msg("%s would run as %s", resample_kernel_name(job->kernel), resample_kernel_name(choice));
    }
  }
  return RESAMPLE_KERNEL_AUTO;
}

static void describe_kind(const struct image *image, char *out, size_t bytes) {
  if (image->format == IMAGE_RGBA8) {
    snprintf(out, bytes, "%s", image->has_alpha ? "RGBA" : "RGB");
    return;
  }
  snprintf(out, bytes, "%s%s %ux%u %s", image->yuv.is_grey ? "grey" : "YUV", image->has_alpha ? "+A" : "",
           (unsigned)image->yuv.chroma_x, (unsigned)image->yuv.chroma_y,
           image->yuv.range == IMAGE_RANGE_FULL ? "full" : "limited");
}

static void fail_job(const struct resample_rig *rig, const struct resample_job *job, const char *what) {
  const struct image *source = resample_source_image(job->source);
  char from[32], to[32];
  describe_kind(source, from, sizeof from);
  describe_kind(job->target, to, sizeof to);
  if (rig->seed) print_error("seed %llu\n", (unsigned long long)rig->seed);
  fail_msg("%s, filter %d, orientation %d%s: %s %ux%u (%.9g,%.9g %.9gx%.9g) -> %s %ux%u at (%u,%u) of %ux%u: %s",
           resample_kernel_name(job->kernel), (int)job->filter, (int)job->orientation, job->is_linear ? ", linear" : "",
           from, (unsigned)source->width, (unsigned)source->height, job->rect.x, job->rect.y, job->rect.width,
           job->rect.height, to, (unsigned)job->width, (unsigned)job->height, (unsigned)job->x, (unsigned)job->y,
           (unsigned)job->target->width, (unsigned)job->target->height, what);
}

static struct image *blank_of(const struct image *target) {
  if (target->format == IMAGE_YUV) return resample_picture_yuv(&target->yuv);
  return resample_picture(target->width, target->height, target->has_alpha);
}

void resample_rig_check(struct resample_rig *rig, struct resample_job *job) {
  struct resample_oracle *oracle = resample_oracle_create(job);
  struct image *before = blank_of(job->target);
  resample_fill_noise(before, TARGET_SEED);
  enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
  while ((kernel = resample_rig_next_kernel(rig->resampler, job, kernel)) != RESAMPLE_KERNEL_AUTO) {
    resample_fill_noise(job->target, TARGET_SEED);
    resample_rig_run(rig->resampler, job);
    const struct resample_difference worst = resample_oracle_compare(oracle, job);
    if (worst.steps > 1) {
      char text[128];
      snprintf(text, sizeof text, "%d steps off: channel %u at (%u,%u) is %u, not %.3f", worst.steps, worst.channel,
               (unsigned)worst.x, (unsigned)worst.y, (unsigned)worst.found, worst.expected);
      fail_job(rig, job, text);
    }
    if (!only_its_place_is_touched(job, before)) fail_job(rig, job, "more than its place was touched");
  }
  image_unref(&before);
  resample_oracle_destroy(&oracle);
}
