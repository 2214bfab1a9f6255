// libvips: vips_resize with the cubic kernel. The variant is its number of threads.
#include <stdlib.h>
#include <vips/vips.h>

#include "worker.h"

static VipsImage *pictures[WORKER_CASES][WORKER_MAX_PLANES];

static void prepare(const struct worker_case *one, unsigned index) {
  for (unsigned plane = 0; plane < one->plane_count; plane++) {
    const struct worker_size size = worker_plane_size(one, one->from, plane);
    const size_t bytes = (size_t)size.width * size.height * one->channels;
    pictures[index][plane] = vips_image_new_from_memory(one->planes[plane], bytes, (int)size.width, (int)size.height,
                                                        (int)one->channels, VIPS_FORMAT_UCHAR);
    if (!pictures[index][plane]) worker_die("libvips: %s", vips_error_buffer());
  }
}

static void resize(VipsImage *from, struct worker_size to) {
  VipsImage *lazy = NULL;
  size_t bytes = 0;
  const double x = (double)to.width / vips_image_get_width(from), y = (double)to.height / vips_image_get_height(from);
  if (vips_resize(from, &lazy, x, "vscale", y, "kernel", VIPS_KERNEL_CUBIC, NULL)) {
    worker_die("libvips: %s", vips_error_buffer());
  }
  void *pixels = vips_image_write_to_memory(lazy, &bytes);
  if (!pixels) worker_die("libvips: %s", vips_error_buffer());
  if (vips_image_get_width(lazy) != (int)to.width || vips_image_get_height(lazy) != (int)to.height) {
    worker_die("libvips made another size");
  }
  g_free(pixels);
  g_object_unref(lazy);
}

static double run(const struct worker_case *one, unsigned index, const char *variant) {
  vips_concurrency_set(atoi(variant));
  const double begin = worker_now_ms();
  for (unsigned size = 0; size < one->size_count; size++) {
    for (unsigned plane = 0; plane < one->plane_count; plane++) {
      resize(pictures[index][plane], worker_plane_size(one, one->to[size], plane));
    }
  }
  return worker_now_ms() - begin;
}

int main(int count, char **arguments) {
  if (VIPS_INIT(arguments[0])) worker_die("libvips: %s", vips_error_buffer());
  vips_cache_set_max(0);
  return worker_main(count, arguments, prepare, run);
}
