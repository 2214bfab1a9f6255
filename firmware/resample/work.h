// The resampler's inside: one prepared job, and the kernels that can run it.
#ifndef RESAMPLE_WORK_H
#define RESAMPLE_WORK_H

#include "axis.h"
#include "pool.h"
#include "resample/resample.h"
#include "table.h"

// One job with its weights. x and y are the SOURCE's axes; flips are in the order of the axes' outputs.
struct resample_work {
  const struct resample_job *job;
  bool has_alpha;
  bool swaps;  // source columns become target rows
  struct resample_axis x, y;
  struct resample_blocks x_blocks, y_blocks;
};

struct resampler {
  struct gpu *gpu;
  struct resample_pool pool;
  uint32_t lanes;         // threads of a workgroup of the passes
  uint32_t tile_rows[2];  // rows of the tile kernel's shared memory; index: has_alpha
  struct gpu_kernel *first_pass[2];
  struct gpu_kernel *second_pass[2];
  struct gpu_kernel *tile[2];
};

// One way to run a job. All are listed in resampler.c.
struct resample_backend {
  enum resample_kernel kernel;
  const char *name;
  enum base_result (*create)(struct resampler *resampler, struct base_fault *fault);
  void (*destroy)(struct resampler *resampler);
  // False: the job is too large for it within the budget or the device's limits.
  bool (*fits)(const struct resampler *resampler, const struct resample_work *work);
  enum base_result (*run)(struct resampler *resampler, const struct resample_work *work, struct base_fault *fault);
};

extern const struct resample_backend resample_two_pass;
extern const struct resample_backend resample_tile;

// Copies source pixels [left, left + columns) x [top, top + rows) tightly into a mapped buffer.
void resample_upload(const struct image *source, uint32_t left, uint32_t top, uint32_t columns, uint32_t rows,
                     struct gpu_buffer *buffer);
// Copies the results of source-axis output rows [first, first + count) from a mapped buffer into the target: the buffer
// holds target rows of `pitch` pixels, all of them (`swaps`: `count` pixels of each) or `count` of them.
void resample_download(const struct resample_work *work, struct gpu_buffer *buffer, uint32_t pitch, uint32_t first,
                       uint32_t count);
// Smallest range of source rows that holds the blocks [first, end).
void resample_block_rows(const struct resample_blocks *blocks, uint32_t first, uint32_t end, uint32_t *out_start,
                         uint32_t *out_rows);
// Largest such range of any `group` neighbouring blocks.
uint32_t resample_most_rows(const struct resample_blocks *blocks, uint32_t group);
// Largest buffer the device takes whose texels have `texel_bytes`.
uint64_t resample_buffer_limit(const struct resampler *resampler, size_t texel_bytes);
// True: texel buffers are too small on this device, kernels read storage buffers.
bool resample_uses_storage(const struct gpu *gpu);

#endif
