// Results: straight into the target's memory where the kernels' words hold nothing else of it, staged otherwise.
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "unit.h"

enum { PIXEL_BYTES = 4 };

// In samples of a plane of the target.
struct rectangle {
  uint32_t x, y, width, height;
};

static struct rectangle rectangle_of(const struct resample_unit *unit, const struct resample_band *band) {
  const struct resample_part *part = unit->part;
  if (unit->work->swaps) {
    return (struct rectangle){part->target_x + band->output, part->target_y, band->outputs, part->target_height};
  }
  return (struct rectangle){part->target_x, part->target_y + band->output, part->target_width, band->outputs};
}

static struct rectangle divide(const struct rectangle *pixels, unsigned block_x, unsigned block_y) {
  return (struct rectangle){pixels->x / block_x, pixels->y / block_y, (pixels->width + block_x - 1) / block_x,
                            (pixels->height + block_y - 1) / block_y};
}

static void place_sheet(const struct image *target, unsigned plane, const struct rectangle *rectangle,
                        struct resample_sheet *sheet) {
  const bool is_rgba = target->format == IMAGE_RGBA8;
  const uint32_t sample_bytes = is_rgba ? PIXEL_BYTES : 1;
  uint8_t *row = is_rgba ? image_row(target, rectangle->y) : image_plane_row(&target->planes[plane], rectangle->y);
  *sheet = (struct resample_sheet){
      .to = row + (size_t)rectangle->x * sample_bytes,
      .to_stride_bytes = is_rgba ? target->stride_bytes : target->planes[plane].stride_bytes,
      .row_bytes = rectangle->width * sample_bytes,
      .rows = rectangle->height,
      .pitch = (rectangle->width * sample_bytes + RESAMPLE_WORD_BYTES - 1) / RESAMPLE_WORD_BYTES};
}

// Fills in where the sheets belong and their pitches when staged; returns their number.
static size_t place_sheets(const struct resample_unit *unit, const struct resample_band *band,
                           struct resample_sheet sheets[IMAGE_MAX_PLANES]) {
  const struct image *target = unit->work->target;
  const struct rectangle rectangle = rectangle_of(unit, band);
  if (!unit->work->converts) {
    place_sheet(target, unit->part->plane, &rectangle, &sheets[0]);
    return 1;
  }
  const struct rectangle chroma = divide(&rectangle, target->yuv.chroma_x, target->yuv.chroma_y);
  place_sheet(target, IMAGE_PLANE_Y, &rectangle, &sheets[IMAGE_PLANE_Y]);
  place_sheet(target, IMAGE_PLANE_U, &chroma, &sheets[IMAGE_PLANE_U]);
  place_sheet(target, IMAGE_PLANE_V, &chroma, &sheets[IMAGE_PLANE_V]);
  if (!target->has_alpha) return IMAGE_PLANE_A;
  place_sheet(target, IMAGE_PLANE_A, &rectangle, &sheets[IMAGE_PLANE_A]);
  return IMAGE_MAX_PLANES;
}

// Rows begin on words, and end on words or where the plane does: what follows there is padding.
static bool is_whole_words(const struct image *target, const struct resample_sheet *sheet) {
  const size_t offset = (size_t)(sheet->to - target->pixels);
  if (offset % RESAMPLE_WORD_BYTES != 0 || sheet->to_stride_bytes % RESAMPLE_WORD_BYTES != 0) return false;
  if (sheet->row_bytes % RESAMPLE_WORD_BYTES == 0) return true;
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &target->planes[i];
    if (!plane->samples || sheet->to < plane->samples) continue;
    const size_t from_plane = (size_t)(sheet->to - plane->samples);
    if (from_plane >= (size_t)plane->stride_bytes * plane->height) continue;
    return from_plane % plane->stride_bytes + sheet->row_bytes == plane->width;
  }
  return false;
}

static bool can_import(const struct resample_vulkan *vulkan, const struct resample_unit *unit) {
  const struct image *target = unit->work->target;
  const struct gpu_info *info = gpu_get_info(vulkan->gpu);
  if (!vulkan->imports_results || (uintptr_t)target->pixels % info->import_alignment != 0 ||
      target->bytes % info->import_alignment != 0 || target->bytes > info->max_storage_bytes) {
    return false;
  }
  struct resample_sheet sheets[IMAGE_MAX_PLANES];
  const struct resample_band whole = resample_unit_whole(unit);
  const size_t count = place_sheets(unit, &whole, sheets);
  for (size_t i = 0; i < count; i++) {
    if (!is_whole_words(target, &sheets[i])) return false;
  }
  return true;
}

void resample_result_import(struct resample_vulkan *vulkan, const struct resample_unit *first,
                            struct resample_unit *unit) {
  struct image *target = unit->work->target;
  if (!can_import(vulkan, unit)) return;
  for (const struct resample_unit *other = first; other < unit; other++) {
    if (other->work->target == target && other->target) unit->target = other->target;
  }
  if (unit->target) return;
  struct base_fault ignored = {0};  // refused memory: results are staged
  unit->owns_target = gpu_buffer_import(vulkan->gpu, target->pixels, target->bytes, &unit->target, &ignored) == BASE_OK;
}

// Memory that was taken from a picture.
struct left_memory {
  uint8_t *pixels;
  size_t bytes;
  void (*release)(void *pixels, size_t bytes);
};

static void free_left(void *user) {
  struct left_memory *left = user;
  if (left->release) {
    left->release(left->pixels, left->bytes);
  } else {
    free(left->pixels);
  }
  free(left);
}

static void unref_image(void *user) {
  struct image *image = user;
  image_unref(&image);
}

// A device that has not finished in time may still write: the picture goes on in new memory, or, where there is
// none, at least outlives that.
static void leave_memory(struct image *target, struct gpu_buffer *buffer) {
  struct left_memory *left = malloc(sizeof(*left));
  uint8_t *pixels = left ? aligned_alloc(IMAGE_PAGE_BYTES, base_round_up(target->bytes, IMAGE_PAGE_BYTES)) : NULL;
  if (!pixels) {
    free(left);
    gpu_buffer_on_release(buffer, unref_image, image_ref(target));
    return;
  }
  memcpy(pixels, target->pixels, target->bytes);
  *left = (struct left_memory){.pixels = target->pixels, .bytes = target->bytes, .release = target->release};
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    struct image_plane *plane = &target->planes[i];
    if (plane->samples) plane->samples = pixels + (plane->samples - target->pixels);
  }
  target->pixels = pixels;
  target->release = NULL;
  gpu_buffer_on_release(buffer, free_left, left);
}

void resample_result_end_import(struct resample_unit *unit, enum base_result result) {
  if (result == BASE_TIMEOUT) leave_memory(unit->work->target, unit->target);
  gpu_buffer_destroy(&unit->target);
}

size_t resample_result_words(const struct resample_unit *unit, const struct resample_band *band) {
  struct resample_sheet sheets[IMAGE_MAX_PLANES];
  const size_t count = place_sheets(unit, band, sheets);
  size_t words = 0;
  for (size_t i = 0; i < count; i++) words += (size_t)sheets[i].pitch * sheets[i].rows;
  return words;
}

void resample_result_place(const struct resample_unit *unit, const struct resample_band *band,
                           struct gpu_buffer *staging, uint32_t base, struct resample_place *place) {
  place->sheet_count = place_sheets(unit, band, place->sheets);
  place->result = unit->target ? unit->target : staging;
  for (size_t i = 0; i < place->sheet_count; i++) {
    struct resample_sheet *sheet = &place->sheets[i];
    if (unit->target) {
      sheet->base = (uint32_t)((size_t)(sheet->to - unit->work->target->pixels) / RESAMPLE_WORD_BYTES);
      sheet->pitch = sheet->to_stride_bytes / RESAMPLE_WORD_BYTES;
    } else {
      sheet->base = base;
      base += sheet->pitch * sheet->rows;
    }
  }
}

void resample_result_download(const struct resample_unit *unit, const struct resample_place *place) {
  if (unit->target) return;
  const uint8_t *mapped = gpu_buffer_map(place->result);
  for (size_t i = 0; i < place->sheet_count; i++) {
    const struct resample_sheet *sheet = &place->sheets[i];
    const uint8_t *from = mapped + (size_t)sheet->base * RESAMPLE_WORD_BYTES;
    for (uint32_t y = 0; y < sheet->rows; y++) {
      memcpy(sheet->to + (size_t)y * sheet->to_stride_bytes, from + (size_t)y * sheet->pitch * RESAMPLE_WORD_BYTES,
             sheet->row_bytes);
    }
  }
}

void resample_result_output(const struct resample_unit *unit, const struct resample_band *band,
                            const struct resample_place *place, struct gpu_buffer **out_buffer, uint32_t *out_base,
                            uint32_t *out_pitch) {
  const bool converts = unit->work->converts;
  *out_buffer = converts ? place->pixels : place->result;
  *out_base = converts ? place->pixels_base : place->sheets[0].base;
  *out_pitch = converts ? rectangle_of(unit, band).width : place->sheets[0].pitch;
}
