// zimg's FLOAT path (its BYTE path is not exact), fed and emptied row by row: no plane of floats exists.
#include <math.h>
#include <stdlib.h>
#include <zimg.h>

#include "base/checked.h"
#include "cpu_filter.h"
#include "filter.h"

enum {
  ALIGNMENT = 64,
  MOST_BYTES = 64 << 20,  // of rows in work; very strong shrinking of very wide pictures is left to the plain filter
};

// zimg leaves an axis alone that keeps its size, which is right for filters that keep the samples they meet; Mitchell's
// does not, and this offset (in source samples) makes zimg filter.
static const double NUDGE = 1e-9;

struct ring {
  float *lines;
  size_t stride_bytes, plane_bytes;
  unsigned mask;
};

struct run {
  const struct resample_rows *rows;
  struct ring in, out;
};

struct interval {
  double begin, length;  // from the span's first sample; in ascending order
};

static struct interval interval_of(const struct resample_span *span) {
  const double length = fabs(span->step) * span->outputs;
  const double begin = span->step < 0.0 ? span->begin - length : span->begin;
  return (struct interval){.begin = begin - span->first, .length = length};
}

static bool takes(const struct resample_span *span) {
  const struct interval interval = interval_of(span);
  const double reach = ceil(resample_filter_support(span->filter) * fmax(fabs(span->step), 1.0)) + 1.0;
  const double margin = reach - fabs(span->step) / 2.0;
  return interval.begin - margin >= -(double)span->length &&
         interval.begin + interval.length + margin <= 2.0 * span->length;
}

bool resample_zimg_takes(const struct resample_part *part) { return takes(&part->x) && takes(&part->y); }

static void set_filter(zimg_graph_builder_params *params, enum resample_filter filter) {
  zimg_graph_builder_params_default(params, ZIMG_API_VERSION);
  params->cpu_type = ZIMG_CPU_AUTO;
  params->resample_filter = filter == RESAMPLE_LANCZOS3 ? ZIMG_RESIZE_LANCZOS : ZIMG_RESIZE_BICUBIC;
  params->filter_param_a = filter == RESAMPLE_LANCZOS3 ? 3.0 : filter == RESAMPLE_MITCHELL ? 1.0 / 3.0 : 0.0;
  params->filter_param_b = filter == RESAMPLE_LANCZOS3 ? NAN : filter == RESAMPLE_MITCHELL ? 1.0 / 3.0 : 0.5;
  params->resample_filter_uv = params->resample_filter;
  params->filter_param_a_uv = params->filter_param_a;
  params->filter_param_b_uv = params->filter_param_b;
}

static void set_format(zimg_image_format *format, unsigned channels, uint32_t width, uint32_t height) {
  zimg_image_format_default(format, ZIMG_API_VERSION);
  format->width = width;
  format->height = height;
  format->pixel_type = ZIMG_PIXEL_FLOAT;
  format->color_family = channels == 1 ? ZIMG_COLOR_GREY : ZIMG_COLOR_RGB;
  if (channels > 1) format->matrix_coefficients = ZIMG_MATRIX_RGB;
  if (channels == 4) format->alpha = ZIMG_ALPHA_PREMULTIPLIED;
}

static zimg_filter_graph *build(const struct resample_part *part, unsigned channels) {
  const struct interval x = interval_of(&part->x), y = interval_of(&part->y);
  const double nudge = part->x.filter == RESAMPLE_MITCHELL ? NUDGE : 0.0;
  zimg_image_format from, to;
  zimg_graph_builder_params params;
  set_format(&from, channels, part->x.length, part->y.length);
  set_format(&to, channels, part->x.outputs, part->y.outputs);
  from.active_region.left = x.begin + nudge;
  from.active_region.top = y.begin + nudge;
  from.active_region.width = x.length;
  from.active_region.height = y.length;
  set_filter(&params, part->x.filter);
  return zimg_filter_graph_build(&from, &to, &params);
}

static int unpack(void *user, unsigned y, unsigned left, unsigned right) {
  const struct run *run = user;
  float *lines[RESAMPLE_CPU_CHANNELS];
  for (unsigned c = 0; c < run->rows->channels; c++) {
    lines[c] = run->in.lines + (c * run->in.plane_bytes + (y & run->in.mask) * run->in.stride_bytes) / sizeof(float);
  }
  resample_rows_read(run->rows, y, left, right, lines);
  return 0;
}

static int pack(void *user, unsigned y, unsigned left, unsigned right) {
  const struct run *run = user;
  const float *lines[RESAMPLE_CPU_CHANNELS];
  for (unsigned c = 0; c < run->rows->channels; c++) {
    lines[c] =
        run->out.lines + (c * run->out.plane_bytes + (y & run->out.mask) * run->out.stride_bytes) / sizeof(float);
  }
  resample_rows_write(run->rows, y, left, right, lines);
  return 0;
}

// The ring's shape; its lines come later. False when it is over the limit.
static bool shape(struct ring *ring, unsigned lines, uint32_t width, uint32_t height, unsigned channels,
                  size_t *total_bytes) {
  ring->mask = zimg_select_buffer_mask(lines);
  const size_t count = ring->mask == ZIMG_BUFFER_MAX ? height : (size_t)ring->mask + 1;
  size_t bytes;
  ring->stride_bytes = base_round_up(width * sizeof(float), ALIGNMENT);
  return base_mul_size(ring->stride_bytes, count, &ring->plane_bytes) &&
         base_mul_size(ring->plane_bytes, channels, &bytes) && base_add_size(*total_bytes, bytes, total_bytes) &&
         *total_bytes <= MOST_BYTES;
}

// Lays out one block of memory: zimg's own, the ring of source rows, the ring of finished ones. *out_memory is NULL
// where that is too much.
static enum base_result allocate(zimg_filter_graph *graph, struct run *run, void **out_memory,
                                 struct base_fault *fault) {
  const struct resample_part *part = run->rows->part;
  const unsigned channels = run->rows->channels;
  unsigned lines_in = 0, lines_out = 0;
  size_t own_bytes = 0, total_bytes;
  *out_memory = NULL;
  if (zimg_filter_graph_get_tmp_size(graph, &own_bytes) || zimg_filter_graph_get_input_buffering(graph, &lines_in) ||
      zimg_filter_graph_get_output_buffering(graph, &lines_out) || own_bytes > MOST_BYTES) {
    return BASE_OK;
  }
  own_bytes = total_bytes = base_round_up(own_bytes, ALIGNMENT);
  if (!shape(&run->in, lines_in, part->x.length, part->y.length, channels, &total_bytes) ||
      !shape(&run->out, lines_out, part->x.outputs, part->y.outputs, channels, &total_bytes)) {
    return BASE_OK;
  }
  uint8_t *memory = aligned_alloc(ALIGNMENT, total_bytes);
  if (!memory) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for rows of floats");
  run->in.lines = (float *)(void *)(memory + own_bytes);
  run->out.lines = run->in.lines + run->in.plane_bytes * channels / sizeof(float);
  *out_memory = memory;
  return BASE_OK;
}

static enum base_result process(zimg_filter_graph *graph, struct run *run, void *memory, struct base_fault *fault) {
  zimg_image_buffer_const from = {.version = ZIMG_API_VERSION};
  zimg_image_buffer to = {.version = ZIMG_API_VERSION};
  for (unsigned c = 0; c < run->rows->channels; c++) {
    from.plane[c].data = run->in.lines + c * run->in.plane_bytes / sizeof(float);
    from.plane[c].stride = (ptrdiff_t)run->in.stride_bytes;
    from.plane[c].mask = run->in.mask;
    to.plane[c].data = run->out.lines + c * run->out.plane_bytes / sizeof(float);
    to.plane[c].stride = (ptrdiff_t)run->out.stride_bytes;
    to.plane[c].mask = run->out.mask;
  }
  if (zimg_filter_graph_process(graph, &from, &to, memory, unpack, run, pack, run) == ZIMG_ERROR_SUCCESS) {
    return BASE_OK;
  }
  char words[128] = "";
  zimg_get_last_error(words, sizeof words);
  words[sizeof words - 1] = '\0';
  zimg_clear_last_error();
  return BASE_FAIL(fault, BASE_INTERNAL, "zimg", "zimg failed: %s", words);
}

enum base_result resample_zimg_run(const struct resample_rows *rows, bool *out_done, struct base_fault *fault) {
  struct run run = {.rows = rows};
  void *memory = NULL;
  *out_done = false;
  zimg_filter_graph *graph = build(rows->part, rows->channels);
  if (!graph) {
    zimg_clear_last_error();
    return BASE_OK;
  }
  enum base_result result = allocate(graph, &run, &memory, fault);
  if (memory) {
    result = process(graph, &run, memory, fault);
    *out_done = result == BASE_OK;
  }
  free(memory);
  zimg_filter_graph_free(graph);
  return result;
}
