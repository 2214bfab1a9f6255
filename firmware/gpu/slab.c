#include "slab.h"

#include <stdlib.h>

#include "base/checked.h"
#include "device.h"

// A cache line at least, so that buffers of different threads share none.
enum { LEAST_ALIGNMENT = 256, SHARE_OF_HEAP = 8 };

// Better types first; 0 ends the list.
static const VkMemoryPropertyFlags UPLOAD_TYPES[] = {
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};
static const VkMemoryPropertyFlags READBACK_TYPES[] = {
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};
static const VkMemoryPropertyFlags DEVICE_TYPES[] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};

static const VkMemoryPropertyFlags *wanted_types(enum gpu_memory memory) {
  switch (memory) {
    case GPU_MEMORY_UPLOAD:
      return UPLOAD_TYPES;
    case GPU_MEMORY_READBACK:
      return READBACK_TYPES;
    case GPU_MEMORY_DEVICE:
      break;
  }
  return DEVICE_TYPES;
}

void gpu_slab_init(struct gpu_slab *slab) {
  *slab = (struct gpu_slab){0};
  pthread_mutex_init(&slab->mutex, NULL);
}

// --- slices of a block ---

// The slice's part from `offset` on becomes a slice of its own, free as it was.
static bool split(struct gpu_slice *slice, uint64_t offset) {
  struct gpu_slice *rest = malloc(sizeof(*rest));
  if (!rest) return false;
  *rest = (struct gpu_slice){.block = slice->block,
                             .offset = offset,
                             .bytes = slice->offset + slice->bytes - offset,
                             .is_free = true,
                             .before = slice,
                             .after = slice->after};
  if (rest->after) rest->after->before = rest;
  slice->after = rest;
  slice->bytes = offset - slice->offset;
  return true;
}

static void merge_with_next(struct gpu_slice *slice) {
  struct gpu_slice *next = slice->after;
  if (!next || !next->is_free || !slice->is_free) return;
  slice->bytes += next->bytes;
  slice->after = next->after;
  if (slice->after) slice->after->before = slice;
  free(next);
}

// Blocks, slices and what slices are asked for all are multiples of one alignment, so any free slice that is large
// enough fits from its start.
static struct gpu_slice *cut(struct gpu_block *block, struct gpu_slice *slice, uint64_t bytes) {
  if (slice->bytes > bytes && !split(slice, slice->offset + bytes)) return NULL;
  slice->is_free = false;
  block->used_bytes += bytes;
  return slice;
}

// The smallest free slice that is large enough, of all shared blocks of the type.
static struct gpu_slice *find_shared(const struct gpu_slab *slab, uint32_t type, uint64_t bytes) {
  struct gpu_slice *best = NULL;
  for (struct gpu_block *block = slab->blocks; block; block = block->next) {
    if (block->type != type || block->is_own || block->bytes - block->used_bytes < bytes) continue;
    for (struct gpu_slice *slice = block->first; slice; slice = slice->after) {
      if (slice->is_free && slice->bytes >= bytes && (!best || slice->bytes < best->bytes)) best = slice;
    }
  }
  return best;
}

// The smallest empty block kept that is large enough and not wasted on it.
static struct gpu_slice *find_own(const struct gpu_slab *slab, uint32_t type, uint64_t bytes) {
  struct gpu_slice *best = NULL;
  for (struct gpu_block *block = slab->blocks; block; block = block->next) {
    if (block->type != type || !block->is_own || block->used_bytes > 0) continue;
    if (block->bytes < bytes || block->bytes - bytes > block->bytes / 4) continue;
    if (!best || block->bytes < best->bytes) best = block->first;
  }
  return best;
}

// --- blocks ---

static void free_block(struct gpu *gpu, struct gpu_block *block) {
  struct gpu_block **link = &gpu->slab.blocks;
  while (*link != block) link = &(*link)->next;
  *link = block->next;
  gpu->slab.spare_bytes -= block->bytes;
  gpu->slab.allocations--;
  atomic_fetch_sub(&gpu->slab.bytes, block->bytes);
  base_metric_add(gpu->memory_metric, -(int64_t)block->bytes);
  // Unmapped with it.
  gpu->instance.vk.FreeMemory(gpu->device, block->handle, NULL);
  free(block->first);
  free(block);
}

// Gives empty blocks back to the device, longest empty first, until at most `most` bytes of them are left.
static void shed(struct gpu *gpu, uint64_t most) {
  while (gpu->slab.spare_bytes > most) {
    struct gpu_block *oldest = NULL;
    for (struct gpu_block *block = gpu->slab.blocks; block; block = block->next) {
      if (block->used_bytes == 0 && (!oldest || block->emptied < oldest->emptied)) oldest = block;
    }
    free_block(gpu, oldest);
  }
}

static bool has_room_for_allocation(const struct gpu *gpu) {
  return gpu->slab.allocations < gpu->properties.limits.maxMemoryAllocationCount;
}

static VkResult allocate(struct gpu *gpu, struct gpu_block *block) {
  const struct gpu_vulkan *vk = &gpu->instance.vk;
  const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[block->type].propertyFlags;
  const VkMemoryAllocateInfo info = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = block->bytes, .memoryTypeIndex = block->type};
  if (!has_room_for_allocation(gpu)) return VK_ERROR_TOO_MANY_OBJECTS;
  VkResult result = vk->AllocateMemory(gpu->device, &info, NULL, &block->handle);
  if (result != VK_SUCCESS || (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0) return result;
  block->is_coherent = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
  void *mapped = NULL;
  result = vk->MapMemory(gpu->device, block->handle, 0, VK_WHOLE_SIZE, 0, &mapped);
  block->mapped = mapped;
  if (result != VK_SUCCESS) vk->FreeMemory(gpu->device, block->handle, NULL);
  return result;
}

// A new empty block.
static VkResult add_block(struct gpu *gpu, uint32_t type, uint64_t bytes, bool is_own, struct gpu_slice **out) {
  struct gpu_block *block = malloc(sizeof(*block));
  struct gpu_slice *whole = malloc(sizeof(*whole));
  VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
  if (!block || !whole) goto out;
  *block = (struct gpu_block){
      .type = type, .bytes = bytes, .is_own = is_own, .emptied = gpu->slab.emptied++, .first = whole};
  *whole = (struct gpu_slice){.block = block, .bytes = bytes, .is_free = true};
  result = allocate(gpu, block);
  if (result != VK_SUCCESS) goto out;
  block->next = gpu->slab.blocks;
  gpu->slab.blocks = block;
  gpu->slab.allocations++;
  gpu->slab.spare_bytes += bytes;
  atomic_fetch_add(&gpu->slab.bytes, bytes);
  base_metric_add(gpu->memory_metric, (int64_t)bytes);
  *out = whole;
out:
  if (result != VK_SUCCESS) {
    free(whole);
    free(block);
  }
  return result;
}

static VkResult take_of_type(struct gpu *gpu, uint32_t type, uint64_t bytes, struct gpu_slice **out) {
  struct gpu_slab *slab = &gpu->slab;
  bool is_own = bytes > GPU_SLAB_SHARED_BYTES;
  struct gpu_slice *slice = is_own ? find_own(slab, type, bytes) : find_shared(slab, type, bytes);
  VkResult result = VK_SUCCESS;
  if (!slice) {
    uint64_t heap = gpu->memory.memoryHeaps[gpu->memory.memoryTypes[type].heapIndex].size;
    // Small heaps (a window of 256 MiB into a card's memory) are not handed out in large parts.
    uint64_t block = base_min_u64(GPU_SLAB_BLOCK_BYTES, heap / SHARE_OF_HEAP / LEAST_ALIGNMENT * LEAST_ALIGNMENT);
    result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!is_own && block >= bytes) result = add_block(gpu, type, block, false, &slice);
    if (result != VK_SUCCESS) result = add_block(gpu, type, bytes, true, &slice);
    if (result != VK_SUCCESS) return result;
  }
  struct gpu_block *block = slice->block;
  bool was_empty = block->used_bytes == 0;
  // A large slice has the whole block, whatever it asked for.
  slice = cut(block, slice, block->is_own ? block->bytes : bytes);
  if (!slice) return VK_ERROR_OUT_OF_HOST_MEMORY;
  if (was_empty) slab->spare_bytes -= block->bytes;
  *out = slice;
  return VK_SUCCESS;
}

// Tries every type of `types` that will do, each once.
static VkResult take(struct gpu *gpu, enum gpu_memory memory, uint32_t types, uint64_t bytes, struct gpu_slice **out) {
  VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  for (const VkMemoryPropertyFlags *flags = wanted_types(memory); *flags; flags++) {
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
      VkMemoryPropertyFlags has = gpu->memory.memoryTypes[i].propertyFlags;
      if ((types & (1u << i)) == 0 || (has & *flags) != *flags) continue;
      types &= ~(1u << i);
      result = take_of_type(gpu, i, bytes, out);
      if (result == VK_SUCCESS) return VK_SUCCESS;
    }
  }
  return result;
}

VkResult gpu_slab_take(struct gpu *gpu, enum gpu_memory memory, const VkMemoryRequirements *needs,
                       struct gpu_slice **out) {
  const VkPhysicalDeviceLimits *limits = &gpu->properties.limits;
  // All are powers of two.
  uint64_t unit = base_max_u64(base_max_u64(LEAST_ALIGNMENT, needs->alignment),
                               base_max_u64(limits->nonCoherentAtomSize, limits->minTexelBufferOffsetAlignment));
  uint64_t bytes = base_round_up(needs->size, unit);
  pthread_mutex_lock(&gpu->slab.mutex);
  VkResult result = take(gpu, memory, needs->memoryTypeBits, bytes, out);
  if (result != VK_SUCCESS && gpu->slab.spare_bytes > 0) {
    shed(gpu, 0);
    result = take(gpu, memory, needs->memoryTypeBits, bytes, out);
  }
  pthread_mutex_unlock(&gpu->slab.mutex);
  return result;
}

void gpu_slab_give(struct gpu *gpu, struct gpu_slice *slice) {
  struct gpu_slab *slab = &gpu->slab;
  struct gpu_block *block = slice->block;
  pthread_mutex_lock(&slab->mutex);
  block->used_bytes -= slice->bytes;
  slice->is_free = true;
  merge_with_next(slice);
  if (slice->before) merge_with_next(slice->before);
  if (block->used_bytes == 0) {
    block->emptied = slab->emptied++;
    slab->spare_bytes += block->bytes;
    shed(gpu, GPU_SLAB_SPARE_BYTES);
  }
  pthread_mutex_unlock(&slab->mutex);
}

void gpu_slab_finish(struct gpu *gpu) {
  shed(gpu, 0);
  BASE_ASSERT(!gpu->slab.blocks);
  pthread_mutex_destroy(&gpu->slab.mutex);
}

bool gpu_slab_count(struct gpu *gpu) {
  pthread_mutex_lock(&gpu->slab.mutex);
  bool has_room = has_room_for_allocation(gpu);
  if (has_room) gpu->slab.allocations++;
  pthread_mutex_unlock(&gpu->slab.mutex);
  return has_room;
}

void gpu_slab_discount(struct gpu *gpu) {
  pthread_mutex_lock(&gpu->slab.mutex);
  gpu->slab.allocations--;
  pthread_mutex_unlock(&gpu->slab.mutex);
}

uint64_t gpu_memory_bytes(const struct gpu *gpu) { return atomic_load(&gpu->slab.bytes); }
