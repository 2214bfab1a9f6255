// Vertical, then horizontal, through an intermediate in device memory (shaders/resample_pass.comp).
//
// A job that fits goes through in one submission. A larger one is cut into bands of output rows; where even a band's
// source rows are too much, they go up in strips of columns, each vertically filtered into its part of the band's
// intermediate, before the horizontal pass runs over the whole band.

#include "base/checked.h"
#include "resample_first_alpha_spirv.h"
#include "resample_first_alpha_storage_spirv.h"
#include "resample_first_opaque_spirv.h"
#include "resample_first_opaque_storage_spirv.h"
#include "resample_push.h"
#include "resample_second_alpha_spirv.h"
#include "resample_second_alpha_storage_spirv.h"
#include "resample_second_opaque_spirv.h"
#include "resample_second_opaque_storage_spirv.h"
#include "work.h"

#include <string.h>

enum {
  PIXEL_BYTES = 4,
  LEAST_STRIP = 16,      // columns
  SOFTWARE_LANES = 128,  // few, fat workgroups: each costs an allocation on Mesa's software device
  HARDWARE_LANES = 64
};

// How a job is cut, and what that takes.
struct cut {
  uint32_t band_blocks;  // output blocks a band
  uint32_t strip;        // source columns a strip
  size_t source_bytes, middle_bytes, result_bytes, table_bytes;
  uint64_t total_bytes;  // as the pool counts
};

struct band {
  uint32_t block, blocks;  // first and number
  uint32_t output, outputs;
  uint32_t top, rows;  // source rows
};

struct buffers {
  struct gpu_buffer *source, *middle, *result, *table;
};

static size_t middle_pixel_bytes(const struct resample_work *work) { return work->has_alpha ? 16 : 8; }

static uint32_t round_to_block(uint32_t outputs) { return (uint32_t)base_round_up(outputs, RESAMPLE_BLOCK); }

static uint32_t result_pitch(const struct resample_work *work, uint32_t band_blocks) {
  return work->swaps ? band_blocks * RESAMPLE_BLOCK : round_to_block(work->x.outputs);
}

// Fills in the sizes for the given bands and strips; false when a buffer is over the device's limits or all are over
// the budget.
static bool measure(const struct resampler *resampler, const struct resample_work *work, struct cut *cut) {
  const struct resample_pool *pool = &resampler->pool;
  size_t band = (size_t)cut->band_blocks * RESAMPLE_BLOCK;
  size_t rows = resample_most_rows(&work->y_blocks, cut->band_blocks);
  size_t texels = resample_blocks_texels(&work->x_blocks) + resample_blocks_texels(&work->y_blocks);
  cut->table_bytes = texels * sizeof(struct resample_texel);
  if (!base_mul3_size(rows, cut->strip, PIXEL_BYTES, &cut->source_bytes)) return false;
  if (!base_mul3_size(band, work->x.length, middle_pixel_bytes(work), &cut->middle_bytes)) return false;
  if (!base_mul3_size(band, round_to_block(work->x.outputs), PIXEL_BYTES, &cut->result_bytes)) return false;
  if (cut->source_bytes > resample_buffer_limit(resampler, PIXEL_BYTES) ||
      cut->middle_bytes > resample_buffer_limit(resampler, middle_pixel_bytes(work)) ||
      cut->table_bytes > resample_buffer_limit(resampler, sizeof(struct resample_texel)) ||
      cut->result_bytes > gpu_get_info(resampler->gpu)->max_storage_bytes) {
    return false;
  }
  cut->total_bytes = (uint64_t)resample_pool_size(pool, cut->source_bytes) +
                     resample_pool_size(pool, cut->middle_bytes) + resample_pool_size(pool, cut->result_bytes) +
                     resample_pool_size(pool, cut->table_bytes);
  return cut->total_bytes <= pool->budget_bytes;
}

// Bands are halved as long as that makes the source smaller too; strips are for bands that still have too many rows.
static bool plan(const struct resampler *resampler, const struct resample_work *work, struct cut *cut) {
  *cut = (struct cut){.band_blocks = work->y_blocks.blocks, .strip = work->x.length};
  for (;;) {
    if (measure(resampler, work, cut)) return true;
    uint32_t half = (cut->band_blocks + 1) / 2;
    uint32_t rows = resample_most_rows(&work->y_blocks, cut->band_blocks);
    bool helps = cut->band_blocks > 1 && resample_most_rows(&work->y_blocks, half) <= rows * 3 / 4;
    if (!helps) break;
    cut->band_blocks = half;
  }
  for (;;) {
    for (cut->strip = work->x.length; cut->strip > LEAST_STRIP;) {
      cut->strip = (cut->strip + 1) / 2;
      if (measure(resampler, work, cut)) return true;
    }
    if (cut->band_blocks == 1) return false;
    cut->band_blocks = (cut->band_blocks + 1) / 2;
    cut->strip = work->x.length;
    if (measure(resampler, work, cut)) return true;
  }
}

static struct gpu_dispatch dispatch(const struct gpu_kernel *kernel, struct gpu_buffer *in, struct gpu_buffer *out,
                                    struct gpu_buffer *table, const struct resample_pass_push *push) {
  struct gpu_dispatch made = {.kernel = kernel, .buffers = {in, out, table}};
  memcpy(made.push, push, sizeof(*push));
  return made;
}

static struct gpu_dispatch first_dispatch(const struct resampler *resampler, const struct resample_work *work,
                                          const struct buffers *buffers, const struct band *band, uint32_t left,
                                          uint32_t columns) {
  uint32_t pitch = band->blocks * RESAMPLE_BLOCK;
  const struct resample_pass_push push = {.lanes = columns,
                                          .taps = work->y_blocks.taps,
                                          .table_first = 0,
                                          .block_first = band->block,
                                          .in_start = band->top,
                                          .in_pitch = columns,
                                          .in_last = (band->rows - 1) * columns,
                                          .out_base = left * pitch,
                                          .out_lane = pitch,
                                          .out_step = 1};
  struct gpu_dispatch made =
      dispatch(resampler->first_pass[work->has_alpha], buffers->source, buffers->middle, buffers->table, &push);
  made.groups[0] = (columns + resampler->lanes - 1) / resampler->lanes;
  made.groups[1] = band->blocks;
  made.groups[2] = 1;
  return made;
}

static struct gpu_dispatch second_dispatch(const struct resampler *resampler, const struct resample_work *work,
                                           const struct buffers *buffers, const struct band *band, uint32_t pitch) {
  const struct resample_pass_push push = {.lanes = band->outputs,
                                          .taps = work->x_blocks.taps,
                                          .table_first = (uint32_t)resample_blocks_texels(&work->y_blocks),
                                          .block_first = 0,
                                          .in_start = work->x.first,
                                          .in_pitch = band->blocks * RESAMPLE_BLOCK,
                                          .in_last = (work->x.length - 1) * band->blocks * RESAMPLE_BLOCK,
                                          .out_base = 0,
                                          .out_lane = work->swaps ? 1 : pitch,
                                          .out_step = work->swaps ? pitch : 1};
  struct gpu_dispatch made =
      dispatch(resampler->second_pass[work->has_alpha], buffers->middle, buffers->result, buffers->table, &push);
  made.groups[0] = (band->outputs + resampler->lanes - 1) / resampler->lanes;
  made.groups[1] = work->x_blocks.blocks;
  made.groups[2] = 1;
  made.after_barrier = true;
  return made;
}

static enum base_result run_band(struct resampler *resampler, const struct resample_work *work, const struct cut *cut,
                                 const struct buffers *buffers, const struct band *band, struct base_fault *fault) {
  uint32_t pitch = result_pitch(work, band->blocks);
  for (uint32_t done = 0; done < work->x.length;) {
    uint32_t columns = (uint32_t)base_min_u64(cut->strip, work->x.length - done);
    resample_upload(work->job->source, work->x.first + done, band->top, columns, band->rows, buffers->source);
    const struct gpu_dispatch passes[] = {
        first_dispatch(resampler, work, buffers, band, done, columns),
        second_dispatch(resampler, work, buffers, band, pitch),
    };
    done += columns;
    enum base_result result = gpu_run(resampler->gpu, passes, done == work->x.length ? 2 : 1, fault);
    if (result != BASE_OK) return result;
  }
  resample_download(work, buffers->result, pitch, band->output, band->outputs);
  return BASE_OK;
}

static enum base_result run_bands(struct resampler *resampler, const struct resample_work *work, const struct cut *cut,
                                  const struct buffers *buffers, struct base_fault *fault) {
  struct resample_texel *table = gpu_buffer_map(buffers->table);
  resample_blocks_pack(&work->y_blocks, table);
  resample_blocks_pack(&work->x_blocks, table + resample_blocks_texels(&work->y_blocks));
  for (uint32_t block = 0; block < work->y_blocks.blocks; block += cut->band_blocks) {
    uint32_t blocks = (uint32_t)base_min_u64(cut->band_blocks, work->y_blocks.blocks - block);
    struct band band = {.block = block, .blocks = blocks, .output = block * RESAMPLE_BLOCK};
    band.outputs = (uint32_t)base_min_u64(blocks * RESAMPLE_BLOCK, work->y.outputs - band.output);
    resample_block_rows(&work->y_blocks, block, block + blocks, &band.top, &band.rows);
    enum base_result result = run_band(resampler, work, cut, buffers, &band, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

static bool fits(const struct resampler *resampler, const struct resample_work *work) {
  struct cut cut;
  return plan(resampler, work, &cut);
}

static enum base_result run(struct resampler *resampler, const struct resample_work *work, struct base_fault *fault) {
  struct resample_pool *pool = &resampler->pool;
  struct cut cut;
  if (!plan(resampler, work, &cut)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "budget", "the GPU's memory budget is too small for this picture");
  }
  struct buffers buffers = {0};
  resample_pool_reserve(pool, cut.total_bytes);
  enum base_result result = resample_pool_take(pool, cut.source_bytes, GPU_MEMORY_UPLOAD, &buffers.source, fault);
  if (result != BASE_OK) goto out;
  result = resample_pool_take(pool, cut.middle_bytes, GPU_MEMORY_DEVICE, &buffers.middle, fault);
  if (result != BASE_OK) goto out;
  result = resample_pool_take(pool, cut.result_bytes, GPU_MEMORY_READBACK, &buffers.result, fault);
  if (result != BASE_OK) goto out;
  result = resample_pool_take(pool, cut.table_bytes, GPU_MEMORY_UPLOAD, &buffers.table, fault);
  if (result != BASE_OK) goto out;
  result = run_bands(resampler, work, &cut, &buffers, fault);
out:
  resample_pool_give(pool, &buffers.table, GPU_MEMORY_UPLOAD);
  resample_pool_give(pool, &buffers.result, GPU_MEMORY_READBACK);
  resample_pool_give(pool, &buffers.middle, GPU_MEMORY_DEVICE);
  resample_pool_give(pool, &buffers.source, GPU_MEMORY_UPLOAD);
  resample_pool_release(pool, cut.total_bytes);
  return result;
}

static enum base_result create_pass(struct resampler *resampler, const char *name, const uint32_t *spirv,
                                    size_t spirv_bytes, enum gpu_binding input, struct gpu_kernel **out,
                                    struct base_fault *fault) {
  bool is_storage = resample_uses_storage(resampler->gpu);
  const struct gpu_kernel_config config = {
      .name = name,
      .spirv = spirv,
      .spirv_bytes = spirv_bytes,
      .binding_count = 3,
      .bindings = {is_storage ? GPU_BINDING_STORAGE : input, GPU_BINDING_STORAGE,
                   is_storage ? GPU_BINDING_STORAGE : GPU_BINDING_TEXELS_RGBA32F},
      .push_bytes = sizeof(struct resample_pass_push),
      .constant_count = 1,
      .constants = {resampler->lanes},
  };
  return gpu_kernel_create(resampler->gpu, &config, out, fault);
}

#define SPIRV(is_storage, name) \
  (is_storage) ? name##_storage_spirv : name##_spirv, (is_storage) ? sizeof(name##_storage_spirv) : sizeof(name##_spirv)

static enum base_result create(struct resampler *resampler, struct base_fault *fault) {
  bool is_storage = resample_uses_storage(resampler->gpu);
  resampler->lanes = gpu_get_info(resampler->gpu)->is_software ? SOFTWARE_LANES : HARDWARE_LANES;
  enum base_result result = create_pass(resampler, "first pass", SPIRV(is_storage, resample_first_opaque),
                                        GPU_BINDING_TEXELS_R32UI, &resampler->first_pass[false], fault);
  if (result != BASE_OK) return result;
  result = create_pass(resampler, "second pass", SPIRV(is_storage, resample_second_opaque), GPU_BINDING_TEXELS_RG32UI,
                       &resampler->second_pass[false], fault);
  if (result != BASE_OK) return result;
  result = create_pass(resampler, "first pass with alpha", SPIRV(is_storage, resample_first_alpha),
                       GPU_BINDING_TEXELS_R32UI, &resampler->first_pass[true], fault);
  if (result != BASE_OK) return result;
  return create_pass(resampler, "second pass with alpha", SPIRV(is_storage, resample_second_alpha),
                     GPU_BINDING_TEXELS_RGBA32F, &resampler->second_pass[true], fault);
}

static void destroy(struct resampler *resampler) {
  for (size_t i = 0; i < 2; i++) {
    gpu_kernel_destroy(&resampler->first_pass[i]);
    gpu_kernel_destroy(&resampler->second_pass[i]);
  }
}

const struct resample_backend resample_two_pass = {.kernel = RESAMPLE_KERNEL_TWO_PASS,
                                                   .name = "two-pass",
                                                   .create = create,
                                                   .destroy = destroy,
                                                   .fits = fits,
                                                   .run = run};
