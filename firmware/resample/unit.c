#include "unit.h"

#include <string.h>

#include "base/checked.h"
#include "resample_push.h"

static enum resample_kind kind_of(const struct resample_work *work) {
  if (work->source->format == IMAGE_YUV) return RESAMPLE_KIND_PLANE;
  if (work->is_linear) return RESAMPLE_KIND_LINEAR;
  return work->has_alpha ? RESAMPLE_KIND_ALPHA : RESAMPLE_KIND_OPAQUE;
}

enum base_result resample_unit_init(struct resample_unit *unit, const struct resample_work *work, size_t part,
                                    enum resample_kernel kernel, struct base_fault *fault) {
  *unit = (struct resample_unit){.work = work, .part = &work->parts[part], .kind = kind_of(work)};
  unit->is_tile = kernel == RESAMPLE_KERNEL_TILE;
  BASE_ASSERT(!unit->is_tile || unit->kind != RESAMPLE_KIND_PLANE);
  const struct resample_span *x = &unit->part->x;
  const uint32_t columns = unit->kind == RESAMPLE_KIND_PLANE ? RESAMPLE_PLANE_LANE * RESAMPLE_PLANE_WORD : 1;
  const uint32_t lane_words = resample_unit_lane_words(unit);
  unit->word = x->first / columns * lane_words;
  unit->words = (x->first + x->length + columns - 1) / columns * lane_words - unit->word;
  enum base_result result = resample_axis_init(&unit->x, x, fault);
  if (result == BASE_OK) result = resample_axis_init(&unit->y, &unit->part->y, fault);
  if (result == BASE_OK) result = resample_blocks_init(&unit->x_blocks, &unit->x, fault);
  if (result == BASE_OK) result = resample_blocks_init(&unit->y_blocks, &unit->y, fault);
  return result;
}

enum base_result resample_unit_weigh(struct resample_unit *unit, struct base_fault *fault) {
  const enum base_result result = resample_axis_weigh(&unit->x, fault);
  return result == BASE_OK ? resample_axis_weigh(&unit->y, fault) : result;
}

void resample_unit_finish(struct resample_unit *unit) {
  resample_blocks_finish(&unit->x_blocks);
  resample_blocks_finish(&unit->y_blocks);
  resample_axis_finish(&unit->x);
  resample_axis_finish(&unit->y);
}

struct resample_band resample_unit_band(const struct resample_unit *unit, uint32_t block, uint32_t blocks) {
  struct resample_band band = {.block = block, .output = block * RESAMPLE_BLOCK};
  band.blocks = (uint32_t)base_min_u64(blocks, unit->y_blocks.blocks - block);
  band.outputs = (uint32_t)base_min_u64(band.blocks * RESAMPLE_BLOCK, unit->y.span.outputs - band.output);
  resample_blocks_range(&unit->y_blocks, block, block + band.blocks, &band.top, &band.rows);
  return band;
}

static size_t table_texels(const struct resample_unit *unit) {
  if (unit->is_tile) return resample_tile_texels(unit);
  return resample_blocks_texels(&unit->y_blocks) + resample_blocks_texels(&unit->x_blocks);
}

// A word of the source becomes, for each block, 4 pixels or 4 columns' groups of 4 rows.
static bool measure_middle(const struct resample_unit *unit, uint32_t blocks, size_t *out) {
  if (unit->is_tile) return true;
  return base_mul3_size(unit->words, (size_t)blocks * RESAMPLE_BLOCK, resample_middle_bytes(unit->kind), out);
}

static bool measure_results(const struct resample_unit *unit, uint32_t blocks, struct resample_needs *needs) {
  const struct resample_band band = resample_unit_band(unit, 0, blocks);  // none is larger
  if (unit->work->converts &&
      !base_mul3_size(band.outputs, unit->x.span.outputs, RESAMPLE_WORD_BYTES, &needs->pixels)) {
    return false;
  }
  return unit->target || base_mul_size(resample_result_words(unit, &band), RESAMPLE_WORD_BYTES, &needs->result);
}

bool resample_needs_fit(const struct resample_vulkan *vulkan, enum resample_kind kind,
                        const struct resample_needs *needs) {
  const struct {
    size_t bytes, texel_bytes;
  } inputs[] = {{needs->source, RESAMPLE_WORD_BYTES},
                {needs->table, sizeof(struct resample_texel)},
                {needs->middle, resample_middle_bytes(kind)},
                {needs->pixels, RESAMPLE_WORD_BYTES}};
  for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
    const size_t size = resample_pool_size(&vulkan->pool, inputs[i].bytes);
    if (inputs[i].bytes > 0 && size > resample_buffer_limit(vulkan, inputs[i].texel_bytes)) return false;
  }
  return needs->result <= gpu_get_info(vulkan->gpu)->max_storage_bytes;
}

bool resample_unit_measure(const struct resample_vulkan *vulkan, const struct resample_unit *unit, uint32_t blocks,
                           uint32_t words, struct resample_needs *out) {
  struct resample_needs needs = {.table = table_texels(unit) * sizeof(struct resample_texel)};
  if (words > 0) {
    const size_t rows = resample_blocks_most(&unit->y_blocks, blocks);
    if (!base_mul3_size(rows, words, RESAMPLE_WORD_BYTES, &needs.source)) return false;
  }
  if (!measure_middle(unit, blocks, &needs.middle) || !measure_results(unit, blocks, &needs)) return false;
  size_t *const sizes[] = {&needs.source, &needs.table, &needs.middle, &needs.pixels, &needs.result};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    if (*sizes[i] > SIZE_MAX - RESAMPLE_NEED_ALIGNMENT) return false;
    *sizes[i] = base_round_up(*sizes[i], RESAMPLE_NEED_ALIGNMENT);
  }
  *out = needs;
  return resample_needs_fit(vulkan, unit->kind, &needs);
}

uint64_t resample_needs_total(const struct resample_pool *pool, const struct resample_needs *needs) {
  const size_t sizes[] = {needs->source, needs->table, needs->middle, needs->pixels, needs->result};
  uint64_t total = 0;
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    if (sizes[i] > 0) total += resample_pool_size(pool, sizes[i]);
  }
  return total;
}

void resample_unit_pack(const struct resample_unit *unit, struct resample_texel *table) {
  resample_blocks_pack(&unit->y_blocks, table);
  table += resample_blocks_texels(&unit->y_blocks);
  if (unit->is_tile) {
    resample_tile_pack(unit, table);
  } else {
    resample_blocks_pack(&unit->x_blocks, table);
  }
}

void resample_unit_place_copy(const struct resample_unit *unit, struct resample_place *place) {
  const struct image *image = unit->work->source;
  place->source = unit->copy->buffer;
  place->source_base = 0;
  place->source_pitch = unit->copy->pitch;
  place->source_word = 0;
  place->source_top = 0;
  place->source_last = unit->y.span.first + unit->y.span.length - 1;
  if (unit->kind != RESAMPLE_KIND_PLANE) return;
  const struct image_plane *plane = &image->planes[unit->part->plane];
  place->source_base = (uint32_t)((size_t)(plane->samples - image->pixels) / RESAMPLE_WORD_BYTES);
  place->source_pitch = plane->stride_bytes / RESAMPLE_WORD_BYTES;
}

void resample_unit_upload(const struct resample_unit *unit, const struct resample_band *band, uint32_t word,
                          uint32_t words, struct gpu_buffer *buffer, struct resample_place *place) {
  const struct image *image = unit->work->source;
  const struct image_plane *plane = unit->kind == RESAMPLE_KIND_PLANE ? &image->planes[unit->part->plane] : NULL;
  const size_t row_bytes = (size_t)words * RESAMPLE_WORD_BYTES;
  BASE_ASSERT(row_bytes * band->rows <= gpu_buffer_bytes(buffer));
  uint8_t *to = gpu_buffer_map(buffer);
  for (uint32_t y = 0; y < band->rows; y++) {
    const uint8_t *row = plane ? image_plane_row(plane, band->top + y) : image_row(image, band->top + y);
    memcpy(to + y * row_bytes, row + (size_t)word * RESAMPLE_WORD_BYTES, row_bytes);
  }
  place->source = buffer;
  place->source_base = 0;
  place->source_pitch = words;
  place->source_word = word;
  place->source_top = band->top;
  place->source_last = band->top + band->rows - 1;
}
