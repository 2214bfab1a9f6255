// The one exact variant that a request means: original, pinned recipe and key.
#ifndef POP_COURSE_H
#define POP_COURSE_H

#include "cache/lru.h"
#include "original.h"
#include "recipe/recipe.h"

struct pop_course {
  struct pop_original *original;  // borrowed, but in a flight
  struct recipe recipe;           // pinned
  struct cache_key key;
};

// What keys are made of besides original and recipe: the tenant's salt (may be empty) and the renderer's profile (see
// recipe/order.h).
struct pop_chart {
  const char *salt, *profile;
};

// Pins `wanted` for the original, with `format` in the place of AUTO, and makes the key. Fails as recipe_pin does.
enum base_result pop_course_set(struct pop_original *original, const struct recipe *wanted, enum recipe_format format,
                                struct pop_chart chart, struct pop_course *out, struct base_fault *fault) BASE_CHECKED;

#endif
