// The filter as the definition has it: for every output row its source rows are added up, then that row is filtered
// along itself. Slower than zimg, but for any size.
#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "base/checked.h"
#include "cpu_filter.h"

struct run {
  const struct resample_rows *rows;
  struct resample_axis x, y;
  // A row of each channel, one after another: as read, added up, and filtered.
  float *line, *sum, *out;
};

// Outputs come in the order of the source here.
static struct resample_span ascending(const struct resample_span *span) {
  struct resample_span result = *span;
  if (span->step < 0.0) {
    result.begin = span->begin + span->step * span->outputs;
    result.step = -span->step;
  }
  return result;
}

static enum base_result make_axis(struct resample_axis *axis, const struct resample_span *span,
                                  struct base_fault *fault) {
  const enum base_result result = resample_axis_init(axis, span, fault);
  return result == BASE_OK ? resample_axis_weigh(axis, fault) : result;
}

static void add_rows(const struct run *run, uint32_t y, float *const lines[RESAMPLE_CPU_CHANNELS]) {
  const struct resample_taps *taps = &run->y.taps[y];
  const size_t count = (size_t)run->rows->part->x.length * run->rows->channels;
  memset(run->sum, 0, count * sizeof *run->sum);
  for (uint32_t k = 0; k < taps->count; k++) {
    const float weight = (float)run->y.weights[taps->offset + k];
    if (weight == 0.0f) continue;
    resample_rows_read(run->rows, taps->start - run->y.span.first + k, 0, run->rows->part->x.length, lines);
    for (size_t i = 0; i < count; i++) run->sum[i] += weight * run->line[i];
  }
}

static void filter_along(const struct run *run, const float *from, float *to) {
  for (uint32_t i = 0; i < run->x.span.outputs; i++) {
    const struct resample_taps *taps = &run->x.taps[i];
    const double *weights = run->x.weights + taps->offset;
    double sum = 0.0;
    for (uint32_t k = 0; k < taps->count; k++) sum += weights[k] * from[taps->start - run->x.span.first + k];
    to[i] = (float)sum;
  }
}

static void run_rows(const struct run *run) {
  const struct resample_part *part = run->rows->part;
  float *lines[RESAMPLE_CPU_CHANNELS] = {0};
  const float *finished[RESAMPLE_CPU_CHANNELS] = {0};
  for (unsigned c = 0; c < run->rows->channels; c++) {
    lines[c] = run->line + (size_t)c * part->x.length;
    finished[c] = run->out + (size_t)c * part->x.outputs;
  }
  for (uint32_t y = 0; y < part->y.outputs; y++) {
    add_rows(run, y, lines);
    for (unsigned c = 0; c < run->rows->channels; c++) {
      filter_along(run, run->sum + (size_t)c * part->x.length, run->out + (size_t)c * part->x.outputs);
    }
    resample_rows_write(run->rows, y, 0, part->x.outputs, finished);
  }
}

enum base_result resample_plain_run(const struct resample_rows *rows, struct base_fault *fault) {
  const struct resample_span x = ascending(&rows->part->x), y = ascending(&rows->part->y);
  struct run run = {.rows = rows};
  size_t in_bytes, out_bytes;
  enum base_result result = make_axis(&run.x, &x, fault);
  if (result == BASE_OK) result = make_axis(&run.y, &y, fault);
  if (result != BASE_OK) goto out;
  if (!base_mul3_size(x.length, rows->channels, sizeof(float), &in_bytes) ||
      !base_mul3_size(x.outputs, rows->channels, sizeof(float), &out_bytes)) {
    result = BASE_FAIL(fault, BASE_TOO_LARGE, "", "rows of %u samples are too long", (unsigned)x.length);
    goto out;
  }
  run.line = malloc(in_bytes);
  run.sum = malloc(in_bytes);
  run.out = malloc(out_bytes);
  if (run.line && run.sum && run.out) {
    run_rows(&run);
  } else {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for rows of floats");
  }
out:
  free(run.line);
  free(run.sum);
  free(run.out);
  resample_axis_finish(&run.x);
  resample_axis_finish(&run.y);
  return result;
}
