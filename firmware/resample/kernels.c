// The compiled kernels and how they are built for a device: texel buffers, or storage buffers where texel buffers are
// too small.
#include "base/checked.h"
#include "machine.h"
#include "resample_convert_spirv.h"
#include "resample_convert_storage_spirv.h"
#include "resample_first_alpha_spirv.h"
#include "resample_first_alpha_storage_spirv.h"
#include "resample_first_opaque_spirv.h"
#include "resample_first_opaque_storage_spirv.h"
#include "resample_first_plane_spirv.h"
#include "resample_first_plane_storage_spirv.h"
#include "resample_push.h"
#include "resample_second_alpha_spirv.h"
#include "resample_second_alpha_storage_spirv.h"
#include "resample_second_opaque_spirv.h"
#include "resample_second_opaque_storage_spirv.h"
#include "resample_second_plane_spirv.h"
#include "resample_second_plane_storage_spirv.h"
#include "resample_tile_alpha_spirv.h"
#include "resample_tile_alpha_storage_spirv.h"
#include "resample_tile_opaque_spirv.h"
#include "resample_tile_opaque_storage_spirv.h"

enum {
  SOFTWARE_LANES = 128,  // few, fat workgroups: each costs an allocation on Mesa's software device
  HARDWARE_LANES = 64,
  SHARED_BYTES = 16384  // what every Vulkan device has
};

// Below this the device's texel buffers hold no useful band (Vulkan promises only 65,536 texels).
static const uint64_t USEFUL_TEXELS = 16u << 20;

struct module {
  const uint32_t *spirv;
  size_t bytes;
};

#define MODULES(name) \
  { {name##_spirv, sizeof(name##_spirv)}, {name##_storage_spirv, sizeof(name##_storage_spirv)}, }

// Index: whether kernels read storage buffers.
static const struct module FIRST_OPAQUE[] = MODULES(resample_first_opaque);
static const struct module FIRST_ALPHA[] = MODULES(resample_first_alpha);
static const struct module FIRST_PLANE[] = MODULES(resample_first_plane);
static const struct module SECOND_OPAQUE[] = MODULES(resample_second_opaque);
static const struct module SECOND_ALPHA[] = MODULES(resample_second_alpha);
static const struct module SECOND_PLANE[] = MODULES(resample_second_plane);
static const struct module TILE_OPAQUE[] = MODULES(resample_tile_opaque);
static const struct module TILE_ALPHA[] = MODULES(resample_tile_alpha);
static const struct module CONVERT[] = MODULES(resample_convert);

static const struct {
  const char *first_name, *second_name, *tile_name;
  const struct module *first, *second, *tile;
  enum gpu_binding source, middle;  // what the first pass and the second read
} KINDS[RESAMPLE_KIND_COUNT] = {
    [RESAMPLE_KIND_OPAQUE] = {"first pass", "second pass", "tile", FIRST_OPAQUE, SECOND_OPAQUE, TILE_OPAQUE,
                              GPU_BINDING_TEXELS_R32UI, GPU_BINDING_TEXELS_RG32UI},
    [RESAMPLE_KIND_ALPHA] = {"first pass with alpha", "second pass with alpha", "tile with alpha", FIRST_ALPHA,
                             SECOND_ALPHA, TILE_ALPHA, GPU_BINDING_TEXELS_R32UI, GPU_BINDING_TEXELS_RGBA32F},
    [RESAMPLE_KIND_LINEAR] = {"first pass in linear light", "second pass in linear light", "tile in linear light",
                              FIRST_ALPHA, SECOND_ALPHA, TILE_ALPHA, GPU_BINDING_TEXELS_R32UI,
                              GPU_BINDING_TEXELS_RGBA32F},
    [RESAMPLE_KIND_PLANE] = {"first pass of a plane", "second pass of a plane", NULL, FIRST_PLANE, SECOND_PLANE, NULL,
                             GPU_BINDING_TEXELS_RG32UI, GPU_BINDING_TEXELS_RG32UI},
};

static bool uses_storage(const struct gpu *gpu) { return gpu_get_info(gpu)->max_texels < USEFUL_TEXELS; }

uint64_t resample_buffer_limit(const struct resample_vulkan *vulkan, size_t texel_bytes) {
  const struct gpu_info *info = gpu_get_info(vulkan->gpu);
  if (uses_storage(vulkan->gpu)) return info->max_storage_bytes;
  return base_min_u64(info->max_storage_bytes, info->max_texels * texel_bytes);
}

static enum base_result create_kernel(struct resample_vulkan *vulkan, const char *name, const struct module *modules,
                                      enum gpu_binding input, size_t push_bytes, const uint32_t constants[2],
                                      struct gpu_kernel **out, struct base_fault *fault) {
  const bool is_storage = uses_storage(vulkan->gpu);
  const struct gpu_kernel_config config = {
      .name = name,
      .spirv = modules[is_storage].spirv,
      .spirv_bytes = modules[is_storage].bytes,
      .binding_count = modules == CONVERT ? 2 : 3,
      .bindings = {is_storage ? GPU_BINDING_STORAGE : input, GPU_BINDING_STORAGE,
                   is_storage ? GPU_BINDING_STORAGE : GPU_BINDING_TEXELS_RGBA32F},
      .push_bytes = push_bytes,
      .constant_count = 2,
      .constants = {constants[0], constants[1]},
  };
  return gpu_kernel_create(vulkan->gpu, &config, out, fault);
}

static enum base_result create_kind(struct resample_vulkan *vulkan, enum resample_kind kind, struct base_fault *fault) {
  const uint32_t is_linear = kind == RESAMPLE_KIND_LINEAR;
  const uint32_t pass_constants[2] = {vulkan->lanes, is_linear};
  enum base_result result =
      create_kernel(vulkan, KINDS[kind].first_name, KINDS[kind].first, KINDS[kind].source,
                    sizeof(struct resample_pass_push), pass_constants, &vulkan->first_pass[kind], fault);
  if (result != BASE_OK) return result;
  result = create_kernel(vulkan, KINDS[kind].second_name, KINDS[kind].second, KINDS[kind].middle,
                         sizeof(struct resample_pass_push), pass_constants, &vulkan->second_pass[kind], fault);
  if (result != BASE_OK || !KINDS[kind].tile) return result;
  vulkan->tile_rows[kind] = (uint32_t)(SHARED_BYTES / (RESAMPLE_TILE_WIDTH * resample_middle_bytes(kind)));
  const uint32_t tile_constants[2] = {vulkan->tile_rows[kind], is_linear};
  return create_kernel(vulkan, KINDS[kind].tile_name, KINDS[kind].tile, GPU_BINDING_TEXELS_R32UI,
                       sizeof(struct resample_tile_push), tile_constants, &vulkan->tile[kind], fault);
}

enum base_result resample_kernels_create(struct resample_vulkan *vulkan, struct base_fault *fault) {
  vulkan->lanes = gpu_get_info(vulkan->gpu)->is_software ? SOFTWARE_LANES : HARDWARE_LANES;
  for (int kind = 0; kind < RESAMPLE_KIND_COUNT; kind++) {
    const enum base_result result = create_kind(vulkan, (enum resample_kind)kind, fault);
    if (result != BASE_OK) return result;
  }
  const uint32_t constants[2] = {vulkan->lanes, 0};
  return create_kernel(vulkan, "conversion", CONVERT, GPU_BINDING_TEXELS_R32UI, sizeof(struct resample_convert_push),
                       constants, &vulkan->convert, fault);
}

void resample_kernels_destroy(struct resample_vulkan *vulkan) {
  for (int kind = 0; kind < RESAMPLE_KIND_COUNT; kind++) {
    gpu_kernel_destroy(&vulkan->first_pass[kind]);
    gpu_kernel_destroy(&vulkan->second_pass[kind]);
    gpu_kernel_destroy(&vulkan->tile[kind]);
  }
  gpu_kernel_destroy(&vulkan->convert);
}
