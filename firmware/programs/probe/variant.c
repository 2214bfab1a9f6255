#include <stdio.h>
#include <stdlib.h>

#include "probe.h"
#include "resample/resample.h"

// Four to one: a target pixel's centre lies between four source pixels, so the filter's weights are the same on both
// sides. A slope then stays a slope, and a chequered pattern goes out exactly: what is right needs no second resampler.
enum { SCALE = 4, WIDTH = 160, HEIGHT = 120, TOLERANCE = 2, EDGE = 4, MIDDLE = 128, PATTERN = 90 };

static enum base_result draw(struct image **out, struct base_fault *fault) {
  const enum base_result result = image_create(WIDTH * SCALE, HEIGHT * SCALE, false, out);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "picture", "no memory for a picture");
  for (uint32_t y = 0; y < HEIGHT * SCALE; y++) {
    uint8_t *at = image_row(*out, y);
    for (uint32_t x = 0; x < WIDTH * SCALE; x++, at += 4) {
      at[0] = (uint8_t)(x * 255 / (WIDTH * SCALE));
      at[1] = (uint8_t)(y * 255 / (HEIGHT * SCALE));
      at[2] = (uint8_t)((x + y) % 2 == 0 ? MIDDLE + PATTERN : MIDDLE - PATTERN);
      at[3] = 255;
    }
  }
  return BASE_OK;
}

// The value of a slope of 255 over `length` at the centre of target pixel `i`; the half is what rounding down costs.
static int slope(uint32_t i, uint32_t length) {
  return (int)((i * SCALE + SCALE / 2.0 - 0.5) * 255 / (length * SCALE) - 0.5 + 0.5);
}

static enum base_result check_pixel(const uint8_t *pixel, uint32_t x, uint32_t y, struct base_fault *fault) {
  const int expected[4] = {slope(x, WIDTH), slope(y, HEIGHT), MIDDLE, 255};
  for (int c = 0; c < 4; c++) {
    if (abs(pixel[c] - expected[c]) > TOLERANCE)
      return BASE_FAIL(fault, BASE_CORRUPT, "picture", "a picture came out wrong: channel %d at %u,%u is %d, not %d", c,
                       x, y, pixel[c], expected[c]);
  }
  return BASE_OK;
}

static enum base_result check(const struct image *picture, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (uint32_t y = EDGE; y < HEIGHT - EDGE && result == BASE_OK; y++) {
    const uint8_t *row = image_row(picture, y);
    for (uint32_t x = EDGE; x < WIDTH - EDGE && result == BASE_OK; x++)
      result = check_pixel(row + (size_t)x * 4, x, y, fault);
  }
  return result;
}

static enum base_result make(struct resampler *resampler, struct image *drawn, struct image *made,
                             enum resample_kernel kernel, struct base_fault *fault) {
  struct resample_source *source;
  enum base_result result = resample_source_create(resampler, drawn, &source, fault);
  if (result != BASE_OK) return result;
  const struct resample_job job = {.source = source,
                                   .rect = {.x = 0, .y = 0, .width = WIDTH * SCALE, .height = HEIGHT * SCALE},
                                   .orientation = IMAGE_UPRIGHT,
                                   .width = WIDTH,
                                   .height = HEIGHT,
                                   .target = made,
                                   .filter = RESAMPLE_BICUBIC,
                                   .kernel = kernel};
  result = resample_run(resampler, &job, 1, fault);
  resample_source_unref(&source);
  return result;
}

// The same way that pixpopd takes: a device that cannot be opened leaves the CPU.
static enum base_result open_resampler(struct resampler **out, bool *has_device, struct base_fault *fault) {
  struct resample_config config = {.mode = RESAMPLE_MODE_VULKAN, .is_unmeasured = true, .is_cold = true};
  *has_device = true;
  const enum base_result result = resample_create(&config, out, fault);
  if (result != BASE_DEVICE) return result;
  base_fault_clear(fault);
  *has_device = false;
  config.mode = RESAMPLE_MODE_CPU;
  return resample_create(&config, out, fault);
}

static void describe(struct resampler *resampler, char line[PROBE_LINE_BYTES]) {
  struct resample_info info;
  resample_get_info(resampler, &info);
  if (info.has_device)
    snprintf(line, PROBE_LINE_BYTES, "a variant was made by %.120s (%.80s)", info.device.name, info.device.driver);
  else
    snprintf(line, PROBE_LINE_BYTES, "a variant was made by the CPU%s",
             info.is_lost ? ": the device failed" : ": there is no Vulkan device");
}

enum base_result probe_variant(char line[PROBE_LINE_BYTES], struct base_fault *fault) {
  struct resampler *resampler = NULL;
  struct image *drawn = NULL, *made = NULL;
  bool has_device;
  enum base_result result = open_resampler(&resampler, &has_device, fault);
  if (result == BASE_OK) result = draw(&drawn, fault);
  if (result == BASE_OK) result = image_create(WIDTH, HEIGHT, false, &made);
  if (result == BASE_OK)
    result = make(resampler, drawn, made, has_device ? RESAMPLE_KERNEL_TWO_PASS : RESAMPLE_KERNEL_CPU, fault);
  if (result == BASE_OK) result = check(made, fault);
  if (result == BASE_OK) describe(resampler, line);
  image_unref(&made);
  image_unref(&drawn);
  if (resampler != NULL) resample_destroy(&resampler);
  return result;
}
