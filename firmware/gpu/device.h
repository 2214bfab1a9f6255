// The room's inside: the device, its queue thread, and what hangs on them.
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include <pthread.h>

#include "gpu/gpu.h"
#include "instance.h"

enum { GPU_VIEW_FORMATS = 3 };  // texel bindings: R32UI, RG32UI, RGBA32F

struct gpu_buffer {
  struct gpu *gpu;
  size_t bytes;
  enum gpu_memory memory;
  VkBuffer handle;
  VkDeviceMemory block;
  size_t block_bytes;
  bool is_coherent;
  void *mapped;
  VkBufferView views[GPU_VIEW_FORMATS];  // made by the queue thread when first bound
  struct gpu_buffer *next_deferred;
};

struct gpu_kernel {
  struct gpu *gpu;
  const char *name;
  size_t binding_count;
  enum gpu_binding bindings[GPU_MAX_BINDINGS];
  uint32_t push_bytes;
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkPipeline pipeline;
};

// A run waiting for, or on, the queue thread; lives on its caller's stack.
struct gpu_task {
  const struct gpu_dispatch *dispatches;
  size_t count;
  struct base_fault *fault;
  enum base_result result;
  bool is_done;
  struct gpu_task *next;
};

// Used by the queue thread only.
struct gpu_recorder {
  VkCommandPool commands;
  VkCommandBuffer buffer;
  VkDescriptorPool descriptors;
  VkFence fence;
  bool is_pending;  // the fence belongs to a submission that timed out
};

struct gpu {
  struct gpu_validation validation;
  struct gpu_instance instance;
  struct gpu_info info;
  struct base_log *log;
  struct base_metric *memory_metric;
  struct base_metric *failure_metric;
  struct base_histogram *run_histogram;
  uint32_t timeout_ms;

  VkPhysicalDevice physical;
  VkPhysicalDeviceProperties properties;
  VkPhysicalDeviceMemoryProperties memory;
  uint32_t family;
  VkDevice device;
  VkQueue queue;
  VkPipelineCache cache;
  char *cache_path;          // NULL: no file
  size_t cache_saved_bytes;  // size of what the file holds

  struct gpu_recorder recorder;
  bool is_lost;  // queue thread only
  bool has_thread;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t work;  // a task came, or it is time to stop
  pthread_cond_t done;  // a task is finished
  bool should_stop;
  bool is_hung;  // mirrors recorder.is_pending for other threads
  struct gpu_task *first, *last;
  struct gpu_buffer *deferred;  // buffers destroyed while the device hung
};

// queue.c
enum base_result gpu_queue_start(struct gpu *gpu, struct base_fault *fault) BASE_CHECKED;
// Finishes what is queued, then joins the thread.
void gpu_queue_stop(struct gpu *gpu);

// recorder.c; all on the queue thread, except init and finish.
enum base_result gpu_recorder_init(struct gpu *gpu, struct base_fault *fault) BASE_CHECKED;
void gpu_recorder_finish(struct gpu *gpu);
enum base_result gpu_recorder_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                                  struct base_fault *fault) BASE_CHECKED;
// Waits up to `timeout_ms` for a submission that timed out; true when there is none (any more).
bool gpu_recorder_settle(struct gpu *gpu, uint32_t timeout_ms);

// buffer.c
enum base_result gpu_buffer_view(struct gpu_buffer *buffer, enum gpu_binding binding, VkBufferView *out,
                                 struct base_fault *fault) BASE_CHECKED;
VkMappedMemoryRange gpu_buffer_range(const struct gpu_buffer *buffer);
void gpu_buffer_release(struct gpu_buffer *buffer);

// pipeline_cache.c
enum base_result gpu_pipeline_cache_open(struct gpu *gpu, const char *folder, struct base_fault *fault) BASE_CHECKED;
void gpu_pipeline_cache_close(struct gpu *gpu);

#endif
