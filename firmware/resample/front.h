// What the room's front is made of.
#ifndef RESAMPLE_FRONT_H
#define RESAMPLE_FRONT_H

#include "calibration.h"
#include "recovery.h"

struct resampler {
  enum resample_mode mode;
  struct resample_recovery recovery;
  struct resample_calibration calibration;
  char reason[160];
  struct base_metric *jobs[RESAMPLE_KERNEL_COUNT];
};

#endif
