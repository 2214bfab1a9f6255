// Device memory in blocks that buffers share: few allocations, mapped once, and kept warm for the next buffers, since
// fresh memory costs page faults.
//
// Thread-safe. Buffers over a quarter of a block get one of their own.
#ifndef GPU_SLAB_H
#define GPU_SLAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"
#include "gpu/gpu.h"
#include "vulkan.h"

enum {
  GPU_SLAB_BLOCK_BYTES = 32 << 20,
  GPU_SLAB_SHARED_BYTES = GPU_SLAB_BLOCK_BYTES / 4,  // larger slices have a block of their own
  GPU_SLAB_SPARE_BYTES = 64 << 20,                   // of empty blocks kept
};

// A part of a block. Neighbours in address order; two free ones never touch.
struct gpu_slice {
  struct gpu_block *block;
  uint64_t offset, bytes;
  bool is_free;
  struct gpu_slice *before, *after;
};

struct gpu_block {
  VkDeviceMemory handle;
  uint32_t type;
  uint64_t bytes, used_bytes;
  uint8_t *mapped;  // NULL: not visible to the CPU
  bool is_coherent;
  bool is_own;       // of one large slice
  uint64_t emptied;  // when it became empty, as a count of such events
  struct gpu_slice *first;
  struct gpu_block *next;
};

struct gpu_slab {
  pthread_mutex_t mutex;
  struct gpu_block *blocks;
  uint64_t spare_bytes;        // of empty blocks
  uint64_t emptied;            // counts blocks that became empty
  uint32_t allocations;        // VkDeviceMemory objects, imported ones too
  atomic_uint_fast64_t bytes;  // of all blocks
};

void gpu_slab_init(struct gpu_slab *slab);
// Frees the blocks kept; every slice must be back, unless the device is left to a driver that hangs.
void gpu_slab_finish(struct gpu *gpu);
// From the best memory type for `memory` that has room. Slices start and end at multiples of what flushing needs.
VkResult gpu_slab_take(struct gpu *gpu, enum gpu_memory memory, const VkMemoryRequirements *needs,
                       struct gpu_slice **out) BASE_CHECKED;
void gpu_slab_give(struct gpu *gpu, struct gpu_slice *slice);
// Counts a memory object that is not the slab's against the device's limit; false when that is reached.
bool gpu_slab_count(struct gpu *gpu) BASE_CHECKED;
void gpu_slab_discount(struct gpu *gpu);

#endif
