// Running units: several in one submission, or one alone in pieces that fit the budget.
#ifndef RESAMPLE_BATCH_H
#define RESAMPLE_BATCH_H

#include "unit.h"

// The first units that fit the budget, the buffers and the dispatches of one submission together, whole; 0: not even
// the first does.
size_t resample_batch_gather(struct resample_vulkan *vulkan, const struct resample_unit *units, size_t count);
// Runs units that were gathered.
enum base_result resample_batch_run(struct resample_vulkan *vulkan, struct resample_unit *units, size_t count,
                                    struct base_fault *fault) BASE_CHECKED;

// bands.c: one unit in bands of output rows, and, where even a band's source rows are too much, in strips of columns.
//
// Whether it can be done without a copy of the source.
bool resample_bands_fit(const struct resample_vulkan *vulkan, const struct resample_unit *unit);
enum base_result resample_bands_run(struct resample_vulkan *vulkan, struct resample_unit *unit,
                                    struct base_fault *fault) BASE_CHECKED;

// The buffers of a batch or of a band, taken and given together.
struct resample_buffers {
  struct gpu_buffer *source, *table, *middle, *pixels, *result;
};

enum base_result resample_buffers_take(struct resample_pool *pool, const struct resample_needs *needs,
                                       struct resample_buffers *out, struct base_fault *fault) BASE_CHECKED;
void resample_buffers_give(struct resample_pool *pool, struct resample_buffers *buffers);
// An uploaded copy for a unit that has none can be this large.
uint64_t resample_batch_copy_bytes(const struct resample_vulkan *vulkan, const struct resample_unit *unit);

#endif
