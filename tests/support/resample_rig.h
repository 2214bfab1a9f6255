// What the resampler's tests share: a validated device, pictures, and runs that are held against the oracle.
#ifndef TESTS_RESAMPLE_RIG_H
#define TESTS_RESAMPLE_RIG_H

#include "resample/resample.h"

struct resample_rig {
  struct base_log *log;
  struct gpu *gpu;
  struct resampler *resampler;
};

// cmocka group set-up and tear-down; *state becomes the rig. Validation messages abort.
int resample_rig_setup(void **state);
int resample_rig_teardown(void **state);

// A small seeded generator (xorshift), so that failures repeat.
struct resample_random {
  uint64_t state;
};
uint32_t resample_random_next(struct resample_random *random, uint32_t limit);

struct image *resample_picture(uint32_t width, uint32_t height, bool has_alpha);
// Every byte random; without alpha the alpha bytes are 255. With alpha, a quarter of the pixels is transparent with
// dirty colour and a quarter opaque.
struct image *resample_noise(uint32_t width, uint32_t height, bool has_alpha, uint64_t seed);
// Every channel 0 or 255.
struct image *resample_binary_noise(uint32_t width, uint32_t height, uint64_t seed);

// The whole source to width x height with the two-pass kernel, bicubic, upright; change what the test is about.
// The target is new (noise); free both with resample_job_finish.
struct resample_job resample_job_make(const struct image *source, uint32_t width, uint32_t height);
void resample_job_finish(struct resample_job *job);
// Fails the test unless the run succeeds.
void resample_rig_run(struct resampler *resampler, const struct resample_job *job);
// Runs the job with both kernels; fails the test when one is more than a step off the oracle.
void resample_rig_check(struct resample_rig *rig, struct resample_job *job);

#endif
