// What a resampled picture must be, computed the plain way in double precision, sample by sample.
#ifndef TESTS_RESAMPLE_ORACLE_H
#define TESTS_RESAMPLE_ORACLE_H

#include "resample/resample.h"

// Straight RGBA in steps (0..255, neither rounded nor clamped) of the job's width x height, row by row; free() it. The
// job's target is not looked at.
double *resample_oracle(const struct resample_job *job);

// Largest difference in steps between the expected values (rounded and clamped here) and the job's place in its target.
// The colour of a pixel that is transparent on one side only counts by its alpha.
int resample_oracle_difference(const struct resample_job *job, const double *expected);

// Peak signal-to-noise ratio in dB of the same comparison (colour and alpha alike); infinite when all is equal.
double resample_oracle_psnr(const struct resample_job *job, const double *expected);

#endif
