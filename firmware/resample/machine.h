// The Vulkan machine's state and its device's limits.
#ifndef RESAMPLE_MACHINE_H
#define RESAMPLE_MACHINE_H

#include "pool.h"
#include "vulkan.h"

// What is filtered: decides the kernels and what lies between their passes.
enum resample_kind {
  RESAMPLE_KIND_OPAQUE,  // RGBA8 words; 16-bit fixed point in between
  RESAMPLE_KIND_ALPHA,   // RGBA8 words; premultiplied floats
  RESAMPLE_KIND_LINEAR,  // the same in linear light, with or without alpha
  RESAMPLE_KIND_PLANE,   // words of four samples; 16-bit fixed point
  RESAMPLE_KIND_COUNT
};

enum { RESAMPLE_WORD_BYTES = 4 };

struct resample_vulkan {
  struct gpu *gpu;
  struct resample_pool pool;
  bool imports_sources;                     // not where host memory is behind a bus: it is read more than once
  bool imports_results;                     // only where that is quicker than a copy of what are small pictures
  uint32_t lanes;                           // threads of a workgroup of the passes
  uint32_t tile_rows[RESAMPLE_KIND_COUNT];  // rows of the tile kernel's shared memory
  struct gpu_kernel *first_pass[RESAMPLE_KIND_COUNT];
  struct gpu_kernel *second_pass[RESAMPLE_KIND_COUNT];
  struct gpu_kernel *tile[RESAMPLE_KIND_COUNT];  // none for planes
  struct gpu_kernel *convert;
};

// kernels.c
enum base_result resample_kernels_create(struct resample_vulkan *vulkan, struct base_fault *fault) BASE_CHECKED;
void resample_kernels_destroy(struct resample_vulkan *vulkan);
// Largest buffer the device takes whose texels have `texel_bytes`.
uint64_t resample_buffer_limit(const struct resample_vulkan *vulkan, size_t texel_bytes);

// Bytes of a texel of what lies between the passes.
static inline size_t resample_middle_bytes(enum resample_kind kind) {
  return kind == RESAMPLE_KIND_ALPHA || kind == RESAMPLE_KIND_LINEAR ? 16 : 8;
}

#endif
