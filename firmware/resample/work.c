#include "work.h"

#include <string.h>

#include "base/checked.h"
#include "resample_push.h"

enum { PIXEL_BYTES = 4 };

// Below this the device's texel buffers hold no useful band (Vulkan promises only 65,536 texels).
static const uint64_t USEFUL_TEXELS = 16u << 20;

void resample_upload(const struct image *source, uint32_t left, uint32_t top, uint32_t columns, uint32_t rows,
                     struct gpu_buffer *buffer) {
  size_t row_bytes = (size_t)columns * PIXEL_BYTES;
  BASE_ASSERT(row_bytes * rows <= gpu_buffer_bytes(buffer));
  uint8_t *to = gpu_buffer_map(buffer);
  for (uint32_t y = 0; y < rows; y++) {
    memcpy(to + y * row_bytes, image_row(source, top + y) + (size_t)left * PIXEL_BYTES, row_bytes);
  }
}

void resample_download(const struct resample_work *work, struct gpu_buffer *buffer, uint32_t pitch, uint32_t first,
                       uint32_t count) {
  const struct resample_job *job = work->job;
  const uint8_t *from = gpu_buffer_map(buffer);
  uint32_t rows = work->swaps ? job->height : count;
  uint32_t columns = work->swaps ? count : job->width;
  uint32_t left = job->x + (work->swaps ? first : 0);
  uint32_t top = job->y + (work->swaps ? 0 : first);
  for (uint32_t y = 0; y < rows; y++) {
    memcpy(image_row(job->target, top + y) + (size_t)left * PIXEL_BYTES, from + (size_t)y * pitch * PIXEL_BYTES,
           (size_t)columns * PIXEL_BYTES);
  }
}

void resample_block_rows(const struct resample_blocks *blocks, uint32_t first, uint32_t end, uint32_t *out_start,
                         uint32_t *out_rows) {
  uint32_t start = UINT32_MAX;
  uint32_t last = 0;
  for (uint32_t i = first; i < end; i++) {
    if (blocks->starts[i] < start) start = blocks->starts[i];
    if (blocks->starts[i] > last) last = blocks->starts[i];
  }
  *out_start = start;
  uint32_t axis_end = blocks->axis->first + blocks->axis->length;
  *out_rows = (uint32_t)base_min_u64(last + blocks->taps, axis_end) - start;
}

uint32_t resample_most_rows(const struct resample_blocks *blocks, uint32_t group) {
  uint32_t most = 0;
  for (uint32_t first = 0; first < blocks->blocks; first += group) {
    uint32_t end = (uint32_t)base_min_u64((uint64_t)first + group, blocks->blocks);
    uint32_t start, rows;
    resample_block_rows(blocks, first, end, &start, &rows);
    if (rows > most) most = rows;
  }
  return most;
}

bool resample_uses_storage(const struct gpu *gpu) { return gpu_get_info(gpu)->max_texels < USEFUL_TEXELS; }

uint64_t resample_buffer_limit(const struct resampler *resampler, size_t texel_bytes) {
  const struct gpu_info *info = gpu_get_info(resampler->gpu);
  if (resample_uses_storage(resampler->gpu)) return info->max_storage_bytes;
  return base_min_u64(info->max_storage_bytes, info->max_texels * texel_bytes);
}
