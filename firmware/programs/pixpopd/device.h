// What the box tells about its resampler: one line for people, JSON for the console.
#ifndef PIXPOPD_DEVICE_H
#define PIXPOPD_DEVICE_H

#include "resample/resample.h"

void device_write_line(struct resampler *resampler, char *out, size_t capacity);
// For console_config.describe_device; `self` is the resampler.
enum base_result device_describe(void *self, struct base_buffer *json, struct base_fault *fault) BASE_CHECKED;

#endif
