// The filters as functions of the distance from the sample, in double precision.
#ifndef RESAMPLE_FILTER_H
#define RESAMPLE_FILTER_H

#include "resample/resample.h"

// The filter is 0 at and beyond this distance.
double resample_filter_support(enum resample_filter filter);
// Not normalised; 1 at most.
double resample_filter_at(enum resample_filter filter, double distance);

#endif
