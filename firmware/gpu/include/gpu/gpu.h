// Vulkan compute: device choice, buffers, kernels and submission. The only room that sees Vulkan.
//
// `resample` uses it. One thread of the room owns the queue; any thread may call these functions. Kernels and buffers
// belong to the device that made them and are destroyed before it.
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/span.h"

struct gpu_config {
  // Part of the name (case-insensitive) or index; NULL: automatic, discrete > integrated > virtual > software.
  const char *device;
  bool validation;           // enable VK_LAYER_KHRONOS_validation; every message is counted and logged; default false
  bool abort_on_validation;  // tests: a message aborts
  const char *cache_folder;  // pipeline cache file lives here; NULL: none
  uint32_t timeout_ms;       // for one submission; default 20,000
  // Fault injection for tests: the n-th submission of this gpu reports the device as lost, and so does all that
  // follows. 0: never.
  uint32_t lose_after;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct gpu_info {
  char name[256];
  char driver[256];            // driver name and version
  char identity[64];           // vendor, device, driver version and build in hex: what measured times hold for
  char reason[256];            // why this device was chosen, for people
  bool is_software;            // VK_PHYSICAL_DEVICE_TYPE_CPU
  bool is_discrete;            // memory of its own, behind a bus
  bool has_int64;              // 64-bit integers in kernels (enabled when there)
  uint64_t max_storage_bytes;  // maxStorageBufferRange
  uint64_t max_texels;         // maxTexelBufferElements
  uint32_t max_shared_bytes;   // maxComputeSharedMemorySize
  uint32_t max_invocations;    // maxComputeWorkGroupInvocations
  uint32_t max_groups[3];
  // VK_EXT_external_memory_host: host memory becomes a buffer without a copy. 0: not on this device.
  size_t import_alignment;  // of address and size
};

struct gpu;
struct gpu_buffer;
struct gpu_kernel;

// BASE_DEVICE when there is no Vulkan loader, no device, or none that fits `config->device` (the fault lists what there
// is).
enum base_result gpu_create(const struct gpu_config *config, struct gpu **out, struct base_fault *fault) BASE_CHECKED;
void gpu_destroy(struct gpu **gpu);
const struct gpu_info *gpu_get_info(const struct gpu *gpu);
// Writes one line a device ("0: llvmpipe (...) software, Vulkan 1.3"), for --help-like output and faults. Works without
// gpu_create.
enum base_result gpu_list_devices(struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Validation messages seen so far.
uint64_t gpu_validation_count(const struct gpu *gpu);
// The config's lose_after from here on: the n-th submission from now is lost. No run may be under way.
void gpu_lose_after(struct gpu *gpu, uint32_t submissions);
// Device memory held: buffers, and what is kept warm for the next ones; imported memory is not counted.
uint64_t gpu_memory_bytes(const struct gpu *gpu);

enum gpu_memory {
  GPU_MEMORY_UPLOAD,    // the CPU writes it (mapped), kernels read it
  GPU_MEMORY_DEVICE,    // kernels only
  GPU_MEMORY_READBACK,  // kernels write it, the CPU reads it (mapped, cached where the device has that)
};

// A storage buffer of `bytes` (> 0, <= max_storage_bytes). BASE_NO_MEMORY when the device is full.
enum base_result gpu_buffer_create(struct gpu *gpu, size_t bytes, enum gpu_memory memory, struct gpu_buffer **out,
                                   struct base_fault *fault) BASE_CHECKED;
void gpu_buffer_destroy(struct gpu_buffer **buffer);
// Makes host memory a storage buffer that kernels read and write in place: no copy, no flush needed. Address and size
// must be multiples of info.import_alignment, which must not be 0 (asserted); the memory stays the caller's, mapped
// until the buffer is released (see below). BASE_UNSUPPORTED when the device will not take this memory (file mappings
// on some): the caller copies instead. BASE_TOO_LARGE as above.
enum base_result gpu_buffer_import(struct gpu *gpu, void *memory, size_t bytes, struct gpu_buffer **out,
                                   struct base_fault *fault) BASE_CHECKED;
// `release` is called once, by any thread, when the device uses the buffer no more: during gpu_buffer_destroy, or later
// while a submission is under way, or never on a device that hangs for good. Owners of imported memory hold it that
// long. It must not call this room.
void gpu_buffer_on_release(struct gpu_buffer *buffer, void (*release)(void *user), void *user);
// CPU address of UPLOAD, READBACK and imported buffers; NULL for DEVICE. Coherence is the room's business (flush before
// a submission, invalidate after it).
void *gpu_buffer_map(struct gpu_buffer *buffer);
size_t gpu_buffer_bytes(const struct gpu_buffer *buffer);

enum { GPU_MAX_BINDINGS = 8, GPU_MAX_CONSTANTS = 8, GPU_MAX_PUSH_BYTES = 128, GPU_MAX_DISPATCHES = 256 };

// How a kernel sees a binding.
enum gpu_binding {
  GPU_BINDING_STORAGE,         // std430 buffer
  GPU_BINDING_TEXELS_R32UI,    // uniform texel buffer of uint words; a buffer of at most info.max_texels elements
  GPU_BINDING_TEXELS_RG32UI,   // the same of pairs of words
  GPU_BINDING_TEXELS_RGBA32F,  // the same of four floats
};

struct gpu_kernel_config {
  const char *name;       // static, for logs
  const uint32_t *spirv;  // borrowed during the call
  size_t spirv_bytes;
  size_t binding_count;  // bindings 0 .. n-1 of set 0
  enum gpu_binding bindings[GPU_MAX_BINDINGS];
  size_t push_bytes;      // multiple of 4
  size_t constant_count;  // specialization constants 0 .. n-1, 4 bytes each
  uint32_t constants[GPU_MAX_CONSTANTS];
};

enum base_result gpu_kernel_create(struct gpu *gpu, const struct gpu_kernel_config *config, struct gpu_kernel **out,
                                   struct base_fault *fault) BASE_CHECKED;
void gpu_kernel_destroy(struct gpu_kernel **kernel);
// Writes the pipeline cache file if kernels were added since it was read (also done by gpu_destroy). Nothing without a
// cache_folder.
enum base_result gpu_save_kernels(struct gpu *gpu, struct base_fault *fault) BASE_CHECKED;

// One dispatch. Buffers in binding order.
struct gpu_dispatch {
  const struct gpu_kernel *kernel;
  struct gpu_buffer *buffers[GPU_MAX_BINDINGS];
  uint8_t push[GPU_MAX_PUSH_BYTES];
  uint32_t groups[3];
  bool after_barrier;  // waits for everything recorded before it
};

// Runs up to GPU_MAX_DISPATCHES in one submission and returns when the device is done; results in READBACK buffers are
// visible. BASE_TIMEOUT after timeout_ms, or when it can not be waited for: the device still works on it, and later
// runs are soon refused with BASE_TIMEOUT as well until it is done (buffers and kernels may be destroyed or reused
// meanwhile). BASE_DEVICE when the device is lost: destroy the gpu and create it again. After any other failure the
// device is done with the buffers.
enum base_result gpu_run(struct gpu *gpu, const struct gpu_dispatch *dispatches, size_t count,
                         struct base_fault *fault) BASE_CHECKED;

#endif
