// What the resampler's tests share: a resampler on a validated device, pictures, and runs that are held against the
// oracle.
#ifndef TESTS_RESAMPLE_RIG_H
#define TESTS_RESAMPLE_RIG_H

#include "resample/resample.h"

struct resample_rig {
  struct base_log *log;
  struct resampler *resampler;
  uint64_t seed;  // said when a check fails, for tests that draw their jobs
};

// What the rig's resampler is made with: RESAMPLE_MODE_VULKAN, validation on, its messages abort. Tests that make their
// own resamplers start from it.
struct resample_config resample_rig_config(const struct resample_rig *rig);
// Fails the test unless it can be made.
struct resampler *resample_rig_create(const struct resample_config *config);

// cmocka group set-up and tear-down; *state becomes the rig.
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
// YUV planes of random bytes, those beyond the rows' ends included.
struct image *resample_noise_yuv(const struct image_yuv *yuv, uint64_t seed);
struct image *resample_picture_yuv(const struct image_yuv *yuv);
// Random bytes for all that belongs to the picture.
void resample_fill_noise(struct image *image, uint64_t seed);

// The whole image to width x height, bicubic, upright, with the two-pass kernel; change what the test is about. The
// target is new (noise): RGBA8 from RGBA8, YUV 4:2:0 of limited range from YUV. The job holds its own references to
// source and target; free both with resample_job_finish.
struct resample_job resample_job_make(struct resampler *resampler, struct image *image, uint32_t width,
                                      uint32_t height);
// Another target in its place; takes the caller's reference.
void resample_job_retarget(struct resample_job *job, struct image *target);
void resample_job_finish(struct resample_job *job);

// Fails the test unless the run succeeds.
void resample_rig_run(struct resampler *resampler, const struct resample_job *job);
// Runs the job with every kernel that takes it; fails the test when one is more than a step off the oracle or touches
// anything beside its place in the target.
void resample_rig_check(struct resample_rig *rig, struct resample_job *job);
// The kernels above, one after the other: begin with RESAMPLE_KERNEL_AUTO, which also ends the walk. Sets job->kernel.
enum resample_kernel resample_rig_next_kernel(struct resampler *resampler, struct resample_job *job,
                                              enum resample_kernel previous);

#endif
