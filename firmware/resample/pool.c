#include "pool.h"

#include <string.h>

#include "base/checked.h"
#include "copy.h"

enum { SMALLEST_BYTES = 4096, STEPS_A_DOUBLING = 4 };

void resample_pool_init(struct resample_pool *pool, struct gpu *gpu, uint64_t budget_bytes) {
  *pool = (struct resample_pool){.gpu = gpu, .budget_bytes = budget_bytes};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->changed, NULL);
}

void resample_pool_finish(struct resample_pool *pool) {
  for (size_t i = 0; i < pool->idle_count; i++) gpu_buffer_destroy(&pool->idle[i].buffer);
  pthread_cond_destroy(&pool->changed);
  pthread_mutex_destroy(&pool->mutex);
}

size_t resample_pool_size(const struct resample_pool *pool, size_t bytes) {
  size_t power = SMALLEST_BYTES;
  while (power <= bytes / 2) power *= 2;
  size_t size = base_round_up(bytes, power / STEPS_A_DOUBLING);
  uint64_t most = gpu_get_info(pool->gpu)->max_storage_bytes;
  return size <= most ? size : bytes;
}

uint64_t resample_pool_held(struct resample_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  const uint64_t bytes = pool->held_bytes;
  pthread_mutex_unlock(&pool->mutex);
  return bytes;
}

void resample_pool_reserve(struct resample_pool *pool, uint64_t bytes) {
  BASE_ASSERT(bytes <= pool->budget_bytes);
  pthread_mutex_lock(&pool->mutex);
  uint64_t ticket = pool->next_ticket++;
  while (ticket != pool->serving || pool->reserved_bytes + bytes > pool->budget_bytes) {
    pthread_cond_wait(&pool->changed, &pool->mutex);
  }
  pool->serving++;
  pool->reserved_bytes += bytes;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->mutex);
}

void resample_pool_release(struct resample_pool *pool, uint64_t bytes) {
  pthread_mutex_lock(&pool->mutex);
  pool->reserved_bytes -= bytes;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->mutex);
}

static void remove_idle(struct resample_pool *pool, size_t index) {
  pool->idle_count--;
  memmove(&pool->idle[index], &pool->idle[index + 1], (pool->idle_count - index) * sizeof(pool->idle[0]));
}

static void destroy_oldest(struct resample_pool *pool) {
  pool->held_bytes -= gpu_buffer_bytes(pool->idle[0].buffer);
  gpu_buffer_destroy(&pool->idle[0].buffer);
  remove_idle(pool, 0);
}

static struct gpu_buffer *find_idle(struct resample_pool *pool, size_t size, enum gpu_memory memory) {
  for (size_t i = pool->idle_count; i-- > 0;) {
    struct gpu_buffer *buffer = pool->idle[i].buffer;
    if (pool->idle[i].memory != memory || gpu_buffer_bytes(buffer) != size) continue;
    remove_idle(pool, i);
    return buffer;
  }
  return NULL;
}

// False: nothing is left to destroy.
static bool destroy_something(struct resample_pool *pool) {
  if (pool->idle_count == 0) return resample_copy_drop_oldest_locked(pool);
  destroy_oldest(pool);
  return true;
}

enum base_result resample_pool_make_locked(struct resample_pool *pool, size_t size, enum gpu_memory memory,
                                           struct gpu_buffer **out, struct base_fault *fault) {
  while (pool->held_bytes + size > pool->budget_bytes && destroy_something(pool)) continue;
  struct base_fault first = {0};
  enum base_result result = gpu_buffer_create(pool->gpu, size, memory, out, &first);
  if (result == BASE_NO_MEMORY && destroy_something(pool)) {
    while (destroy_something(pool)) continue;
    base_fault_clear(&first);
    result = gpu_buffer_create(pool->gpu, size, memory, out, &first);
  }
  if (result == BASE_OK) {
    pool->held_bytes += size;
  } else {
    base_fault_record(fault, result, first.file, first.line, first.subject, "%s", first.text);
  }
  return result;
}

enum base_result resample_pool_take(struct resample_pool *pool, size_t bytes, enum gpu_memory memory,
                                    struct gpu_buffer **out, struct base_fault *fault) {
  size_t size = resample_pool_size(pool, bytes);
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&pool->mutex);
  *out = find_idle(pool, size, memory);
  if (!*out) result = resample_pool_make_locked(pool, size, memory, out, fault);
  pthread_mutex_unlock(&pool->mutex);
  return result;
}

void resample_pool_give(struct resample_pool *pool, struct gpu_buffer **buffer, enum gpu_memory memory) {
  if (!*buffer) return;
  pthread_mutex_lock(&pool->mutex);
  if (pool->idle_count == RESAMPLE_POOL_IDLE) destroy_oldest(pool);
  pool->idle[pool->idle_count].buffer = *buffer;
  pool->idle[pool->idle_count].memory = memory;
  pool->idle_count++;
  pthread_mutex_unlock(&pool->mutex);
  *buffer = NULL;
}
