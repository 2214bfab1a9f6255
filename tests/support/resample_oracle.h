// What a resampled picture must be, computed the plain way in double precision, sample by sample, from the definition
// in resample/resample.h (and image/convert.h where RGBA becomes planes). Shares no code with what it judges.
#ifndef TESTS_RESAMPLE_ORACLE_H
#define TESTS_RESAMPLE_ORACLE_H

#include "resample/resample.h"

// The expected results of a job.
struct resample_oracle;

// The job's target is looked at for its kind only. Free with resample_oracle_destroy.
struct resample_oracle *resample_oracle_create(const struct resample_job *job);
void resample_oracle_destroy(struct resample_oracle **oracle);

// One expected value, neither rounded nor clamped: RGBA8 targets have channels 0..3 (straight colour), YUV targets the
// planes of enum image_plane_index. (x, y) counts from the job's corner, in samples of that plane.
double resample_oracle_at(const struct resample_oracle *oracle, unsigned channel, uint32_t x, uint32_t y);

// The worst place of a result.
struct resample_difference {
  int steps;
  unsigned channel;
  uint32_t x, y;
  double expected;
  uint8_t found;
};

// Largest difference between the expected values (rounded and clamped here) and the job's place in its target. The
// colour of a pixel that is transparent on one side only counts by its alpha; where chroma is a mean weighted by alpha,
// either rounding of an alpha in the middle between two steps will do.
struct resample_difference resample_oracle_compare(const struct resample_oracle *oracle,
                                                   const struct resample_job *job);
// The same, steps only.
int resample_oracle_difference(const struct resample_oracle *oracle, const struct resample_job *job);

// Peak signal-to-noise ratio in dB over all samples alike; infinite when all is equal.
double resample_oracle_psnr(const struct resample_oracle *oracle, const struct resample_job *job);

#endif
