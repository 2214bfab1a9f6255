// Device buffers kept for reuse, so that a job on the hot path allocates nothing, within one budget.
//
// A job reserves what it will hold at once, takes and gives buffers freely within that, and releases the
// reservation. Jobs that do not fit wait in their order.
#ifndef RESAMPLE_POOL_H
#define RESAMPLE_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/gpu.h"

enum { RESAMPLE_POOL_IDLE = 16 };

struct resample_pool {
  struct gpu *gpu;
  uint64_t budget_bytes;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint64_t reserved_bytes;
  uint64_t held_bytes;            // of all buffers, idle ones included
  uint64_t next_ticket, serving;  // jobs are admitted in the order they came
  size_t idle_count;
  struct {
    struct gpu_buffer *buffer;
    enum gpu_memory memory;
  } idle[RESAMPLE_POOL_IDLE];  // least recently given first
};

void resample_pool_init(struct resample_pool *pool, struct gpu *gpu, uint64_t budget_bytes);
void resample_pool_finish(struct resample_pool *pool);
// What a buffer of `bytes` really takes: sizes are rounded so that similar jobs share buffers.
size_t resample_pool_size(const struct resample_pool *pool, size_t bytes);
// Waits for its turn; `bytes` is a sum of resample_pool_size and at most the budget (asserted).
void resample_pool_reserve(struct resample_pool *pool, uint64_t bytes);
void resample_pool_release(struct resample_pool *pool, uint64_t bytes);
enum base_result resample_pool_take(struct resample_pool *pool, size_t bytes, enum gpu_memory memory,
                                    struct gpu_buffer **out, struct base_fault *fault) BASE_CHECKED;
// Nulls the pointer; NULL is accepted.
void resample_pool_give(struct resample_pool *pool, struct gpu_buffer **buffer, enum gpu_memory memory);

#endif
