// What the room's front is made of.
#ifndef RESAMPLE_FRONT_H
#define RESAMPLE_FRONT_H

#include "calibration.h"
#include "recovery.h"

struct resampler {
  enum resample_mode mode;
  struct resample_recovery recovery;
  char *calibration_folder;  // owned; NULL: none
  bool is_unmeasured;
  void (*failed)(void *self, const struct base_fault *fault);
  void *failed_self;
  // Filled by who opens the device; only read once it is published or closed.
  struct resample_calibration calibration;
  char reason[160];
  struct base_fault failure;  // there is no device though there must be one
  struct base_metric *jobs[RESAMPLE_KERNEL_COUNT];
};

#endif
