// Opening the device at the start: what it is good for, and what to do without one.
//
// Part of the room's front. Runs in the caller of resample_create or in the thread of the machine's life; nobody else
// looks at calibration, reason and failure until the machine is published or closed.
#ifndef RESAMPLE_OPENING_H
#define RESAMPLE_OPENING_H

#include "front.h"

// Ends in resample_recovery_publish or _close. A result other than BASE_OK, with its fault in resampler->failure: there
// is no device, and nothing else will do.
enum base_result resample_open_device(struct resampler *resampler) BASE_CHECKED;
// The same in a thread of its own: a failure is told to resampler->failed. `self` is the resampler.
void resample_open_in_thread(void *self);
void BASE_PRINTF(2, 3) resample_give_reason(struct resampler *resampler, const char *format, ...);
void resample_log_choice(struct resampler *resampler);

#endif
