#include "copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { WORD_BYTES = 4 };

static void unlink_copy(struct resample_pool *pool, struct resample_copy *copy) {
  *(copy->older ? &copy->older->newer : &pool->oldest) = copy->newer;
  *(copy->newer ? &copy->newer->older : &pool->newest) = copy->older;
}

static void link_newest(struct resample_pool *pool, struct resample_copy *copy) {
  copy->older = pool->newest;
  copy->newer = NULL;
  *(pool->newest ? &pool->newest->newer : &pool->oldest) = copy;
  pool->newest = copy;
}

static void destroy_locked(struct resample_pool *pool, struct resample_copy *copy) {
  BASE_ASSERT(copy->users == 0);
  unlink_copy(pool, copy);
  if (!copy->is_imported) pool->held_bytes -= gpu_buffer_bytes(copy->buffer);
  gpu_buffer_destroy(&copy->buffer);
  copy->source->copy = NULL;
  free(copy);
}

static struct resample_copy *use_locked(struct resample_pool *pool, struct resample_copy *copy) {
  copy->users++;
  unlink_copy(pool, copy);
  link_newest(pool, copy);
  return copy;
}

static struct resample_copy *add_locked(struct resample_pool *pool, struct resample_source *source,
                                        const struct resample_copy *contents) {
  struct resample_copy *copy = calloc(1, sizeof(*copy));
  if (!copy) return NULL;
  *copy = *contents;
  copy->source = source;
  copy->users = 1;
  link_newest(pool, copy);
  source->copy = copy;
  return copy;
}

// RGBA8 from elsewhere may have rows that do not begin on a word.
static bool can_import(const struct image *image, size_t alignment, uint64_t most_bytes) {
  return alignment > 0 && (uintptr_t)image->pixels % alignment == 0 && image->bytes % alignment == 0 &&
         image->bytes <= most_bytes && (image->format == IMAGE_YUV || image->stride_bytes % WORD_BYTES == 0);
}

static void unref_image(void *user) {
  struct image *image = user;
  image_unref(&image);
}

struct resample_copy *resample_copy_import(struct resample_pool *pool, struct resample_source *source, bool imports,
                                           uint64_t most_bytes) {
  const struct image *image = source->image;
  struct resample_copy *copy = NULL;
  pthread_mutex_lock(&pool->mutex);
  if (source->copy) {
    if (source->copy->is_imported) copy = use_locked(pool, source->copy);
    goto out;
  }
  if (!imports || !can_import(image, gpu_get_info(pool->gpu)->import_alignment, most_bytes)) goto out;
  struct resample_copy made = {.is_imported = true,
                               .is_ready = true,
                               .pitch = image->format == IMAGE_YUV ? 0 : image->stride_bytes / WORD_BYTES};
  struct base_fault ignored = {0};  // refused memory is uploaded instead
  if (gpu_buffer_import(pool->gpu, image->pixels, image->bytes, &made.buffer, &ignored) != BASE_OK) goto out;
  gpu_buffer_on_release(made.buffer, unref_image, image_ref(source->image));
  copy = add_locked(pool, source, &made);
  if (!copy) gpu_buffer_destroy(&made.buffer);
out:
  pthread_mutex_unlock(&pool->mutex);
  return copy;
}

static size_t upload_bytes(const struct image *image) {
  return image->format == IMAGE_YUV ? image->bytes : (size_t)image->width * WORD_BYTES * image->height;
}

uint64_t resample_copy_upload_bytes(const struct resample_pool *pool, const struct resample_source *source,
                                    uint64_t most_bytes) {
  const size_t size = resample_pool_size(pool, upload_bytes(source->image));
  return size <= most_bytes ? size : 0;
}

static void fill(const struct image *image, uint8_t *to) {
  if (image->format == IMAGE_YUV) {
    memcpy(to, image->pixels, image->bytes);
    return;
  }
  const size_t row_bytes = (size_t)image->width * WORD_BYTES;
  for (uint32_t y = 0; y < image->height; y++) memcpy(to + y * row_bytes, image_row(image, y), row_bytes);
}

enum base_result resample_copy_upload(struct resample_pool *pool, struct resample_source *source,
                                      struct resample_copy **out, struct base_fault *fault) {
  const struct image *image = source->image;
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&pool->mutex);
  if (source->copy) {
    *out = use_locked(pool, source->copy);
    while (!(*out)->is_ready) pthread_cond_wait(&pool->changed, &pool->mutex);
    goto out;
  }
  struct resample_copy made = {.pitch = image->format == IMAGE_YUV ? 0 : image->width};
  const size_t size = resample_pool_size(pool, upload_bytes(image));
  result = resample_pool_make_locked(pool, size, GPU_MEMORY_UPLOAD, &made.buffer, fault);
  if (result != BASE_OK) goto out;
  *out = add_locked(pool, source, &made);
  if (!*out) {
    pool->held_bytes -= size;
    gpu_buffer_destroy(&made.buffer);
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a source's copy");
    goto out;
  }
  pthread_mutex_unlock(&pool->mutex);
  fill(image, gpu_buffer_map(made.buffer));
  pthread_mutex_lock(&pool->mutex);
  (*out)->is_ready = true;
  pthread_cond_broadcast(&pool->changed);
out:
  pthread_mutex_unlock(&pool->mutex);
  return result;
}

void resample_copy_give(struct resample_pool *pool, struct resample_copy **copy) {
  if (!*copy) return;
  pthread_mutex_lock(&pool->mutex);
  BASE_ASSERT((*copy)->users > 0);
  (*copy)->users--;
  pthread_mutex_unlock(&pool->mutex);
  *copy = NULL;
}

void resample_copy_forget(struct resample_pool *pool, struct resample_source *source) {
  pthread_mutex_lock(&pool->mutex);
  if (source->copy) destroy_locked(pool, source->copy);
  pthread_mutex_unlock(&pool->mutex);
}

void resample_copy_forget_all(struct resample_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  while (pool->oldest) destroy_locked(pool, pool->oldest);
  pthread_mutex_unlock(&pool->mutex);
}

bool resample_copy_drop_oldest_locked(struct resample_pool *pool) {
  struct resample_copy *copy = pool->oldest;
  while (copy && (copy->is_imported || copy->users > 0)) copy = copy->newer;
  if (copy) destroy_locked(pool, copy);
  return copy != NULL;
}
