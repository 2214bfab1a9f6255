// Device buffers kept for reuse, so that a job on the hot path allocates nothing, within one budget.
//
// A run reserves, all at once, what it will hold at once: the buffers it takes and the copies of sources (copy.h) it
// uses. It takes and gives freely within that and releases the reservation. Runs that do not fit wait in their order.
// What nobody uses (given buffers, copies) stays until the budget wants its place: buffers go first, then copies, each
// least recently used first.
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
  uint64_t held_bytes;            // of all buffers and copies, idle ones included
  uint64_t next_ticket, serving;  // jobs are admitted in the order they came
  size_t idle_count;
  struct {
    struct gpu_buffer *buffer;
    enum gpu_memory memory;
  } idle[RESAMPLE_POOL_IDLE];             // least recently given first
  struct resample_copy *oldest, *newest;  // all copies of sources, by use
};

void resample_pool_init(struct resample_pool *pool, struct gpu *gpu, uint64_t budget_bytes);
void resample_pool_finish(struct resample_pool *pool);
// What a buffer of `bytes` really takes: sizes are rounded so that similar jobs share buffers.
size_t resample_pool_size(const struct resample_pool *pool, size_t bytes);
uint64_t resample_pool_held(struct resample_pool *pool);
// Waits for its turn; `bytes` is a sum of resample_pool_size and at most the budget (asserted).
void resample_pool_reserve(struct resample_pool *pool, uint64_t bytes);
void resample_pool_release(struct resample_pool *pool, uint64_t bytes);
enum base_result resample_pool_take(struct resample_pool *pool, size_t bytes, enum gpu_memory memory,
                                    struct gpu_buffer **out, struct base_fault *fault) BASE_CHECKED;
// The same with the mutex held, for a buffer that is not given back but destroyed (its bytes leave held_bytes then).
enum base_result resample_pool_make_locked(struct resample_pool *pool, size_t size, enum gpu_memory memory,
                                           struct gpu_buffer **out, struct base_fault *fault) BASE_CHECKED;
// Nulls the pointer; NULL is accepted.
void resample_pool_give(struct resample_pool *pool, struct gpu_buffer **buffer, enum gpu_memory memory);

#endif
