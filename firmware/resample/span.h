// Where the outputs of one axis lie in the source: centre of output i = begin + (i + 0.5) * step.
#ifndef RESAMPLE_SPAN_H
#define RESAMPLE_SPAN_H

#include "resample/resample.h"

// Longest source side. A kernel takes up to one loop turn a source sample, and Mesa's software device silently stops
// a shader after 65,535 turns.
enum { RESAMPLE_MAX_SIDE = 65000 };

struct resample_span {
  enum resample_filter filter;
  double begin;  // in source samples; the outputs' edge 0
  double step;   // source samples an output; negative: the outputs run backwards
  uint32_t outputs;
  uint32_t first, length;  // the source samples that may be read; beyond them they are mirrored
};

#endif
