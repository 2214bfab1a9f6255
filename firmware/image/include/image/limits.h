// Named limits on pictures, checked before anything is allocated.
#ifndef IMAGE_LIMITS_H
#define IMAGE_LIMITS_H

#include <stdint.h>

enum {
  IMAGE_MAX_RESULT_SIDE = 16383,  // WebP's own limit, used for every format
  IMAGE_MAX_RESULT_PIXELS = 40000000,
  IMAGE_MAX_BOX_SIDE = 8192,  // w and h options, before dpr
};

// For originals; from the settings.
struct image_limits {
  uint64_t max_file_bytes;  // default 100 MiB
  uint64_t max_pixels;      // default 100,000,000
  uint32_t max_side;        // default 16,384
};

// The first for initializers of static objects, the second for everywhere else.
#define IMAGE_LIMITS_INITIALIZER \
  { .max_file_bytes = 100u << 20, .max_pixels = 100000000u, .max_side = 16384 }
#define IMAGE_LIMITS_DEFAULT ((struct image_limits)IMAGE_LIMITS_INITIALIZER)

#endif
