// Blocks of device memory and the slices cut from them. The room's own tables are edited to play small devices.

#include <pthread.h>

#include "device.h"
#include "gpu_rig.h"

enum { MIB = 1 << 20, SLOTS = 48, STEPS = 1500, LARGE = 12 * MIB };

// Every slice follows the last without a gap, free ones never touch, and the sums are those on record.
static void check_slab(const struct gpu *gpu) {
  uint64_t held = 0, spare = 0;
  uint32_t count = 0;
  for (const struct gpu_block *block = gpu->slab.blocks; block; block = block->next) {
    uint64_t end = 0, used = 0;
    const struct gpu_slice *before = NULL;
    for (const struct gpu_slice *slice = block->first; slice; before = slice, slice = slice->after) {
      assert_ptr_equal(slice->block, block);
      assert_ptr_equal(slice->before, before);
      assert_int_equal(slice->offset, end);
      assert_true(slice->bytes > 0);
      assert_false(before && before->is_free && slice->is_free);
      if (!slice->is_free) used += slice->bytes;
      end += slice->bytes;
    }
    assert_int_equal(end, block->bytes);
    assert_int_equal(used, block->used_bytes);
    held += block->bytes;
    if (used == 0) spare += block->bytes;
    count++;
  }
  assert_int_equal(gpu_memory_bytes(gpu), held);
  assert_int_equal(gpu->slab.spare_bytes, spare);
  assert_int_equal(gpu->slab.allocations, count);
  assert_true(spare <= GPU_SLAB_SPARE_BYTES);
}

static void small_buffers_share_one_block_when_they_fit(void **state) {
  struct gpu *gpu = gpu_rig_create((struct gpu_config){0});
  enum { COUNT = 32 };
  struct gpu_buffer *buffers[COUNT];
  for (size_t i = 0; i < COUNT; i++) buffers[i] = gpu_rig_buffer(gpu, MIB, GPU_MEMORY_UPLOAD);
  assert_int_equal(gpu_memory_bytes(gpu), GPU_SLAB_BLOCK_BYTES);
  struct gpu_buffer *next = gpu_rig_buffer(gpu, 1, GPU_MEMORY_UPLOAD);
  assert_int_equal(gpu_memory_bytes(gpu), 2 * GPU_SLAB_BLOCK_BYTES);
  gpu_buffer_destroy(&next);
  // Every second one goes, then the rest: what lies free beside each other becomes one.
  for (size_t i = 0; i < COUNT; i += 2) gpu_buffer_destroy(&buffers[i]);
  check_slab(gpu);
  for (size_t i = 1; i < COUNT; i += 2) gpu_buffer_destroy(&buffers[i]);
  check_slab(gpu);
  assert_int_equal(gpu_memory_bytes(gpu), 2 * GPU_SLAB_BLOCK_BYTES);
  struct gpu_buffer *wide = gpu_rig_buffer(gpu, GPU_SLAB_SHARED_BYTES, GPU_MEMORY_READBACK);
  assert_int_equal(gpu_memory_bytes(gpu), 2 * GPU_SLAB_BLOCK_BYTES);
  gpu_buffer_destroy(&wide);
  gpu_destroy(&gpu);
  (void)state;
}

static int allocations;
static const struct gpu *full;  // a device that has no memory while it keeps some spare
static bool is_refusing;
static PFN_vkAllocateMemory real_allocate;

static VKAPI_ATTR VkResult VKAPI_CALL count_allocation(VkDevice device, const VkMemoryAllocateInfo *info,
                                                       const VkAllocationCallbacks *callbacks, VkDeviceMemory *out) {
  if (is_refusing || (full && full->slab.spare_bytes > 0)) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  allocations++;
  return real_allocate(device, info, callbacks, out);
}

static struct gpu *create_counted(void) {
  struct gpu *gpu = gpu_rig_create((struct gpu_config){0});
  real_allocate = gpu->instance.vk.AllocateMemory;
  gpu->instance.vk.AllocateMemory = count_allocation;
  allocations = 0;
  full = NULL;
  is_refusing = false;
  return gpu;
}

static void large_block_is_used_again_when_the_size_is_near(void **state) {
  (void)state;
  struct gpu *gpu = create_counted();
  for (size_t i = 0; i < 10; i++) {
    struct gpu_buffer *buffer = gpu_rig_buffer(gpu, LARGE - i * 65536, GPU_MEMORY_UPLOAD);
    gpu_buffer_destroy(&buffer);
    check_slab(gpu);
  }
  assert_int_equal(allocations, 1);
  assert_int_equal(gpu_memory_bytes(gpu), LARGE);
  // Much smaller or larger ones are not served from it.
  struct gpu_buffer *smaller = gpu_rig_buffer(gpu, LARGE / 4 * 3 - 1024, GPU_MEMORY_UPLOAD);
  assert_int_equal(allocations, 2);
  struct gpu_buffer *larger = gpu_rig_buffer(gpu, LARGE + 1024, GPU_MEMORY_UPLOAD);
  assert_int_equal(allocations, 3);
  gpu_buffer_destroy(&smaller);
  gpu_buffer_destroy(&larger);
  gpu_destroy(&gpu);
}

static void spare_blocks_stay_bounded_when_many_large_buffers_go(void **state) {
  (void)state;
  struct gpu *gpu = create_counted();
  enum { COUNT = 8 };
  struct gpu_buffer *buffers[COUNT];
  for (size_t i = 0; i < COUNT; i++) buffers[i] = gpu_rig_buffer(gpu, 2 * LARGE, GPU_MEMORY_DEVICE);
  assert_int_equal(gpu_memory_bytes(gpu), COUNT * 2 * LARGE);
  for (size_t i = 0; i < COUNT; i++) gpu_buffer_destroy(&buffers[i]);
  check_slab(gpu);
  assert_int_equal(gpu_memory_bytes(gpu), GPU_SLAB_SPARE_BYTES / (2 * LARGE) * (2 * LARGE));
  gpu_destroy(&gpu);
}

static void spare_blocks_are_given_back_when_the_device_is_full(void **state) {
  (void)state;
  struct gpu *gpu = create_counted();
  struct gpu_buffer *buffer = gpu_rig_buffer(gpu, LARGE, GPU_MEMORY_DEVICE);
  gpu_buffer_destroy(&buffer);
  full = gpu;
  struct gpu_buffer *other = gpu_rig_buffer(gpu, 2 * LARGE, GPU_MEMORY_READBACK);
  assert_int_equal(gpu_memory_bytes(gpu), 2 * LARGE);
  check_slab(gpu);
  gpu_buffer_destroy(&other);
  is_refusing = true;
  assert_int_equal(gpu_buffer_create(gpu, 3 * LARGE, GPU_MEMORY_READBACK, &other, NULL), BASE_NO_MEMORY);
  assert_null(other);
  assert_int_equal(gpu_memory_bytes(gpu), 0);
  gpu_destroy(&gpu);
}

static void buffers_are_refused_when_the_device_has_no_more_allocations(void **state) {
  (void)state;
  struct gpu *gpu = create_counted();
  gpu->properties.limits.maxMemoryAllocationCount = 2;
  struct gpu_buffer *first = gpu_rig_buffer(gpu, LARGE, GPU_MEMORY_DEVICE);
  struct gpu_buffer *second = gpu_rig_buffer(gpu, LARGE, GPU_MEMORY_DEVICE);
  struct gpu_buffer *third = NULL;
  assert_int_equal(gpu_buffer_create(gpu, LARGE, GPU_MEMORY_DEVICE, &third, NULL), BASE_NO_MEMORY);
  assert_null(third);
  assert_int_equal(allocations, 2);
  gpu_buffer_destroy(&first);
  // Too large for the block that is spare: that one has to go first.
  third = gpu_rig_buffer(gpu, 2 * LARGE, GPU_MEMORY_DEVICE);
  check_slab(gpu);
  gpu_buffer_destroy(&second);
  gpu_buffer_destroy(&third);
  gpu_destroy(&gpu);
}

static void blocks_are_small_when_the_heap_is(void **state) {
  (void)state;
  struct gpu *gpu = create_counted();
  for (uint32_t i = 0; i < gpu->memory.memoryHeapCount; i++) gpu->memory.memoryHeaps[i].size = 16 * MIB;
  struct gpu_buffer *small = gpu_rig_buffer(gpu, 1000, GPU_MEMORY_UPLOAD);
  assert_int_equal(gpu_memory_bytes(gpu), 2 * MIB);
  // Over such a block, though not large elsewhere.
  struct gpu_buffer *middle = gpu_rig_buffer(gpu, 3 * MIB, GPU_MEMORY_UPLOAD);
  assert_int_equal(gpu_memory_bytes(gpu), 5 * MIB);
  check_slab(gpu);
  gpu_buffer_destroy(&small);
  gpu_buffer_destroy(&middle);
  gpu_destroy(&gpu);
}

struct slot {
  struct gpu_buffer *buffer;
  uint8_t fill;
};

static uint32_t next_random(uint64_t *random) {
  *random = *random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*random >> 33);
}

static size_t random_bytes(uint64_t *random) {
  static const size_t MOST[] = {64, 4096, 100000, 2 * MIB, 10 * MIB};
  return 1 + next_random(random) % MOST[next_random(random) % (sizeof(MOST) / sizeof(MOST[0]))];
}

// What lies at both ends of a buffer is still what was written there: nobody else has been given its memory.
static void mark(struct slot *slot, uint8_t fill) {
  uint8_t *bytes = gpu_buffer_map(slot->buffer);
  slot->fill = fill;
  if (!bytes) return;
  bytes[0] = fill;
  bytes[gpu_buffer_bytes(slot->buffer) - 1] = fill;
}

static bool is_marked(const struct slot *slot) {
  const uint8_t *bytes = gpu_buffer_map(slot->buffer);
  if (!bytes) return true;
  return (uintptr_t)bytes % 64 == 0 && bytes[0] == slot->fill &&
         bytes[gpu_buffer_bytes(slot->buffer) - 1] == slot->fill;
}

struct walk {
  struct gpu *gpu;
  uint64_t random;
  bool is_right;
};

static void *walk_at_random(void *argument) {
  struct walk *walk = argument;
  struct slot slots[SLOTS] = {0};
  walk->is_right = true;
  for (size_t i = 0; i < STEPS; i++) {
    struct slot *slot = &slots[next_random(&walk->random) % SLOTS];
    if (slot->buffer) {
      if (!is_marked(slot)) walk->is_right = false;
      gpu_buffer_destroy(&slot->buffer);
      continue;
    }
    enum gpu_memory memory = (enum gpu_memory)(next_random(&walk->random) % 3);
    if (gpu_buffer_create(walk->gpu, random_bytes(&walk->random), memory, &slot->buffer, NULL) != BASE_OK) {
      walk->is_right = false;
    } else {
      mark(slot, (uint8_t)next_random(&walk->random));
    }
  }
  for (size_t i = 0; i < SLOTS; i++) {
    if (slots[i].buffer && !is_marked(&slots[i])) walk->is_right = false;
    gpu_buffer_destroy(&slots[i].buffer);
  }
  return NULL;
}

// Without the layer, which would make these many buffers slow.
static void buffers_stay_apart_when_threads_come_and_go_at_random(void **state) {
  (void)state;
  enum { THREADS = 3 };
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){0}, &gpu, NULL), BASE_OK);
  pthread_t threads[THREADS];
  struct walk walks[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    walks[i] = (struct walk){.gpu = gpu, .random = i + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, walk_at_random, &walks[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_true(walks[i].is_right);
  }
  check_slab(gpu);
  for (const struct gpu_block *block = gpu->slab.blocks; block; block = block->next) {
    assert_int_equal(block->used_bytes, 0);
    assert_null(block->first->after);
  }
  gpu_destroy(&gpu);
}

static void metric_is_what_is_held_when_blocks_come_and_go(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct gpu *gpu = gpu_rig_create((struct gpu_config){.metrics = metrics});
  struct base_metric *gauge = base_metrics_gauge(metrics, "pixpop_gpu_memory_bytes", "", "");
  assert_int_equal(base_metric_get(gauge), 0);
  struct gpu_buffer *buffer = gpu_rig_buffer(gpu, LARGE, GPU_MEMORY_DEVICE);
  assert_int_equal(base_metric_get(gauge), LARGE);
  gpu_buffer_destroy(&buffer);
  assert_int_equal((uint64_t)base_metric_get(gauge), gpu_memory_bytes(gpu));
  gpu_destroy(&gpu);
  assert_int_equal(base_metric_get(gauge), 0);
  base_metrics_destroy(&metrics);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_buffers_share_one_block_when_they_fit),
      cmocka_unit_test(large_block_is_used_again_when_the_size_is_near),
      cmocka_unit_test(spare_blocks_stay_bounded_when_many_large_buffers_go),
      cmocka_unit_test(spare_blocks_are_given_back_when_the_device_is_full),
      cmocka_unit_test(buffers_are_refused_when_the_device_has_no_more_allocations),
      cmocka_unit_test(blocks_are_small_when_the_heap_is),
      cmocka_unit_test(buffers_stay_apart_when_threads_come_and_go_at_random),
      cmocka_unit_test(metric_is_what_is_held_when_blocks_come_and_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
