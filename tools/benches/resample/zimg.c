// zimg called directly. Variant "float": its planes are floats already and stay floats; "byte": 8-bit planes, for
// information only (that path is not exact).
#include <stdlib.h>
#include <string.h>
#include <zimg.h>

#include "worker.h"

enum { ALIGNMENT = 64 };

struct plane {
  struct worker_size size;
  size_t stride;
  uint8_t *samples;
};

struct prepared {
  unsigned plane_count;                     // R, G, B, A or Y, U, V
  struct plane from[2][WORKER_MAX_PLANES];  // [is_float]
  struct plane to[2][WORKER_MAX_SIZES][WORKER_MAX_PLANES];
};

static struct prepared prepared[WORKER_CASES];

static struct plane new_plane(struct worker_size size, size_t sample_bytes) {
  struct plane plane = {.size = size, .stride = (size.width * sample_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT};
  plane.samples = aligned_alloc(ALIGNMENT, plane.stride * size.height);
  if (!plane.samples) worker_die("no memory");
  memset(plane.samples, 0, plane.stride * size.height);
  return plane;
}

static void fill(const struct worker_case *one, unsigned index, struct plane *bytes, struct plane *floats) {
  const unsigned source = one->kind == WORKER_YUV ? index : 0, channel = one->kind == WORKER_YUV ? 0 : index;
  for (unsigned y = 0; y < bytes->size.height; y++) {
    const uint8_t *row = one->planes[source] + (size_t)y * bytes->size.width * one->channels;
    float *to = (float *)(void *)(floats->samples + y * floats->stride);
    for (unsigned x = 0; x < bytes->size.width; x++) {
      const uint8_t *pixel = row + (size_t)x * one->channels;
      const float share = one->kind == WORKER_RGBA && channel < 3 ? (float)pixel[3] / 255.0f : 1.0f;
      to[x] = (float)pixel[channel] * share;
      bytes->samples[y * bytes->stride + x] = (uint8_t)(to[x] + 0.5f);
    }
  }
}

static void prepare(const struct worker_case *one, unsigned index) {
  struct prepared *all = &prepared[index];
  all->plane_count = one->kind == WORKER_RGBA ? 4 : 3;
  for (unsigned plane = 0; plane < all->plane_count; plane++) {
    const struct worker_size from = worker_plane_size(one, one->from, plane);
    all->from[0][plane] = new_plane(from, 1);
    all->from[1][plane] = new_plane(from, sizeof(float));
    fill(one, plane, &all->from[0][plane], &all->from[1][plane]);
    for (unsigned size = 0; size < one->size_count; size++) {
      const struct worker_size to = worker_plane_size(one, one->to[size], plane);
      all->to[0][size][plane] = new_plane(to, 1);
      all->to[1][size][plane] = new_plane(to, sizeof(float));
    }
  }
}

static void set_format(zimg_image_format *format, const struct worker_size *size, int is_float, unsigned planes) {
  zimg_image_format_default(format, ZIMG_API_VERSION);
  format->width = size->width;
  format->height = size->height;
  format->pixel_type = is_float ? ZIMG_PIXEL_FLOAT : ZIMG_PIXEL_BYTE;
  format->pixel_range = ZIMG_RANGE_FULL;
  if (planes == 1) return;
  format->color_family = ZIMG_COLOR_RGB;
  format->matrix_coefficients = ZIMG_MATRIX_RGB;
  if (planes == 4) format->alpha = ZIMG_ALPHA_PREMULTIPLIED;
}

// `count` planes of one size in one graph.
static void resize(const struct plane *from, const struct plane *to, unsigned count, int is_float) {
  zimg_image_format source, target;
  zimg_graph_builder_params params;
  zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
  zimg_image_buffer out = {.version = ZIMG_API_VERSION};
  size_t bytes = 0;
  set_format(&source, &from->size, is_float, count);
  set_format(&target, &to->size, is_float, count);
  zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
  params.resample_filter = params.resample_filter_uv = ZIMG_RESIZE_BICUBIC;
  params.filter_param_a = params.filter_param_a_uv = 0.0;
  params.filter_param_b = params.filter_param_b_uv = 0.5;
  params.cpu_type = ZIMG_CPU_AUTO;
  zimg_filter_graph *graph = zimg_filter_graph_build(&source, &target, &params);
  if (!graph || zimg_filter_graph_get_tmp_size(graph, &bytes)) worker_die("zimg has no graph");
  void *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  if (!memory) worker_die("no memory");
  for (unsigned plane = 0; plane < count; plane++) {
    in.plane[plane].data = from[plane].samples;
    in.plane[plane].stride = (ptrdiff_t)from[plane].stride;
    in.plane[plane].mask = ZIMG_BUFFER_MAX;
    out.plane[plane].data = to[plane].samples;
    out.plane[plane].stride = (ptrdiff_t)to[plane].stride;
    out.plane[plane].mask = ZIMG_BUFFER_MAX;
  }
  if (zimg_filter_graph_process(graph, &in, &out, memory, NULL, NULL, NULL, NULL)) worker_die("zimg failed");
  free(memory);
  zimg_filter_graph_free(graph);
}

static double run(const struct worker_case *one, unsigned index, const char *variant) {
  const struct prepared *all = &prepared[index];
  const int is_float = strcmp(variant, "float") == 0;
  const double begin = worker_now_ms();
  for (unsigned size = 0; size < one->size_count; size++) {
    if (one->kind != WORKER_YUV) {
      resize(all->from[is_float], all->to[is_float][size], all->plane_count, is_float);
      continue;
    }
    for (unsigned plane = 0; plane < all->plane_count; plane++) {
      resize(&all->from[is_float][plane], &all->to[is_float][size][plane], 1, is_float);
    }
  }
  return worker_now_ms() - begin;
}

int main(int count, char **arguments) { return worker_main(count, arguments, prepare, run); }
