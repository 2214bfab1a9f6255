#include "pop/mend.h"

#include <stdlib.h>
#include <string.h>

#include "pop/batch.h"
#include "pop/native.h"
#include "state.h"

#define ROOM "pop"

enum { MAX_UNDER_WAY = 8 };

static const char request_id[] = "mend------------";
_Static_assert(sizeof request_id == HTTP_REQUEST_ID_CHARS + 1, "as long as a request's id");

static bool is_stopping(void *self) { return atomic_load(&((struct pop *)self)->upgrades.is_stopping); }

static void take_item(void *self, const struct pop_batch_item *item) {
  struct pop *pop = self;
  if (item->fault.result == BASE_OK) {
    base_metric_add(pop->mended, 1);
  } else if (item->fault.result != BASE_CANCELLED) {
    base_log_fault(pop->log, BASE_LOG_WARN, ROOM, request_id, &item->fault);
  }
}

static void take_end(void *self) {
  struct pop *pop = self;
  atomic_fetch_sub(&pop->mending, 1);
}

static bool put_back_from_ram(struct pop *pop, const struct store_variant *variant) {
  struct base_fault fault = {0};
  struct pop_variant *held = cache_lru_get(pop->variants, &variant->key);
  if (!held) return false;
  const bool is_same = integrity_digest_equal(&held->digest, &variant->digest);
  struct store_variant record = *variant;
  record.render_version = RECIPE_RENDER_VERSION;  // it is part of the key; the scrubber may not know it
  const bool is_back = is_same && store_variant_put(pop->store, &record, base_blob_span(held->blob), &fault) == BASE_OK;
  pop_variant_unref(&held);
  if (is_back) base_metric_add(pop->mended, 1);
  return is_back;
}

// Whether a GET of today would come to this variant.
static bool is_current(struct pop *pop, const char *tenant, const struct store_variant *variant,
                       const struct recipe *recipe) {
  struct pop_original *original;
  struct pop_course course;
  struct base_fault ignored = {0};
  if (pop_originals_load(&pop->originals, tenant, &variant->original, &original, &ignored) != BASE_OK) return false;
  const bool is_same =
      pop_course_set(original, recipe, RECIPE_FORMAT_WEBP, pop_chart(pop, tenant), &course, &ignored) == BASE_OK &&
      memcmp(&course.key, &variant->key, sizeof course.key) == 0;
  pop_original_unref(&original);
  return is_same;
}

static void order(struct pop *pop, const char *tenant, const struct store_variant *variant,
                  const struct recipe *recipe) {
  struct base_fault fault = {0};
  const struct pop_batch batch = {.tenant = tenant,
                                  .original = variant->original,
                                  .recipes = recipe,
                                  .count = 1,
                                  .request_id = request_id,
                                  .is_background = true,
                                  .is_cancelled = is_stopping,
                                  .ready = take_item,
                                  .done = take_end,
                                  .self = pop};
  if (atomic_fetch_add(&pop->mending, 1) >= MAX_UNDER_WAY || pop_batch_run(pop, &batch, &fault) != BASE_OK) {
    atomic_fetch_sub(&pop->mending, 1);
  }
}

void pop_mend(struct pop *pop, const struct store_variant *variant) {
  struct recipe recipe;
  const struct pop_tenant *tenant = pop_tenants_find_name(&pop->tenants, variant->tenant);
  if (!tenant || is_stopping(pop) || put_back_from_ram(pop, variant)) return;
  if (pop_native_parse_options(base_span_text(variant->recipe), &recipe, NULL) != BASE_OK) return;
  if (is_current(pop, tenant->name, variant, &recipe)) order(pop, tenant->name, variant, &recipe);
}
