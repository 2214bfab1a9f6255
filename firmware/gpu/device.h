// The room's inside: the device, its queue thread, and what hangs on them.
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include <pthread.h>

#include "gpu/gpu.h"
#include "instance.h"
#include "slab.h"

enum {
  GPU_VIEW_FORMATS = 3,  // texel bindings: R32UI, RG32UI, RGBA32F
  GPU_BUFFER_USAGE = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT,
};

struct gpu_buffer {
  struct gpu *gpu;
  size_t bytes;
  enum gpu_memory memory;
  VkBuffer handle;
  struct gpu_slice *slice;  // NULL: imported
  VkDeviceMemory imported;  // host memory as the device sees it
  bool is_coherent;
  void *mapped;
  VkBufferView views[GPU_VIEW_FORMATS];  // made by the queue thread when first bound
  void (*release)(void *user);
  void *release_user;
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
  struct gpu_kernel *next_deferred;
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
  bool is_pending;       // the fence belongs to a submission under way
  uint32_t submissions;  // so far; stops at the largest number
};

struct gpu {
  struct gpu_validation validation;
  struct gpu_instance instance;
  struct gpu_info info;
  struct base_log *log;
  struct base_metric *memory_metric;
  struct base_metric *imported_metric;
  struct base_metric *failure_metric;
  struct base_histogram *run_histogram;
  uint32_t timeout_ms;
  uint32_t lose_after;

  VkPhysicalDevice physical;
  VkPhysicalDeviceProperties properties;
  VkPhysicalDeviceMemoryProperties memory;
  uint32_t family;
  VkDevice device;
  VkQueue queue;
  struct gpu_slab slab;
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
  bool is_hung;  // a submission has timed out and is still under way
  struct gpu_task *first, *last;
  // Destroyed while the device hung.
  struct gpu_buffer *deferred_buffers;
  struct gpu_kernel *deferred_kernels;
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
// A buffer without handle and memory; refuses sizes over the device's limit.
enum base_result gpu_buffer_prepare(struct gpu *gpu, size_t bytes, struct gpu_buffer **out,
                                    struct base_fault *fault) BASE_CHECKED;
enum base_result gpu_buffer_view(struct gpu_buffer *buffer, enum gpu_binding binding, VkBufferView *out,
                                 struct base_fault *fault) BASE_CHECKED;
bool gpu_buffer_is_written_by_host(const struct gpu_buffer *buffer);
bool gpu_buffer_is_read_by_host(const struct gpu_buffer *buffer);
// What to flush or invalidate.
VkMappedMemoryRange gpu_buffer_range(const struct gpu_buffer *buffer);
void gpu_buffer_release(struct gpu_buffer *buffer);

// import.c
// Whether the device takes host memory; fills info.import_alignment.
bool gpu_import_find(struct gpu *gpu);

// kernel.c
void gpu_kernel_release(struct gpu_kernel *kernel);

// pipeline_cache.c
enum base_result gpu_pipeline_cache_open(struct gpu *gpu, const char *folder, struct base_fault *fault) BASE_CHECKED;
void gpu_pipeline_cache_close(struct gpu *gpu);

#endif
