// Arithmetic that says when it overflows. For every size that comes from outside.
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

// Each stores the result and returns true, or returns false and leaves *out alone.
static inline bool BASE_CHECKED base_add_size(size_t a, size_t b, size_t *out) {
  size_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return false;
  *out = sum;
  return true;
}

static inline bool BASE_CHECKED base_mul_size(size_t a, size_t b, size_t *out) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product)) return false;
  *out = product;
  return true;
}

// a * b * c, for width * height * bytes a pixel.
static inline bool BASE_CHECKED base_mul3_size(size_t a, size_t b, size_t c, size_t *out) {
  size_t product;
  return base_mul_size(a, b, &product) && base_mul_size(product, c, out);
}

static inline uint64_t base_min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t base_max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
// `a` rounded up to a multiple of `unit`, which is not 0; the sum must fit.
static inline size_t base_round_up(size_t a, size_t unit) { return (a + unit - 1) / unit * unit; }

#endif
