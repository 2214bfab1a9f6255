// Filtered RGBA8 to the target's planes (shaders/resample_convert.comp).
#include <string.h>

#include "resample_push.h"
#include "unit.h"

enum { SAMPLES_A_WORD = 4 };

struct gpu_dispatch resample_convert(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                     const struct resample_band *band, const struct resample_place *place) {
  const struct resample_sheet *sheets = place->sheets;
  const struct image_yuv *yuv = &unit->work->target->yuv;
  const bool is_limited = yuv->range == IMAGE_RANGE_LIMITED;
  const uint32_t width = sheets[IMAGE_PLANE_Y].row_bytes, height = sheets[IMAGE_PLANE_Y].rows;
  struct gpu_buffer *pixels;
  struct resample_convert_push push = {
      .width = width,
      .height = height,
      .block_x = yuv->chroma_x,
      .block_y = yuv->chroma_y,
      .y_base = sheets[IMAGE_PLANE_Y].base,
      .y_pitch = sheets[IMAGE_PLANE_Y].pitch,
      .u_base = sheets[IMAGE_PLANE_U].base,
      .v_base = sheets[IMAGE_PLANE_V].base,
      .chroma_pitch = sheets[IMAGE_PLANE_U].pitch,
      .has_alpha = place->sheet_count > IMAGE_PLANE_A,
      .y_gain = is_limited ? 219.0f / 255.0f : 1.0f,
      .y_bias = is_limited ? 16.0f : 0.0f,
      .chroma_gain = is_limited ? 224.0f / 255.0f : 1.0f,
  };
  if (push.has_alpha) {
    push.a_base = sheets[IMAGE_PLANE_A].base;
    push.a_pitch = sheets[IMAGE_PLANE_A].pitch;
  }
  resample_result_output(unit, band, place, &pixels, &push.in_base, &push.in_pitch);
  const uint32_t lanes = (width + SAMPLES_A_WORD * push.block_x - 1) / (SAMPLES_A_WORD * push.block_x);
  struct gpu_dispatch made = {
      .kernel = vulkan->convert,
      .buffers = {pixels, place->result},
      .groups = {(lanes + vulkan->lanes - 1) / vulkan->lanes, (height + push.block_y - 1) / push.block_y, 1}};
  memcpy(made.push, &push, sizeof(push));
  return made;
}
