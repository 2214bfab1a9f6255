// The pipeline cache file. A driver trusts what it is handed, so the file is checked first: our own frame with a
// checksum (torn or edited files), then the driver's header (another device or driver version).

#include "pipeline_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "device.h"

static const char FILE_NAME[] = "pipelines.bin";
static const uint8_t MAGIC[8] = {'p', 'i', 'x', 'p', 'o', 'p', 'P', '1'};
enum { FRAME_BYTES = 24, CACHE_LIMIT_BYTES = 64 << 20 };  // magic, length, checksum

// FNV-1a, 64 bits: against damage, not against an attacker, who could replace the driver as well.
static uint64_t checksum(struct base_span bytes) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (size_t i = 0; i < bytes.bytes; i++) sum = (sum ^ bytes.data[i]) * 0x100000001b3u;
  return sum;
}

static uint64_t read_u64(const uint8_t *from) {
  uint64_t value;
  memcpy(&value, from, sizeof(value));
  return value;
}

bool gpu_pipeline_blob_fits(struct base_span blob, const struct gpu_pipeline_identity *identity) {
  VkPipelineCacheHeaderVersionOne header;
  if (blob.bytes < sizeof(header)) return false;
  memcpy(&header, blob.data, sizeof(header));
  return header.headerSize >= sizeof(header) && header.headerSize <= blob.bytes &&
         header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == identity->vendor &&
         header.deviceID == identity->device &&
         memcmp(header.pipelineCacheUUID, identity->uuid, sizeof(identity->uuid)) == 0;
}

bool gpu_pipeline_file_open(struct base_span file, const struct gpu_pipeline_identity *identity,
                            struct base_span *out_blob) {
  if (file.bytes < FRAME_BYTES || memcmp(file.data, MAGIC, sizeof(MAGIC)) != 0) return false;
  struct base_span blob = {file.data + FRAME_BYTES, file.bytes - FRAME_BYTES};
  if (read_u64(file.data + 8) != blob.bytes || read_u64(file.data + 16) != checksum(blob)) return false;
  if (!gpu_pipeline_blob_fits(blob, identity)) return false;
  *out_blob = blob;
  return true;
}

enum base_result gpu_pipeline_file_frame(struct base_span blob, struct base_buffer *out) {
  const uint64_t length = blob.bytes;
  const uint64_t sum = checksum(blob);
  enum base_result result = base_buffer_append(out, MAGIC, sizeof(MAGIC));
  if (result == BASE_OK) result = base_buffer_append(out, &length, sizeof(length));
  if (result == BASE_OK) result = base_buffer_append(out, &sum, sizeof(sum));
  return result == BASE_OK ? base_buffer_append(out, blob.data, blob.bytes) : result;
}

static struct gpu_pipeline_identity identity_of(const struct gpu *gpu) {
  struct gpu_pipeline_identity identity = {.vendor = gpu->properties.vendorID, .device = gpu->properties.deviceID};
  memcpy(identity.uuid, gpu->properties.pipelineCacheUUID, sizeof(identity.uuid));
  return identity;
}

// A missing or useless file only costs time, so it is never a failure.
static struct base_span read_blob(struct gpu *gpu, struct base_buffer *file) {
  struct base_span blob = {0};
  struct base_fault ignored = {0};
  enum base_result result = base_file_read(gpu->cache_path, CACHE_LIMIT_BYTES, file, &ignored);
  if (result == BASE_NOT_FOUND) return blob;
  struct gpu_pipeline_identity identity = identity_of(gpu);
  if (result != BASE_OK || !gpu_pipeline_file_open(base_buffer_span(file), &identity, &blob)) {
    base_log_write(gpu->log, BASE_LOG_INFO, "gpu", NULL, "%s is not this driver's; pipelines are built again",
                   gpu->cache_path);
  }
  return blob;
}

enum base_result gpu_pipeline_cache_open(struct gpu *gpu, const char *folder, struct base_fault *fault) {
  struct base_buffer file;
  base_buffer_init(&file, CACHE_LIMIT_BYTES);
  struct base_span blob = {0};
  if (folder) {
    if (asprintf(&gpu->cache_path, "%s/%s", folder, FILE_NAME) < 0) {
      gpu->cache_path = NULL;
      return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the pipeline cache's path");
    }
    blob = read_blob(gpu, &file);
  }
  gpu->cache_saved_bytes = blob.bytes;
  const VkPipelineCacheCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = blob.bytes, .pInitialData = blob.data};
  VkResult result = gpu->instance.vk.CreatePipelineCache(gpu->device, &info, NULL, &gpu->cache);
  base_buffer_finish(&file);
  return result == VK_SUCCESS ? BASE_OK : gpu_vulkan_fail(fault, result, "vkCreatePipelineCache");
}

enum base_result gpu_save_kernels(struct gpu *gpu, struct base_fault *fault) {
  if (!gpu->cache_path) return BASE_OK;
  size_t bytes = 0;
  VkResult got = gpu->instance.vk.GetPipelineCacheData(gpu->device, gpu->cache, &bytes, NULL);
  if (got != VK_SUCCESS) return gpu_vulkan_fail(fault, got, "vkGetPipelineCacheData");
  if (bytes == 0 || bytes == gpu->cache_saved_bytes || bytes > CACHE_LIMIT_BYTES - FRAME_BYTES) return BASE_OK;
  struct base_buffer file;
  base_buffer_init(&file, CACHE_LIMIT_BYTES);
  enum base_result result = BASE_NO_MEMORY;
  uint8_t *blob = malloc(bytes);
  if (!blob) goto out;
  got = gpu->instance.vk.GetPipelineCacheData(gpu->device, gpu->cache, &bytes, blob);
  if (got == VK_INCOMPLETE) {
    // A kernel was added in between: the next save has it.
    result = BASE_OK;
    goto out;
  }
  if (got != VK_SUCCESS) {
    result = gpu_vulkan_fail(fault, got, "vkGetPipelineCacheData");
    goto out;
  }
  result = gpu_pipeline_file_frame(base_span_of(blob, bytes), &file);
  if (result == BASE_OK) result = base_file_replace_durably(gpu->cache_path, base_buffer_span(&file), 0600, fault);
  if (result == BASE_OK) gpu->cache_saved_bytes = bytes;
out:
  if (result == BASE_NO_MEMORY) BASE_FAIL(fault, result, "", "no memory for the pipeline cache");
  free(blob);
  base_buffer_finish(&file);
  return result;
}

void gpu_pipeline_cache_close(struct gpu *gpu) {
  if (!gpu->cache) return;
  struct base_fault fault = {0};
  // A lost device is asked for nothing more.
  enum base_result saved = gpu->is_lost ? BASE_OK : gpu_save_kernels(gpu, &fault);
  if (saved != BASE_OK) base_log_fault(gpu->log, BASE_LOG_WARN, "gpu", NULL, &fault);
  gpu->instance.vk.DestroyPipelineCache(gpu->device, gpu->cache, NULL);
  gpu->cache = VK_NULL_HANDLE;
}
