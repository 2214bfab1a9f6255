// One axis of a job: for every output sample the source samples it is made of, with exact weights.
#ifndef RESAMPLE_AXIS_H
#define RESAMPLE_AXIS_H

#include "span.h"

struct resample_taps {
  uint32_t start;  // first source sample
  uint32_t count;
  size_t offset;  // of its weights in the axis
};

struct resample_axis {
  struct resample_span span;
  struct resample_taps *taps;  // one an output
  size_t weight_count;
  double *weights;  // each output's sum is 1; NULL before resample_axis_weigh
};

// Finds the taps. The span must have outputs and samples (asserted); its centres may lie a little beyond the samples,
// which are mirrored. BASE_TOO_LARGE for more than RESAMPLE_MAX_SIDE samples.
enum base_result resample_axis_init(struct resample_axis *axis, const struct resample_span *span,
                                    struct base_fault *fault) BASE_CHECKED;
enum base_result resample_axis_weigh(struct resample_axis *axis, struct base_fault *fault) BASE_CHECKED;
void resample_axis_finish(struct resample_axis *axis);

#endif
