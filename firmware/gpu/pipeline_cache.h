// The pipeline cache file's frame and checks, free of any device.
#ifndef GPU_PIPELINE_CACHE_H
#define GPU_PIPELINE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "vulkan.h"

// What a blob must have been made by.
struct gpu_pipeline_identity {
  uint32_t vendor, device;
  uint8_t uuid[VK_UUID_SIZE];
};

// The driver's header at the front of the blob names this device and driver.
bool gpu_pipeline_blob_fits(struct base_span blob, const struct gpu_pipeline_identity *identity) BASE_CHECKED;
// Checks the whole file; the blob is a view into it.
bool gpu_pipeline_file_open(struct base_span file, const struct gpu_pipeline_identity *identity,
                            struct base_span *out_blob) BASE_CHECKED;
enum base_result gpu_pipeline_file_frame(struct base_span blob, struct base_buffer *out) BASE_CHECKED;

#endif
