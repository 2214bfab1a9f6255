#include "cpu_rows.h"

#include <stdlib.h>

#include "base/checked.h"
#include "cpu_pixels.h"

// Rows that are turned together: their runs in the target are a cache line for RGBA8.
enum { STAGE_ROWS = 16 };

static enum base_result make_stage(struct resample_rows *rows, struct base_fault *fault) {
  size_t bytes;
  rows->stage_stride_bytes = base_round_up(rows->part->x.outputs * rows->sample_bytes, IMAGE_ROW_ALIGNMENT);
  if (!base_mul_size(rows->stage_stride_bytes, rows->swaps ? STAGE_ROWS : 1, &bytes)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "", "rows of %u samples are too long", (unsigned)rows->part->x.outputs);
  }
  rows->stage = aligned_alloc(IMAGE_ROW_ALIGNMENT, bytes);
  return rows->stage ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for rows to be turned");
}

enum base_result resample_rows_init(struct resample_rows *rows, const struct resample_work *work,
                                    const struct resample_part *part, struct image *target, struct base_fault *fault) {
  const bool is_plane = work->source->format == IMAGE_YUV;
  *rows = (struct resample_rows){.part = part,
                                 .channels = is_plane          ? 1
                                             : work->has_alpha ? 4
                                                               : 3,
                                 .swaps = work->swaps,
                                 .sample_bytes = is_plane ? 1 : 4};
  if (is_plane) {
    const struct image_plane *from = &work->source->planes[part->plane], *to = &target->planes[part->plane];
    rows->source = image_plane_row(from, part->y.first) + part->x.first;
    rows->source_stride_bytes = from->stride_bytes;
    rows->target = image_plane_row(to, part->target_y) + part->target_x;
    rows->target_stride_bytes = to->stride_bytes;
  } else {
    const bool is_own = target == work->target;
    rows->source = image_row(work->source, part->y.first) + (size_t)part->x.first * 4;
    rows->source_stride_bytes = work->source->stride_bytes;
    rows->target = image_row(target, is_own ? part->target_y : 0) + (is_own ? (size_t)part->target_x * 4 : 0);
    rows->target_stride_bytes = target->stride_bytes;
  }
  enum base_result result = BASE_OK;
  if (rows->swaps || part->x.step < 0.0) result = make_stage(rows, fault);
  if (result == BASE_OK && work->is_linear) {
    rows->light = malloc(sizeof *rows->light);
    if (rows->light) {
      resample_light_init(rows->light);
    } else {
      result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a table of light");
    }
  }
  if (result != BASE_OK) resample_rows_finish(rows);
  return result;
}

void resample_rows_finish(struct resample_rows *rows) {
  free(rows->stage);
  free(rows->light);
  *rows = (struct resample_rows){0};
}

void resample_rows_read(const struct resample_rows *rows, uint32_t y, uint32_t left, uint32_t right,
                        float *const lines[RESAMPLE_CPU_CHANNELS]) {
  const uint8_t *from = rows->source + (size_t)y * rows->source_stride_bytes + left * rows->sample_bytes;
  const size_t count = right - left;
  float *out[RESAMPLE_CPU_CHANNELS] = {0};
  for (unsigned c = 0; c < rows->channels; c++) out[c] = lines[c] + left;
  if (rows->channels == 1) {
    resample_unpack_plane(from, count, out[0]);
  } else if (rows->light) {
    resample_unpack_light(rows->light, from, count, rows->channels, out);
  } else if (rows->channels == 3) {
    resample_unpack_rgb(from, count, out[0], out[1], out[2]);
  } else {
    resample_unpack_rgba(from, count, out);
  }
}

static void pack(const struct resample_rows *rows, uint32_t left, size_t count,
                 const float *const lines[RESAMPLE_CPU_CHANNELS], uint8_t *to) {
  const float *in[RESAMPLE_CPU_CHANNELS] = {0};
  for (unsigned c = 0; c < rows->channels; c++) in[c] = lines[c] + left;
  if (rows->channels == 1) {
    resample_pack_plane(in[0], count, rows->part->gain, rows->part->bias, to);
  } else if (rows->light) {
    resample_pack_light(rows->light, in, count, rows->channels, to);
  } else if (rows->channels == 3) {
    resample_pack_rgb(in[0], in[1], in[2], count, to);
  } else {
    resample_pack_rgba(in, count, to);
  }
}

// The target's index of output `index`, which is counted in the order of the source.
static uint32_t place(const struct resample_span *span, uint32_t index) {
  return span->step < 0.0 ? span->outputs - 1 - index : index;
}

// Stores the staged rows up to `y` as columns.
static void turn(const struct resample_rows *rows, uint32_t y, uint32_t left, uint32_t right) {
  const struct resample_span *along = &rows->part->x, *across = &rows->part->y;
  const uint32_t first = y - y % STAGE_ROWS, count = y - first + 1;
  const bool is_backward = across->step < 0.0;
  const uint8_t *staged[STAGE_ROWS];
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t row = is_backward ? count - 1 - i : i;
    staged[i] = rows->stage + row * rows->stage_stride_bytes + left * rows->sample_bytes;
  }
  uint8_t *to = rows->target + place(along, left) * rows->target_stride_bytes +
                place(across, is_backward ? y : first) * rows->sample_bytes;
  const ptrdiff_t stride = (ptrdiff_t)rows->target_stride_bytes;
  resample_transpose(staged, count, right - left, rows->sample_bytes, to, along->step < 0.0 ? -stride : stride);
}

void resample_rows_write(const struct resample_rows *rows, uint32_t y, uint32_t left, uint32_t right,
                         const float *const lines[RESAMPLE_CPU_CHANNELS]) {
  const struct resample_span *along = &rows->part->x, *across = &rows->part->y;
  const size_t count = right - left;
  if (rows->swaps) {
    pack(rows, left, count, lines, rows->stage + y % STAGE_ROWS * rows->stage_stride_bytes + left * rows->sample_bytes);
    if (y % STAGE_ROWS == STAGE_ROWS - 1 || y == across->outputs - 1) turn(rows, y, left, right);
    return;
  }
  uint8_t *row = rows->target + place(across, y) * rows->target_stride_bytes;
  if (along->step < 0.0) {
    pack(rows, left, count, lines, rows->stage);
    resample_reverse(rows->stage, count, rows->sample_bytes, row + place(along, right - 1) * rows->sample_bytes);
  } else {
    pack(rows, left, count, lines, row + left * rows->sample_bytes);
  }
}
