// Both passes in one dispatch through shared memory (shaders/resample_tile.comp). Larger jobs go through in bands of
// whole rows of tiles.

#include <string.h>

#include "base/checked.h"
#include "resample_push.h"
#include "resample_tile_alpha_spirv.h"
#include "resample_tile_alpha_storage_spirv.h"
#include "resample_tile_opaque_spirv.h"
#include "resample_tile_opaque_storage_spirv.h"
#include "work.h"

enum {
  PIXEL_BYTES = 4,
  TILE_BLOCKS = RESAMPLE_TILE_HEIGHT / RESAMPLE_BLOCK,
  SHARED_BYTES = 16384,  // what every Vulkan device has
  OPAQUE_BYTES = 8,      // of one pixel in shared memory
  ALPHA_BYTES = 16,
  MOST_TURNS = 60000  // see RESAMPLE_MAX_SIDE: here the turns of all loops of a thread add up
};

struct cut {
  uint32_t band_tiles;  // rows of tiles a band
  size_t source_bytes, result_bytes, table_bytes;
  uint64_t total_bytes;  // as the pool counts
};

struct band {
  uint32_t block, blocks;
  uint32_t output, outputs;
  uint32_t top, rows;  // source rows
};

struct buffers {
  struct gpu_buffer *source, *result, *table;
};

static uint32_t tile_rows_of(const struct resample_work *work) {
  return (work->y_blocks.blocks + TILE_BLOCKS - 1) / TILE_BLOCKS;
}

static size_t x_texels(const struct resample_work *work) {
  return (size_t)resample_singles_texels_each(&work->x) * work->x.outputs;
}

static uint32_t chunks_of(const struct resampler *resampler, const struct resample_work *work) {
  uint32_t rows = resampler->tile_rows[work->has_alpha];
  return (resample_most_rows(&work->y_blocks, TILE_BLOCKS) + rows - 1) / rows;
}

static uint32_t result_pitch(const struct resample_work *work, uint32_t blocks) {
  return work->swaps ? blocks * RESAMPLE_BLOCK : work->x.outputs;
}

static bool measure(const struct resampler *resampler, const struct resample_work *work, struct cut *cut) {
  const struct resample_pool *pool = &resampler->pool;
  size_t texels = resample_blocks_texels(&work->y_blocks) + x_texels(work) + tile_rows_of(work);
  size_t rows = resample_most_rows(&work->y_blocks, cut->band_tiles * TILE_BLOCKS);
  size_t outputs = (size_t)cut->band_tiles * RESAMPLE_TILE_HEIGHT;
  cut->table_bytes = texels * sizeof(struct resample_texel);
  if (!base_mul3_size(rows, work->x.length, PIXEL_BYTES, &cut->source_bytes)) return false;
  if (!base_mul3_size(outputs, work->x.outputs, PIXEL_BYTES, &cut->result_bytes)) return false;
  if (cut->source_bytes > resample_buffer_limit(resampler, PIXEL_BYTES) ||
      cut->table_bytes > resample_buffer_limit(resampler, sizeof(struct resample_texel)) ||
      cut->result_bytes > gpu_get_info(resampler->gpu)->max_storage_bytes) {
    return false;
  }
  cut->total_bytes = (uint64_t)resample_pool_size(pool, cut->source_bytes) +
                     resample_pool_size(pool, cut->result_bytes) + resample_pool_size(pool, cut->table_bytes);
  return cut->total_bytes <= pool->budget_bytes;
}

static bool plan(const struct resampler *resampler, const struct resample_work *work, struct cut *cut) {
  *cut = (struct cut){.band_tiles = tile_rows_of(work)};
  while (!measure(resampler, work, cut)) {
    if (cut->band_tiles == 1) return false;
    cut->band_tiles = (cut->band_tiles + 1) / 2;
  }
  return true;
}

// Loop turns of one thread, over all its loops; the loop over one texel's weights counts as if it were not unrolled.
static uint64_t turns(const struct resampler *resampler, const struct resample_work *work) {
  uint64_t x_turns = (uint64_t)resample_singles_texels_each(&work->x) * (1 + RESAMPLE_BLOCK) + 1;
  uint64_t rows = resampler->tile_rows[work->has_alpha] / TILE_BLOCKS + 1;
  return chunks_of(resampler, work) * (rows * x_turns + 1) + work->y_blocks.taps;
}

static bool fits(const struct resampler *resampler, const struct resample_work *work) {
  struct cut cut;
  return turns(resampler, work) <= MOST_TURNS && plan(resampler, work, &cut);
}

static void pack_tables(const struct resample_work *work, struct gpu_buffer *buffer) {
  struct resample_texel *table = gpu_buffer_map(buffer);
  resample_blocks_pack(&work->y_blocks, table);
  table += resample_blocks_texels(&work->y_blocks);
  resample_singles_pack(&work->x, table);
  table += x_texels(work);
  for (uint32_t tile = 0; tile < tile_rows_of(work); tile++) {
    uint32_t end = (uint32_t)base_min_u64((uint64_t)(tile + 1) * TILE_BLOCKS, work->y_blocks.blocks);
    uint32_t top, rows;
    resample_block_rows(&work->y_blocks, tile * TILE_BLOCKS, end, &top, &rows);
    table[tile] = (struct resample_texel){{(float)top}};
  }
}

static enum base_result run_band(struct resampler *resampler, const struct resample_work *work,
                                 const struct buffers *buffers, const struct band *band, struct base_fault *fault) {
  uint32_t y_texels = (uint32_t)resample_blocks_texels(&work->y_blocks);
  uint32_t pitch = result_pitch(work, band->blocks);
  const struct resample_tile_push push = {.x_outputs = work->x.outputs,
                                          .x_texels = resample_singles_texels_each(&work->x),
                                          .x_first = y_texels,
                                          .y_taps = work->y_blocks.taps,
                                          .y_first = 0,
                                          .y_blocks = band->block + band->blocks,
                                          .block_first = band->block,
                                          .tops_first = y_texels + (uint32_t)x_texels(work),
                                          .chunks = chunks_of(resampler, work),
                                          .in_left = work->x.first,
                                          .in_top = band->top,
                                          .in_pitch = work->x.length,
                                          .in_rows = band->rows,
                                          .out_x = work->swaps ? pitch : 1,
                                          .out_y = work->swaps ? 1 : pitch};
  struct gpu_dispatch dispatch = {.kernel = resampler->tile[work->has_alpha],
                                  .buffers = {buffers->source, buffers->result, buffers->table},
                                  .groups = {(work->x.outputs + RESAMPLE_TILE_WIDTH - 1) / RESAMPLE_TILE_WIDTH,
                                             (band->blocks + TILE_BLOCKS - 1) / TILE_BLOCKS, 1}};
  memcpy(dispatch.push, &push, sizeof(push));
  resample_upload(work->job->source, work->x.first, band->top, work->x.length, band->rows, buffers->source);
  enum base_result result = gpu_run(resampler->gpu, &dispatch, 1, fault);
  if (result != BASE_OK) return result;
  resample_download(work, buffers->result, pitch, band->output, band->outputs);
  return BASE_OK;
}

static enum base_result run_bands(struct resampler *resampler, const struct resample_work *work, const struct cut *cut,
                                  const struct buffers *buffers, struct base_fault *fault) {
  pack_tables(work, buffers->table);
  uint32_t step = cut->band_tiles * TILE_BLOCKS;
  for (uint32_t block = 0; block < work->y_blocks.blocks; block += step) {
    uint32_t blocks = (uint32_t)base_min_u64(step, work->y_blocks.blocks - block);
    struct band band = {.block = block, .blocks = blocks, .output = block * RESAMPLE_BLOCK};
    band.outputs = (uint32_t)base_min_u64(blocks * RESAMPLE_BLOCK, work->y.outputs - band.output);
    resample_block_rows(&work->y_blocks, block, block + blocks, &band.top, &band.rows);
    enum base_result result = run_band(resampler, work, buffers, &band, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
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
  result = resample_pool_take(pool, cut.result_bytes, GPU_MEMORY_READBACK, &buffers.result, fault);
  if (result != BASE_OK) goto out;
  result = resample_pool_take(pool, cut.table_bytes, GPU_MEMORY_UPLOAD, &buffers.table, fault);
  if (result != BASE_OK) goto out;
  result = run_bands(resampler, work, &cut, &buffers, fault);
out:
  resample_pool_give(pool, &buffers.table, GPU_MEMORY_UPLOAD);
  resample_pool_give(pool, &buffers.result, GPU_MEMORY_READBACK);
  resample_pool_give(pool, &buffers.source, GPU_MEMORY_UPLOAD);
  resample_pool_release(pool, cut.total_bytes);
  return result;
}

static enum base_result create_kernel(struct resampler *resampler, bool has_alpha, const uint32_t *spirv,
                                      size_t spirv_bytes, struct base_fault *fault) {
  bool is_storage = resample_uses_storage(resampler->gpu);
  size_t row_bytes = RESAMPLE_TILE_WIDTH * (has_alpha ? ALPHA_BYTES : OPAQUE_BYTES);
  resampler->tile_rows[has_alpha] = (uint32_t)(SHARED_BYTES / row_bytes);
  const struct gpu_kernel_config config = {
      .name = has_alpha ? "tile with alpha" : "tile",
      .spirv = spirv,
      .spirv_bytes = spirv_bytes,
      .binding_count = 3,
      .bindings = {is_storage ? GPU_BINDING_STORAGE : GPU_BINDING_TEXELS_R32UI, GPU_BINDING_STORAGE,
                   is_storage ? GPU_BINDING_STORAGE : GPU_BINDING_TEXELS_RGBA32F},
      .push_bytes = sizeof(struct resample_tile_push),
      .constant_count = 1,
      .constants = {resampler->tile_rows[has_alpha]},
  };
  return gpu_kernel_create(resampler->gpu, &config, &resampler->tile[has_alpha], fault);
}

static enum base_result create(struct resampler *resampler, struct base_fault *fault) {
  bool is_storage = resample_uses_storage(resampler->gpu);
  enum base_result result = is_storage ? create_kernel(resampler, false, resample_tile_opaque_storage_spirv,
                                                       sizeof(resample_tile_opaque_storage_spirv), fault)
                                       : create_kernel(resampler, false, resample_tile_opaque_spirv,
                                                       sizeof(resample_tile_opaque_spirv), fault);
  if (result != BASE_OK) return result;
  return is_storage
             ? create_kernel(resampler, true, resample_tile_alpha_storage_spirv,
                             sizeof(resample_tile_alpha_storage_spirv), fault)
             : create_kernel(resampler, true, resample_tile_alpha_spirv, sizeof(resample_tile_alpha_spirv), fault);
}

static void destroy(struct resampler *resampler) {
  gpu_kernel_destroy(&resampler->tile[false]);
  gpu_kernel_destroy(&resampler->tile[true]);
}

const struct resample_backend resample_tile = {
    .kernel = RESAMPLE_KERNEL_TILE, .name = "tile", .create = create, .destroy = destroy, .fits = fits, .run = run};
