#include "base/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/checked.h"

static void release_malloc(void *data, size_t bytes) {
  (void)bytes;
  free(data);
}

static void blob_init(struct base_blob *blob, uint8_t *data, size_t bytes) {
  *blob = (struct base_blob){.fd = -1, .bytes = bytes, .data = data};
  atomic_init(&blob->refs, 1);
}

struct base_blob *base_blob_create(size_t bytes) {
  size_t total;
  if (!base_add_size(sizeof(struct base_blob), bytes, &total)) return NULL;
  struct base_blob *blob = malloc(total);
  if (!blob) return NULL;
  blob_init(blob, (uint8_t *)(blob + 1), bytes);
  return blob;
}

struct base_blob *base_blob_copy(struct base_span span) {
  struct base_blob *blob = base_blob_create(span.bytes);
  if (blob && span.bytes) memcpy(blob->data, span.data, span.bytes);
  return blob;
}

struct base_blob *base_blob_adopt(void *data, size_t bytes, void (*release)(void *data, size_t bytes)) {
  struct base_blob *blob = malloc(sizeof *blob);
  if (!blob) return NULL;
  blob_init(blob, data, bytes);
  blob->release = release;
  return blob;
}

struct base_blob *base_blob_from_buffer(struct base_buffer *buffer) {
  struct base_blob *blob = base_blob_adopt(buffer->data, buffer->bytes, release_malloc);
  if (blob) base_buffer_init(buffer, buffer->limit);
  return blob;
}

struct base_blob *base_blob_ref(struct base_blob *blob) {
  const unsigned before = atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
  BASE_ASSERT(before > 0 && before < UINT32_MAX);
  return blob;
}

void base_blob_unref(struct base_blob **blob_pointer) {
  struct base_blob *blob = *blob_pointer;
  *blob_pointer = NULL;
  if (!blob) return;
  // Release our uses of the bytes, acquire everyone else's before they are freed.
  const unsigned before = atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel);
  BASE_ASSERT(before > 0);
  if (before > 1) return;
  if (blob->release) blob->release(blob->data, blob->bytes);
  if (blob->arena) base_arena_take_back(blob);
  free(blob);
}

struct base_span base_blob_span(const struct base_blob *blob) {
  return blob ? base_span_of(blob->data, blob->bytes) : base_span_of(NULL, 0);
}
