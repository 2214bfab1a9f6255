#include "landing.h"

#include <stdio.h>
#include <string.h>

#include "http/problem.h"

static void tell(struct pop_flight **place, const struct pop_landing *landing) {
  struct pop_waiter *waiter = pop_flights_end(&(*place)->pop->flights, place);
  while (waiter) {
    struct pop_waiter *next = waiter->next;
    waiter->land(waiter, landing);
    waiter = next;
  }
}

void pop_land_with_fault(struct pop_flight **place, const struct base_fault *fault) {
  const struct pop_flight *flight = *place;
  const struct pop_landing landing = {
      .fault = *fault, .kind = POP_OUTCOME_ERROR, .now_s = base_clock_wall_s(flight->pop->clock)};
  if (http_status_of(fault->result) >= 500 && fault->result != BASE_BUSY) {
    base_log_fault(flight->pop->log, BASE_LOG_ERROR, "pop", flight->request_id, fault);
  }
  tell(place, &landing);
}

// --- from the renderer ---

enum base_result pop_land_on_disk(struct pop *pop, const struct pop_course *course, const char *request_id,
                                  const struct recipe_product *product, bool *is_stored, struct base_fault *fault) {
  const struct pop_original *original = course->original;
  struct base_fault write_fault = {0};
  char text[RECIPE_TEXT_BYTES];
  struct store_variant record = {
      .key = course->key,
      .original = original->id,
      .render_version = RECIPE_RENDER_VERSION,
      .width = product->width,
      .height = product->height,
      .created_s = base_clock_wall_s(pop->clock),
      .digest = product->digest,
      .bytes = product->blob->bytes,
  };
  recipe_text(&course->recipe, text);
  memcpy(record.tenant, original->tenant, sizeof record.tenant);
  (void)snprintf(record.recipe, sizeof record.recipe, "%s", text);
  (void)snprintf(record.media_type, sizeof record.media_type, "%s", product->media_type);
  const enum base_result result = store_variant_put(pop->store, &record, base_blob_span(product->blob), &write_fault);
  *is_stored = result == BASE_OK;
  if (result == BASE_NOT_FOUND) {
    pop_originals_forget(&pop->originals, original->tenant, &original->id);
    return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "the original was deleted");
  }
  if (result != BASE_OK) {
    // A full disk is the store's to complain about, and would fill the log here.
    const enum base_log_level level = result == BASE_NO_SPACE ? BASE_LOG_DEBUG : BASE_LOG_WARN;
    base_log_fault(pop->log, level, "pop", request_id, &write_fault);
  }
  return BASE_OK;
}

void pop_land_off_disk(struct pop *pop, const struct pop_course *course, const char *request_id) {
  struct base_fault fault = {0};
  const enum base_result result = store_variant_drop(pop->store, &course->key, &fault);
  if (result != BASE_OK && result != BASE_NOT_FOUND) {
    base_log_fault(pop->log, BASE_LOG_WARN, "pop", request_id, &fault);
  }
}

static void land_made(struct pop_flight **place, const struct recipe_product *product, const struct base_trace *trace) {
  struct pop_flight *flight = *place;
  struct pop *pop = flight->pop;
  struct pop_landing landing = {.kind = POP_OUTCOME_RENDER};
  if (pop_land_on_disk(pop, &flight->course, flight->request_id, product, &landing.is_stored, &landing.fault) ==
      BASE_OK) {
    landing.variant = pop_variant_create(flight->course.original, &flight->course.recipe, product);
    if (!landing.variant) (void)BASE_FAIL(&landing.fault, BASE_NO_MEMORY, "", "no memory for a variant");
  }
  if (!landing.variant) {
    pop_land_with_fault(place, &landing.fault);
    return;
  }
  struct pop_variant *variant = landing.variant;
  // Looked at after it was written: whatever is written before an original is marked is dropped by who marks it.
  if (!pop_flights_keep(&pop->flights, flight, pop->variants, variant) && landing.is_stored) {
    pop_land_off_disk(pop, &flight->course, flight->request_id);
    landing.is_stored = false;
  }
  pop_held_settle(&pop->held, pop->variants);
  if (trace) base_trace_format(trace, landing.timing, sizeof landing.timing);
  landing.now_s = base_clock_wall_s(pop->clock);
  tell(place, &landing);
  pop_variant_unref(&variant);
}

void pop_land_with_product(struct pop_flight **place, struct recipe_product *product, const struct base_trace *trace) {
  if (product->fault.result == BASE_OK) {
    product->blob = base_arena_move_in((*place)->pop->arena, product->blob);
    land_made(place, product, trace);
  } else {
    pop_land_with_fault(place, &product->fault);
  }
  base_blob_unref(&product->blob);
}

// --- from the caches ---

struct pop_variant *pop_land_read_disk(struct pop *pop, const struct pop_course *course, const char *request_id) {
  struct base_fault fault = {0};
  struct store_variant record;
  struct base_blob *blob = NULL;
  const enum base_result result = store_variant_get(pop->store, &course->key, &record, &blob, &fault);
  if (result != BASE_OK) {
    if (result != BASE_NOT_FOUND) base_log_fault(pop->log, BASE_LOG_WARN, "pop", request_id, &fault);
    return NULL;
  }
  blob = base_arena_move_in(pop->arena, blob);
  const struct recipe_product product = {.blob = blob,
                                         .media_type = record.media_type,
                                         .digest = record.digest,
                                         .width = record.width,
                                         .height = record.height};
  struct pop_variant *variant = pop_variant_create(course->original, &course->recipe, &product);
  base_blob_unref(&blob);
  return variant;
}

// The variant from disk, moved up into RAM; NULL for a miss.
static struct pop_variant *read_from_disk(struct pop_flight *flight) {
  struct pop *pop = flight->pop;
  struct pop_variant *variant = pop_land_read_disk(pop, &flight->course, flight->request_id);
  if (variant) {
    (void)pop_flights_keep(&pop->flights, flight, pop->variants, variant);
    pop_held_settle(&pop->held, pop->variants);
  }
  return variant;
}

bool pop_land_from_caches(struct pop_flight **place) {
  struct pop_flight *flight = *place;
  struct pop *pop = flight->pop;
  struct pop_variant *variant = NULL;
  struct pop_landing landing = {.kind = POP_OUTCOME_RAM, .now_s = base_clock_wall_s(pop->clock)};
  // An earlier flight of this key may have landed between the first look and this one's beginning.
  if (cache_lru_contains(pop->variants, &flight->course.key)) {
    variant = cache_lru_get(pop->variants, &flight->course.key);
  }
  if (!variant) {
    variant = read_from_disk(flight);
    landing.kind = POP_OUTCOME_DISK;
  }
  if (!variant) return false;
  landing.variant = variant;
  tell(place, &landing);
  pop_variant_unref(&variant);
  return true;
}
