#include "batch.h"

#include "base/checked.h"

enum {
  LEAST_STRIP = 16,     // words
  CONVERTED_BLOCKS = 2  // 8 pixels: a word of 4 chroma samples
};

// How a unit is cut.
struct cut {
  uint32_t blocks;  // a band
  uint32_t words;   // a strip of the source; 0: its copy is read
  struct resample_needs needs;
};

static bool fits(const struct resample_vulkan *vulkan, const struct resample_unit *unit, uint64_t budget_bytes,
                 struct cut *cut) {
  return resample_unit_measure(vulkan, unit, cut->blocks, cut->words, &cut->needs) &&
         resample_needs_total(&vulkan->pool, &cut->needs) <= budget_bytes;
}

// Bands are multiples of this: rows of tiles; whole words of chroma, where bands become columns of the target.
static uint32_t least_blocks(const struct resample_unit *unit) {
  if (unit->is_tile) return RESAMPLE_TILE_BLOCKS;
  return unit->work->converts && unit->work->swaps ? CONVERTED_BLOCKS : 1;
}

static uint32_t half_of(const struct resample_unit *unit, uint32_t blocks) {
  return (uint32_t)base_round_up((blocks + 1) / 2, least_blocks(unit));
}

static uint32_t half_strip(const struct resample_unit *unit, uint32_t words) {
  return (uint32_t)base_round_up((words + 1) / 2, resample_unit_lane_words(unit));
}

// Whole rows: bands are halved, for as long as that makes them smaller.
static bool cut_rows(const struct resample_vulkan *vulkan, const struct resample_unit *unit, uint64_t budget_bytes,
                     struct cut *cut) {
  cut->blocks = (uint32_t)base_round_up(unit->y_blocks.blocks, least_blocks(unit));
  while (!fits(vulkan, unit, budget_bytes, cut)) {
    if (cut->blocks == least_blocks(unit)) return false;
    const uint32_t half = half_of(unit, cut->blocks);
    const bool is_uploaded = cut->words > 0 && !unit->is_tile;
    if (is_uploaded &&
        resample_blocks_most(&unit->y_blocks, half) > resample_blocks_most(&unit->y_blocks, cut->blocks) / 4 * 3) {
      return false;  // the rows hardly get fewer: strips are better
    }
    cut->blocks = half;
  }
  return true;
}

static bool cut_strips(const struct resample_vulkan *vulkan, const struct resample_unit *unit, uint64_t budget_bytes,
                       struct cut *cut) {
  for (;; cut->blocks = half_of(unit, cut->blocks)) {
    for (cut->words = unit->words;; cut->words = half_strip(unit, cut->words)) {
      if (fits(vulkan, unit, budget_bytes, cut)) return true;
      if (cut->words <= LEAST_STRIP) break;
    }
    if (cut->blocks == least_blocks(unit)) return false;
  }
}

// Without a copy of the source.
static bool cut_uncopied(const struct resample_vulkan *vulkan, const struct resample_unit *unit, struct cut *cut) {
  const uint64_t budget_bytes = vulkan->pool.budget_bytes;
  *cut = (struct cut){.words = unit->words};
  if (cut_rows(vulkan, unit, budget_bytes, cut)) return true;
  return !unit->is_tile && cut_strips(vulkan, unit, budget_bytes, cut);
}

bool resample_bands_fit(const struct resample_vulkan *vulkan, const struct resample_unit *unit) {
  struct cut cut;
  return cut_uncopied(vulkan, unit, &cut);
}

static enum base_result run_band(struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                 const struct cut *cut, const struct resample_buffers *buffers,
                                 const struct resample_band *band, struct base_fault *fault) {
  struct resample_place place = {.table = buffers->table, .middle = buffers->middle, .pixels = buffers->pixels};
  resample_result_place(unit, band, buffers->result, 0, &place);
  const uint32_t strip = cut->words > 0 ? cut->words : unit->words;
  for (uint32_t done = 0; done < unit->words;) {
    const uint32_t words = (uint32_t)base_min_u64(strip, unit->words - done);
    if (cut->words > 0) {
      resample_unit_upload(unit, band, unit->word + done, words, buffers->source, &place);
    } else {
      resample_unit_place_copy(unit, &place);
    }
    done += words;
    struct gpu_dispatch dispatches[3];
    size_t count = 0;
    dispatches[count++] = unit->is_tile ? resample_tile(vulkan, unit, band, &place)
                                        : resample_first_pass(vulkan, unit, band, &place, words);
    const bool is_last = done == unit->words;
    if (is_last && !unit->is_tile) dispatches[count++] = resample_second_pass(vulkan, unit, band, &place);
    if (is_last && unit->work->converts) dispatches[count++] = resample_convert(vulkan, unit, band, &place);
    for (size_t i = 1; i < count; i++) dispatches[i].after_barrier = true;
    const enum base_result result = gpu_run(vulkan->gpu, dispatches, count, fault);
    if (result != BASE_OK) return result;
  }
  resample_result_download(unit, &place);
  return BASE_OK;
}

static enum base_result run_cut(struct resample_vulkan *vulkan, const struct resample_unit *unit, const struct cut *cut,
                                struct base_fault *fault) {
  struct resample_buffers buffers;
  enum base_result result = resample_buffers_take(&vulkan->pool, &cut->needs, &buffers, fault);
  if (result != BASE_OK) return result;
  resample_unit_pack(unit, gpu_buffer_map(buffers.table));
  for (uint32_t block = 0; block < unit->y_blocks.blocks && result == BASE_OK; block += cut->blocks) {
    const struct resample_band band = resample_unit_band(unit, block, cut->blocks);
    result = run_band(vulkan, unit, cut, &buffers, &band, fault);
  }
  resample_buffers_give(&vulkan->pool, &buffers);
  return result;
}

enum base_result resample_bands_run(struct resample_vulkan *vulkan, struct resample_unit *unit,
                                    struct base_fault *fault) {
  struct resample_pool *pool = &vulkan->pool;
  struct cut cut = {0};
  const bool had_copy = unit->copy != NULL;
  const uint64_t copy_bytes = resample_batch_copy_bytes(vulkan, unit);
  const bool can_copy = had_copy || (copy_bytes > 0 && copy_bytes < pool->budget_bytes);
  const bool copies = can_copy && cut_rows(vulkan, unit, pool->budget_bytes - copy_bytes, &cut);
  if (!copies && !cut_uncopied(vulkan, unit, &cut)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "budget", "the GPU's memory budget is too small for this picture");
  }
  const uint64_t total = resample_needs_total(pool, &cut.needs) + (copies ? copy_bytes : 0);
  enum base_result result = BASE_OK;
  resample_pool_reserve(pool, total);
  if (copies && !had_copy) result = resample_copy_upload(pool, unit->work->job->source, &unit->copy, fault);
  if (result == BASE_OK) result = run_cut(vulkan, unit, &cut, fault);
  if (!had_copy) resample_copy_give(pool, &unit->copy);
  resample_pool_release(pool, total);
  return result;
}
