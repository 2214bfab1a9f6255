#include "course.h"

#include <string.h>

enum base_result pop_course_set(struct pop_original *original, const struct recipe *wanted, enum recipe_format format,
                                struct pop_chart chart, struct pop_course *out, struct base_fault *fault) {
  struct integrity_digest digest;
  const enum base_result result = recipe_pin(wanted, format, &original->header, &out->recipe, fault);
  if (result != BASE_OK) return result;
  recipe_key(&out->recipe, original->tenant, chart.salt, &original->id, chart.profile, &digest);
  memcpy(out->key.bytes, digest.bytes, sizeof out->key.bytes);
  out->original = original;
  return BASE_OK;
}
