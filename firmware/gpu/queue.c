#include "device.h"

#include "base/clock.h"

static void run_task(struct gpu *gpu, struct gpu_task *task) {
  const struct base_clock *clock = base_clock_system();
  uint64_t start_us = base_clock_us(clock);
  task->result = gpu_recorder_run(gpu, task->dispatches, task->count, task->fault);
  if (gpu->run_histogram) base_histogram_observe_us(gpu->run_histogram, base_clock_us(clock) - start_us);
}

static void *run_queue(void *argument) {
  struct gpu *gpu = argument;
  pthread_mutex_lock(&gpu->mutex);
  for (;;) {
    while (!gpu->first && !gpu->should_stop) pthread_cond_wait(&gpu->work, &gpu->mutex);
    struct gpu_task *task = gpu->first;
    if (!task) break;
    gpu->first = task->next;
    if (!gpu->first) gpu->last = NULL;
    pthread_mutex_unlock(&gpu->mutex);
    run_task(gpu, task);
    pthread_mutex_lock(&gpu->mutex);
    task->is_done = true;
    pthread_cond_broadcast(&gpu->done);
  }
  pthread_mutex_unlock(&gpu->mutex);
  return NULL;
}

enum base_result gpu_queue_start(struct gpu *gpu, struct base_fault *fault) {
  if (pthread_create(&gpu->thread, NULL, run_queue, gpu) != 0) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "the GPU's queue thread does not start");
  }
  pthread_setname_np(gpu->thread, "gpu-queue");
  gpu->has_thread = true;
  return BASE_OK;
}

void gpu_queue_stop(struct gpu *gpu) {
  if (!gpu->has_thread) return;
  pthread_mutex_lock(&gpu->mutex);
  gpu->should_stop = true;
  pthread_cond_signal(&gpu->work);
  pthread_mutex_unlock(&gpu->mutex);
  pthread_join(gpu->thread, NULL);
  gpu->has_thread = false;
}

static void check_dispatch(const struct gpu *gpu, const struct gpu_dispatch *dispatch) {
  BASE_ASSERT(dispatch->kernel && dispatch->kernel->gpu == gpu);
  for (size_t i = 0; i < dispatch->kernel->binding_count; i++) BASE_ASSERT(dispatch->buffers[i]);
  for (size_t i = 0; i < 3; i++) {
    BASE_ASSERT(dispatch->groups[i] > 0 && dispatch->groups[i] <= gpu->info.max_groups[i]);
  }
}

enum base_result gpu_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                         struct base_fault *fault) {
  BASE_ASSERT(count > 0 && count <= GPU_MAX_DISPATCHES);
  for (size_t i = 0; i < count; i++) check_dispatch(gpu, &dispatches[i]);
  struct gpu_task task = {.dispatches = dispatches, .count = count, .fault = fault};
  pthread_mutex_lock(&gpu->mutex);
  if (gpu->last) {
    gpu->last->next = &task;
  } else {
    gpu->first = &task;
  }
  gpu->last = &task;
  pthread_cond_signal(&gpu->work);
  while (!task.is_done) pthread_cond_wait(&gpu->done, &gpu->mutex);
  pthread_mutex_unlock(&gpu->mutex);
  return task.result;
}
