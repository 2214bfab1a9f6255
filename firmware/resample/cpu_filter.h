// The CPU machine's two filters: zimg for everyday jobs, a plain one for what zimg does not take.
#ifndef RESAMPLE_CPU_FILTER_H
#define RESAMPLE_CPU_FILTER_H

#include "cpu_rows.h"

// Whether zimg's result is exact for the part: its mirror reaches one picture far, not further.
bool resample_zimg_takes(const struct resample_part *part);
// Sets *out_done to false, having written nothing, where zimg has no graph for the part or wants too much memory.
enum base_result resample_zimg_run(const struct resample_rows *rows, bool *out_done,
                                   struct base_fault *fault) BASE_CHECKED;
// Any part, with two rows of floats a channel.
enum base_result resample_plain_run(const struct resample_rows *rows, struct base_fault *fault) BASE_CHECKED;

#endif
