#include <stdlib.h>

#include "front.h"

enum base_result resample_source_create(struct resampler *resampler, struct image *image, struct resample_source **out,
                                        struct base_fault *fault) {
  struct resample_source *source = calloc(1, sizeof(*source));
  *out = source;
  if (!source) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a source");
  atomic_init(&source->refs, 1);
  source->resampler = resampler;
  source->image = image_ref(image);
  return BASE_OK;
}

struct resample_source *resample_source_ref(struct resample_source *source) {
  atomic_fetch_add_explicit(&source->refs, 1, memory_order_relaxed);
  return source;
}

void resample_source_unref(struct resample_source **source_pointer) {
  struct resample_source *source = *source_pointer;
  *source_pointer = NULL;
  if (!source || atomic_fetch_sub_explicit(&source->refs, 1, memory_order_acq_rel) != 1) return;
  resample_recovery_forget(&source->resampler->recovery, source);
  image_unref(&source->image);
  free(source);
}

struct image *resample_source_image(const struct resample_source *source) {
  return source->image;
}
