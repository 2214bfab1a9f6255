#include "axis.h"

#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "filter.h"

// Where the filter lies for every output: centre = origin + (i + 0.5) * step.
struct placement {
  enum resample_filter filter;
  double origin, step;
  double widening;  // the filter is stretched by this on downscale
  double support;
};

// The source sample that stands for `position` outside 0 .. length-1: mirrored with the edge sample repeated.
static uint32_t mirror(int64_t position, uint32_t length) {
  int64_t period = 2 * (int64_t)length;
  int64_t folded = position % period;
  if (folded < 0) folded += period;
  return (uint32_t)(folded < length ? folded : period - 1 - folded);
}

// Samples whose centres lie within the support; relative to nothing, so they may be negative.
static void window(const struct placement *placement, uint32_t output, double *out_centre, int64_t *out_low,
                   int64_t *out_high) {
  double centre = placement->origin + (output + 0.5) * placement->step;
  *out_centre = centre;
  *out_low = (int64_t)ceil(centre - placement->support - 0.5);
  *out_high = (int64_t)floor(centre + placement->support - 0.5);
}

// The smallest range of real samples that holds the folded window. The centre lies in the picture, so a window that
// leaves it at one end covers that end's sample.
static void fold_range(const struct resample_axis *axis, int64_t low, int64_t high, struct resample_taps *taps) {
  int64_t begin = axis->first;
  int64_t end = begin + axis->length - 1;
  int64_t start = low < begin ? begin : low;
  int64_t last = high > end ? end : high;
  if (low < begin && 2 * begin - 1 - low > last) last = 2 * begin - 1 - low;
  if (high > end && 2 * end + 1 - high < start) start = 2 * end + 1 - high;
  if (start < begin) start = begin;
  if (last > end) last = end;
  taps->start = (uint32_t)start;
  taps->count = (uint32_t)(last - start + 1);
}

static void fill_weights(const struct resample_axis *axis, const struct placement *placement, uint32_t output,
                         const struct resample_taps *taps) {
  double centre;
  int64_t low, high;
  window(placement, output, &centre, &low, &high);
  double *weights = axis->weights + taps->offset;
  double sum = 0.0;
  for (int64_t i = low; i <= high; i++) {
    double weight = resample_filter_at(placement->filter, ((double)i + 0.5 - centre) / placement->widening);
    uint32_t sample = axis->first + mirror(i - axis->first, axis->length);
    BASE_ASSERT(sample >= taps->start && sample - taps->start < taps->count);
    weights[sample - taps->start] += weight;
    sum += weight;
  }
  for (uint32_t k = 0; k < taps->count; k++) weights[k] /= sum;
}

static enum base_result allocate(struct resample_axis *axis, const struct placement *placement, bool is_flipped,
                                 struct base_fault *fault) {
  axis->taps = calloc(axis->outputs, sizeof(*axis->taps));
  if (!axis->taps) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling weights");
  size_t total = 0;
  for (uint32_t i = 0; i < axis->outputs; i++) {
    double centre;
    int64_t low, high;
    window(placement, is_flipped ? axis->outputs - 1 - i : i, &centre, &low, &high);
    fold_range(axis, low, high, &axis->taps[i]);
    axis->taps[i].offset = total;
    if (!base_add_size(total, axis->taps[i].count, &total)) {
      return BASE_FAIL(fault, BASE_TOO_LARGE, "", "too many resampling weights");
    }
  }
  axis->weights = calloc(total, sizeof(*axis->weights));
  return axis->weights ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling weights");
}

enum base_result resample_axis_init(struct resample_axis *axis, enum resample_filter filter, double origin,
                                    double extent, uint32_t outputs, bool is_flipped, struct base_fault *fault) {
  BASE_ASSERT(origin >= 0.0 && extent > 0.0 && outputs > 0);
  double step = extent / outputs;
  double widening = step > 1.0 ? step : 1.0;
  struct placement placement = {.filter = filter,
                                .origin = origin,
                                .step = step,
                                .widening = widening,
                                .support = resample_filter_support(filter) * widening};
  double first = floor(origin);
  *axis = (struct resample_axis){
      .first = (uint32_t)first, .length = (uint32_t)(ceil(origin + extent) - first), .outputs = outputs};
  if (axis->length > RESAMPLE_MAX_SIDE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "source", "a source side of %u is over %d", (unsigned)axis->length,
                     RESAMPLE_MAX_SIDE);
  }
  enum base_result result = allocate(axis, &placement, is_flipped, fault);
  if (result != BASE_OK) {
    resample_axis_finish(axis);
    return result;
  }
  for (uint32_t i = 0; i < outputs; i++) {
    fill_weights(axis, &placement, is_flipped ? outputs - 1 - i : i, &axis->taps[i]);
  }
  return BASE_OK;
}

void resample_axis_finish(struct resample_axis *axis) {
  free(axis->taps);
  free(axis->weights);
  *axis = (struct resample_axis){0};
}
