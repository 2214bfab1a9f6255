// What the box tells about its resampler: one line for people, JSON for the console.
#ifndef PIXPOPD_DEVICE_H
#define PIXPOPD_DEVICE_H

#include "resample/resample.h"

// For console_config; `self` is the resampler.
void device_write_line(void *self, char *out, size_t capacity);
bool device_is_opening(void *self);
enum base_result device_describe(void *self, struct base_buffer *json, struct base_fault *fault) BASE_CHECKED;

#endif
