// Forgetting and purging: what of an original must not be answered any more.
#include <string.h>

#include "state.h"

struct target {
  const char *tenant;
  const struct integrity_digest *original;
};

static bool is_variant_of(void *argument, const struct cache_key *key, const void *value) {
  (void)key;
  const struct target *target = argument;
  const struct pop_variant *variant = value;
  return pop_original_is(variant->original, target->tenant, target->original);
}

// How many went from RAM.
static uint64_t drop_from_ram(struct pop *pop, const char *tenant, const struct integrity_digest *original,
                              bool forgets_notes) {
  struct target target = {.tenant = tenant, .original = original};
  // What is under way first: whatever it keeps before it is marked is removed after.
  pop_flights_forget(&pop->flights, tenant, original);
  pop_upgrades_forget(&pop->upgrades, tenant, original, forgets_notes);
  return cache_lru_remove_if(pop->variants, is_variant_of, &target);
}

void pop_forget(struct pop *pop, const char *tenant, const struct integrity_digest *original) {
  pop_originals_forget(&pop->originals, tenant, original);
  (void)drop_from_ram(pop, tenant, original, false);
}

static enum base_result purge_all(struct pop *pop, const char *tenant, const struct integrity_digest *original,
                                  uint64_t *dropped, struct base_fault *fault) {
  // The disk first, so that nothing is read from there again once RAM is empty.
  const enum base_result result = store_variants_drop(pop->store, tenant, original, dropped, fault);
  const uint64_t in_ram = drop_from_ram(pop, tenant, original, true);
  if (in_ram > *dropped) *dropped = in_ram;  // the disk may have been full
  return result;
}

static enum base_result purge_course(struct pop *pop, const struct pop_course *course, uint64_t *dropped,
                                     struct base_fault *fault) {
  struct base_fault cause = {0};
  const enum base_result result = store_variant_drop(pop->store, &course->key, &cause);
  // What is under way may have been read before. Others of the original are marked too, and only cost a second making.
  pop_flights_forget(&pop->flights, course->original->tenant, &course->original->id);
  pop_upgrades_forget(&pop->upgrades, course->original->tenant, &course->original->id, true);
  const bool was_in_ram = cache_lru_remove(pop->variants, &course->key);
  if (result == BASE_OK || was_in_ram) ++*dropped;
  if (result == BASE_OK || result == BASE_NOT_FOUND) return BASE_OK;
  return BASE_FAIL(fault, result, cause.subject, "%s", cause.text);
}

// A recipe that leaves its format open comes to any of them.
static enum base_result purge_recipe(struct pop *pop, struct pop_original *original, const struct recipe *recipe,
                                     uint64_t *dropped, struct base_fault *fault) {
  static const enum recipe_format formats[] = {RECIPE_FORMAT_WEBP, RECIPE_FORMAT_AVIF, RECIPE_FORMAT_JPEG,
                                               RECIPE_FORMAT_PNG};
  const bool is_auto = recipe->format == RECIPE_FORMAT_AUTO;
  const size_t count = is_auto ? sizeof formats / sizeof formats[0] : 1;
  const struct pop_chart chart = pop_chart(pop, original->tenant);
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    struct pop_course course;
    struct base_fault cause = {0};
    const enum base_result pinned = pop_course_set(original, recipe, formats[i], chart, &course, &cause);
    if (pinned == BASE_OK) {
      result = purge_course(pop, &course, dropped, fault);
    } else if (!is_auto) {  // a lossless JPEG is none of those that an open one comes to
      result = BASE_FAIL(fault, pinned, cause.subject, "%s", cause.text);
    }
  }
  return result;
}

enum base_result pop_purge(struct pop *pop, const char *tenant, const struct integrity_digest *id,
                           const struct recipe *recipe, uint64_t *dropped, struct base_fault *fault) {
  struct pop_original *original = NULL;
  *dropped = 0;
  enum base_result result = pop_originals_load(&pop->originals, tenant, id, &original, fault);
  if (result != BASE_OK) return result;
  result = recipe ? purge_recipe(pop, original, recipe, dropped, fault) : purge_all(pop, tenant, id, dropped, fault);
  pop_original_unref(&original);
  return result;
}
