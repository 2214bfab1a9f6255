// The CPU machine, on zimg: no state, no device. Called from as many threads as there are.
#ifndef RESAMPLE_CPU_H
#define RESAMPLE_CPU_H

#include "work.h"

// Takes every work that resample_work_init accepts. BASE_NO_MEMORY, BASE_INTERNAL (zimg's own words).
enum base_result resample_cpu_run(const struct resample_work *work, struct base_fault *fault) BASE_CHECKED;

#endif
