#include "axis.h"

#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "filter.h"

// Which samples an output is made of, before mirroring; relative to nothing, so they may be negative.
struct window {
  double centre;
  int64_t low, high;
};

// The source sample that stands for `position` outside 0 .. length-1: mirrored with the edge sample repeated.
static uint32_t mirror(int64_t position, uint32_t length) {
  int64_t period = 2 * (int64_t)length;
  int64_t folded = position % period;
  if (folded < 0) folded += period;
  return (uint32_t)(folded < length ? folded : period - 1 - folded);
}

// How much the filter is stretched on downscale.
static double widening_of(const struct resample_span *span) { return fmax(fabs(span->step), 1.0); }

static struct window window_of(const struct resample_span *span, uint32_t output) {
  const double support = resample_filter_support(span->filter) * widening_of(span);
  const double centre = span->begin + (output + 0.5) * span->step;
  return (struct window){
      .centre = centre, .low = (int64_t)ceil(centre - support - 0.5), .high = (int64_t)floor(centre + support - 0.5)};
}

// The smallest range of real samples that holds the folded window; of a window beyond one end, all from that end on.
static void fold_range(const struct resample_span *span, const struct window *window, struct resample_taps *taps) {
  const int64_t begin = span->first;
  const int64_t end = begin + span->length - 1;
  int64_t start = window->low < begin ? begin : window->low;
  int64_t last = window->high > end ? end : window->high;
  if (window->low < begin && 2 * begin - 1 - window->low > last) last = 2 * begin - 1 - window->low;
  if (window->high > end && 2 * end + 1 - window->high < start) start = 2 * end + 1 - window->high;
  if (start < begin) start = begin;
  if (last > end) last = end;
  taps->start = (uint32_t)start;
  taps->count = (uint32_t)(last - start + 1);
}

static void fill_weights(const struct resample_axis *axis, uint32_t output) {
  const struct resample_span *span = &axis->span;
  const struct resample_taps *taps = &axis->taps[output];
  const struct window window = window_of(span, output);
  const double widening = widening_of(span);
  double *weights = axis->weights + taps->offset;
  double sum = 0.0;
  for (int64_t i = window.low; i <= window.high; i++) {
    double weight = resample_filter_at(span->filter, ((double)i + 0.5 - window.centre) / widening);
    uint32_t sample = span->first + mirror(i - span->first, span->length);
    BASE_ASSERT(sample >= taps->start && sample - taps->start < taps->count);
    weights[sample - taps->start] += weight;
    sum += weight;
  }
  for (uint32_t k = 0; k < taps->count; k++) weights[k] /= sum;
}

enum base_result resample_axis_init(struct resample_axis *axis, const struct resample_span *span,
                                    struct base_fault *fault) {
  BASE_ASSERT(span->outputs > 0 && span->length > 0);
  *axis = (struct resample_axis){.span = *span};
  if (span->length > RESAMPLE_MAX_SIDE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "source", "a source side of %u is over %d", (unsigned)span->length,
                     RESAMPLE_MAX_SIDE);
  }
  axis->taps = calloc(span->outputs, sizeof(*axis->taps));
  if (!axis->taps) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling weights");
  for (uint32_t i = 0; i < span->outputs; i++) {
    const struct window window = window_of(span, i);
    fold_range(span, &window, &axis->taps[i]);
    axis->taps[i].offset = axis->weight_count;
    if (!base_add_size(axis->weight_count, axis->taps[i].count, &axis->weight_count)) {
      resample_axis_finish(axis);
      return BASE_FAIL(fault, BASE_TOO_LARGE, "", "too many resampling weights");
    }
  }
  return BASE_OK;
}

enum base_result resample_axis_weigh(struct resample_axis *axis, struct base_fault *fault) {
  axis->weights = calloc(axis->weight_count, sizeof(*axis->weights));
  if (!axis->weights) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling weights");
  for (uint32_t i = 0; i < axis->span.outputs; i++) fill_weights(axis, i);
  return BASE_OK;
}

void resample_axis_finish(struct resample_axis *axis) {
  free(axis->taps);
  free(axis->weights);
  *axis = (struct resample_axis){0};
}
