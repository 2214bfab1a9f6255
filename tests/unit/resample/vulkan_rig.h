// The Vulkan machine alone, without the room's front, for tests that look at its memory and its submissions.
#ifndef TESTS_VULKAN_RIG_H
#define TESTS_VULKAN_RIG_H

#include "resample_rig.h"
#include "vulkan.h"

struct vulkan_rig {
  struct base_log *log;
  struct gpu *gpu;                 // validated: messages abort
  size_t import_alignment;         // as the device has it
  struct resample_vulkan *vulkan;  // with the default budget, imports where the device does
};

int vulkan_rig_setup(void **state);
int vulkan_rig_teardown(void **state);
// Another machine on the same device; destroy it.
struct resample_vulkan *vulkan_rig_machine(struct vulkan_rig *rig, uint64_t budget_bytes, bool imports);

// A source that belongs to no resampler; its copy must be forgotten before it is freed. Takes the caller's reference.
struct resample_source *vulkan_source(struct image *image);
void vulkan_source_free(struct resample_source **source);

enum vulkan_kind {
  VULKAN_RGB,
  VULKAN_RGBA,
  VULKAN_PLANES,     // 4:2:0 full range to 4:2:0 limited range
  VULKAN_CONVERTED,  // RGBA8 with alpha to 4:2:0 limited range with alpha
  VULKAN_KIND_COUNT
};

struct image *vulkan_source_image(enum vulkan_kind kind, uint32_t width, uint32_t height, uint64_t seed);
struct image *vulkan_target_image(enum vulkan_kind kind, uint32_t width, uint32_t height);
// The whole source to a new target of its size, bicubic, upright, with the two-pass kernel.
struct resample_job vulkan_job(struct resample_source *source, enum vulkan_kind kind, uint32_t width, uint32_t height);

// The jobs' kernels must not be AUTO.
enum base_result vulkan_try(struct resample_vulkan *vulkan, const struct resample_job *jobs, size_t count,
                            struct base_fault *fault);
// Fails the test unless it succeeds; returns the number of submissions.
unsigned vulkan_run(struct resample_vulkan *vulkan, const struct resample_job *jobs, size_t count);
bool vulkan_fits(struct resample_vulkan *vulkan, const struct resample_job *job);
// Fails the test when samples of the pictures (not their padding) differ.
void vulkan_assert_same(const struct image *a, const struct image *b);
// Fails the test when the job's result is more than a step off the oracle.
void vulkan_assert_right(const struct resample_job *job);

#endif
