#include "batch.h"

#include <stdlib.h>

#include "base/checked.h"

// Dispatches of a unit in a submission, at most: two passes and a conversion.
enum { MOST_DISPATCHES = 3 };

static const struct {
  size_t need, buffer;
  enum gpu_memory memory;
} BUFFERS[] = {
#define BUFFER(name, memory) \
  { offsetof(struct resample_needs, name), offsetof(struct resample_buffers, name), memory }
    BUFFER(source, GPU_MEMORY_UPLOAD), BUFFER(table, GPU_MEMORY_UPLOAD),    BUFFER(middle, GPU_MEMORY_DEVICE),
    BUFFER(pixels, GPU_MEMORY_DEVICE), BUFFER(result, GPU_MEMORY_READBACK),
#undef BUFFER
};
enum { BUFFER_COUNT = sizeof(BUFFERS) / sizeof(BUFFERS[0]) };

static struct gpu_buffer **buffer_at(struct resample_buffers *buffers, size_t index) {
  return (struct gpu_buffer **)(void *)((char *)buffers + BUFFERS[index].buffer);
}

static size_t *need_at(struct resample_needs *needs, size_t index) {
  return (size_t *)(void *)((char *)needs + BUFFERS[index].need);
}

enum base_result resample_buffers_take(struct resample_pool *pool, const struct resample_needs *needs,
                                       struct resample_buffers *out, struct base_fault *fault) {
  struct resample_needs wanted = *needs;
  *out = (struct resample_buffers){0};
  for (size_t i = 0; i < BUFFER_COUNT; i++) {
    const size_t bytes = *need_at(&wanted, i);
    if (bytes == 0) continue;
    const enum base_result result = resample_pool_take(pool, bytes, BUFFERS[i].memory, buffer_at(out, i), fault);
    if (result == BASE_OK) continue;
    resample_buffers_give(pool, out);
    return result;
  }
  return BASE_OK;
}

void resample_buffers_give(struct resample_pool *pool, struct resample_buffers *buffers) {
  for (size_t i = BUFFER_COUNT; i-- > 0;) resample_pool_give(pool, buffer_at(buffers, i), BUFFERS[i].memory);
}

uint64_t resample_batch_copy_bytes(const struct resample_vulkan *vulkan, const struct resample_unit *unit) {
  if (unit->copy) return 0;
  return resample_copy_upload_bytes(&vulkan->pool, unit->work->job->source,
                                    resample_buffer_limit(vulkan, RESAMPLE_WORD_BYTES));
}

static bool is_same_source(const struct resample_unit *a, const struct resample_unit *b) {
  return a->work->job->source == b->work->job->source;
}

static bool has_source_before(const struct resample_unit *units, size_t index) {
  for (size_t i = 0; i < index; i++) {
    if (is_same_source(&units[i], &units[index])) return true;
  }
  return false;
}

// Adds a whole unit to what a batch takes. False: it does not fit beside the others.
static bool add(const struct resample_vulkan *vulkan, const struct resample_unit *units, size_t index,
                struct resample_needs *needs, uint64_t *copies_bytes) {
  const struct resample_unit *unit = &units[index];
  struct resample_needs more, sum = *needs;
  if (!resample_unit_measure(vulkan, unit, unit->y_blocks.blocks, 0, &more)) return false;
  for (size_t i = 0; i < BUFFER_COUNT; i++) {
    if (!base_add_size(*need_at(&sum, i), *need_at(&more, i), need_at(&sum, i))) return false;
  }
  uint64_t copies = *copies_bytes;
  if (!unit->copy && !has_source_before(units, index)) {
    const uint64_t bytes = resample_batch_copy_bytes(vulkan, unit);
    if (bytes == 0) return false;
    copies += bytes;
  }
  // Units of all kinds share the intermediate's buffer: its smallest texels count.
  if (!resample_needs_fit(vulkan, RESAMPLE_KIND_OPAQUE, &sum) ||
      resample_needs_total(&vulkan->pool, &sum) + copies > vulkan->pool.budget_bytes) {
    return false;
  }
  *needs = sum;
  *copies_bytes = copies;
  return true;
}

static size_t gather(const struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count,
                     struct resample_needs *needs, uint64_t *copies_bytes) {
  const size_t most = base_min_u64(count, GPU_MAX_DISPATCHES / MOST_DISPATCHES);
  size_t gathered = 0;
  *needs = (struct resample_needs){0};
  *copies_bytes = 0;
  while (gathered < most && add(vulkan, units, gathered, needs, copies_bytes)) gathered++;
  return gathered;
}

size_t resample_batch_gather(struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count) {
  struct resample_needs needs;
  uint64_t copies_bytes;
  return gather(vulkan, units, count, &needs, &copies_bytes);
}

// Lays the units' data out in the batch's buffers, and their tables into theirs.
static void place_units(const struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count,
                        const struct resample_buffers *buffers, struct resample_place *places) {
  struct resample_needs used = {0};
  struct resample_texel *tables = gpu_buffer_map(buffers->table);
  for (size_t i = 0; i < count; i++) {
    const struct resample_unit *unit = &units[i];
    const struct resample_band whole = resample_unit_whole(unit);
    struct resample_place *place = &places[i];
    *place = (struct resample_place){
        .table = buffers->table,
        .middle = buffers->middle,
        .pixels = buffers->pixels,
        .table_base = (uint32_t)(used.table / sizeof(struct resample_texel)),
        .middle_base = (uint32_t)(used.middle / resample_middle_bytes(unit->kind)),
        .pixels_base = (uint32_t)(used.pixels / RESAMPLE_WORD_BYTES),
    };
    resample_unit_pack(unit, tables + place->table_base);
    resample_unit_place_copy(unit, place);
    resample_result_place(unit, &whole, buffers->result, (uint32_t)(used.result / RESAMPLE_WORD_BYTES), place);
    struct resample_needs more = {0};
    BASE_ASSERT(resample_unit_measure(vulkan, unit, whole.blocks, 0, &more));
    for (size_t n = 0; n < BUFFER_COUNT; n++) *need_at(&used, n) += *need_at(&more, n);
  }
}

// All first passes and tiles, then all second passes, then all conversions. Returns the number of dispatches.
static size_t record(const struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count,
                     const struct resample_place *places, struct gpu_dispatch *dispatches) {
  size_t recorded = 0;
  for (int phase = 0; phase < MOST_DISPATCHES; phase++) {
    const size_t first = recorded;
    for (size_t i = 0; i < count; i++) {
      const struct resample_unit *unit = &units[i];
      const struct resample_band whole = resample_unit_whole(unit);
      if (phase == 0) {
        dispatches[recorded++] = unit->is_tile ? resample_tile(vulkan, unit, &whole, &places[i])
                                               : resample_first_pass(vulkan, unit, &whole, &places[i], unit->words);
      } else if (phase == 1 && !unit->is_tile) {
        dispatches[recorded++] = resample_second_pass(vulkan, unit, &whole, &places[i]);
      } else if (phase == 2 && unit->work->converts) {
        dispatches[recorded++] = resample_convert(vulkan, unit, &whole, &places[i]);
      }
    }
    if (phase > 0 && recorded > first) dispatches[first].after_barrier = true;
  }
  return recorded;
}

static enum base_result run_placed(struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count,
                                   const struct resample_buffers *buffers, struct base_fault *fault) {
  struct resample_place *places = calloc(count, sizeof(*places));
  struct gpu_dispatch *dispatches = calloc(GPU_MAX_DISPATCHES, sizeof(*dispatches));
  enum base_result result = BASE_OK;
  if (!places || !dispatches) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling");
    goto out;
  }
  place_units(vulkan, units, count, buffers, places);
  result = gpu_run(vulkan->gpu, dispatches, record(vulkan, units, count, places, dispatches), fault);
  if (result != BASE_OK) goto out;
  for (size_t i = 0; i < count; i++) resample_result_download(&units[i], &places[i]);
out:
  free(dispatches);
  free(places);
  return result;
}

enum base_result resample_batch_run(struct resample_vulkan *vulkan, struct resample_unit *units, size_t count,
                                    struct base_fault *fault) {
  struct resample_pool *pool = &vulkan->pool;
  struct resample_needs needs;
  struct resample_buffers buffers = {0};
  uint64_t copies_bytes;
  BASE_ASSERT(gather(vulkan, units, count, &needs, &copies_bytes) == count);
  const uint64_t total = resample_needs_total(pool, &needs) + copies_bytes;
  enum base_result result = BASE_OK;
  resample_pool_reserve(pool, total);
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    if (!units[i].copy) result = resample_copy_upload(pool, units[i].work->job->source, &units[i].copy, fault);
  }
  if (result == BASE_OK) result = resample_buffers_take(pool, &needs, &buffers, fault);
  if (result == BASE_OK) result = run_placed(vulkan, units, count, &buffers, fault);
  resample_buffers_give(pool, &buffers);
  for (size_t i = 0; i < count; i++) resample_copy_give(pool, &units[i].copy);
  resample_pool_release(pool, total);
  return result;
}
