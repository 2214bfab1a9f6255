// One axis of a job: for every output sample the source samples it is made of, with exact weights.
#ifndef RESAMPLE_AXIS_H
#define RESAMPLE_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resample/resample.h"

// Longest source side. A kernel takes up to one loop turn a source sample, and Mesa's software device silently stops
// a shader after 65,535 turns.
enum { RESAMPLE_MAX_SIDE = 65000 };

struct resample_taps {
  uint32_t start;  // first source sample
  uint32_t count;
  size_t offset;  // of its weights in the axis
};

struct resample_axis {
  uint32_t first, length;  // the source samples that may be read: first .. first + length - 1
  uint32_t outputs;
  struct resample_taps *taps;  // one an output
  double *weights;             // each output's sum is 1
};

// Outputs 0 .. outputs-1 cover [origin, origin + extent] of the source, backwards when `is_flipped`. Both ends must lie
// in the picture and extent must be positive (asserted).
enum base_result resample_axis_init(struct resample_axis *axis, enum resample_filter filter, double origin,
                                    double extent, uint32_t outputs, bool is_flipped,
                                    struct base_fault *fault) BASE_CHECKED;
void resample_axis_finish(struct resample_axis *axis);

#endif
