// The old object that fuzzed deltas are applied to, and a sink that sees how much they make.
#ifndef DELTA_OBJECT_H
#define DELTA_OBJECT_H

#include <stdlib.h>
#include <string.h>

#include "delta/stream.h"

enum { OLD_BYTES = 3000, NEW_BYTES = 3500 };

// "0123...": so that seeds can be made of it by hand.
static uint8_t old_object[OLD_BYTES];

static inline void make_old_object(void) {
  for (size_t i = 0; i < OLD_BYTES; i++) old_object[i] = (uint8_t)("0123456789abcdefghijklmnopqrstuvwxyz"[i * i % 36]);
}

static inline enum base_result read_old_object(void *self, uint64_t offset, uint8_t *out, size_t bytes,
                                               struct base_fault *fault) {
  (void)self, (void)fault;
  if (offset > OLD_BYTES || bytes > OLD_BYTES - offset) abort();
  memcpy(out, old_object + offset, bytes);
  return BASE_OK;
}

static inline enum base_result count_bytes(void *self, struct base_span bytes, struct base_fault *fault) {
  uint64_t *made = self;
  (void)fault;
  *made += bytes.bytes;
  if (*made > NEW_BYTES) abort();
  return BASE_OK;
}

#endif
