// Objects to make deltas between: noise, and edits of it.
//
// Include after <cmocka.h>.
#ifndef DELTA_OBJECTS_H
#define DELTA_OBJECTS_H

#include <stdlib.h>
#include <string.h>

#include "delta/stream.h"
#include "integrity/merkle.h"

struct object {
  uint8_t *data;
  size_t bytes;
};

static inline struct object object_of_noise(size_t bytes, uint64_t seed) {
  struct object object = {malloc(bytes + 1), bytes};
  assert_non_null(object.data);
  for (size_t i = 0; i < bytes; i++) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    object.data[i] = (uint8_t)(seed >> 24);
  }
  return object;
}

static inline void object_free(struct object *object) { free(object->data); }

static inline struct base_span object_span(const struct object *object) {
  return base_span_of(object->data, object->bytes);
}

// A copy with `gone` bytes at `at` replaced by those of `more`.
static inline struct object object_splice(const struct object *from, size_t at, size_t gone, struct base_span more) {
  struct object object = {malloc(from->bytes + more.bytes + 1), from->bytes - gone + more.bytes};
  assert_non_null(object.data);
  assert_true(at + gone <= from->bytes);
  memcpy(object.data, from->data, at);
  if (more.bytes > 0) memcpy(object.data + at, more.data, more.bytes);
  memcpy(object.data + at + more.bytes, from->data + at + gone, from->bytes - at - gone);
  return object;
}

static inline enum base_result object_read(void *self, uint64_t offset, uint8_t *out, size_t bytes,
                                           struct base_fault *fault) {
  const struct object *object = self;
  (void)fault;
  assert_true(offset <= object->bytes && bytes <= object->bytes - offset);
  memcpy(out, object->data + offset, bytes);
  return BASE_OK;
}

static inline struct delta_source object_source(struct object *object) {
  return (struct delta_source){.bytes = object->bytes, .read = object_read, .self = object};
}

static inline enum base_result object_take(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)fault;
  return base_buffer_append(self, bytes.data, bytes.bytes);
}

// What is made is collected there.
static inline struct delta_sink object_sink(struct base_buffer *buffer) {
  return (struct delta_sink){.write = object_take, .self = buffer};
}

static inline struct integrity_digest object_digest(const struct object *object) {
  struct integrity_digest digest;
  integrity_digest_of(object_span(object), &digest);
  return digest;
}

#endif
