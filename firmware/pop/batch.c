// Each recipe becomes an item that waits for a flight: one begun here, or one that was under way. The flights begun
// here that are in no cache share one order; the renderer lands them one by one, from any of its threads. Nobody who is
// in a hurry joins a background batch's flights: at worst such a variant is made twice.
#include "pop/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landing.h"
#include "pop/native.h"
#include "queue.h"

struct item {
  struct pop_waiter waiter;
  struct batch *batch;
  struct pop_course course;
  size_t first;  // index of the first item of the same course: its own, unless it is a repeat
};

struct batch {
  struct pop *pop;
  struct pop_batch wanted;
  struct pop_original *original;
  char request_id[HTTP_REQUEST_ID_CHARS + 1];
  // What can still happen: items that have not landed, the order, and pop_batch_run itself.
  atomic_size_t open;
  struct item items[POP_MAX_BATCH];
  // Of the order. A flight's place is NULL once it has landed.
  struct recipe_order order;
  struct pop_flight *flights[POP_MAX_BATCH];
  struct recipe recipes[POP_MAX_BATCH];
  struct recipe_product products[POP_MAX_BATCH];
};

const char *pop_source_name(enum pop_source source) {
  static const char *const names[] = {[POP_FROM_RAM] = "ram", [POP_FROM_DISK] = "disk", [POP_MADE] = "made"};
  return names[source];
}

// --- faults ---

// The fault of one recipe as one of the list.
static enum base_result fail_recipe(size_t index, const struct base_fault *cause, struct base_fault *fault) {
  char subject[BASE_FAULT_SUBJECT_BYTES];
  (void)snprintf(subject, sizeof subject, "recipes[%zu]%s%.40s", index, cause->subject[0] ? "." : "", cause->subject);
  return BASE_FAIL(fault, cause->result, subject, "recipe %zu: %.290s", index, cause->text);
}

enum base_result pop_batch_parse(size_t index, struct base_span options, struct recipe *out, struct base_fault *fault) {
  struct base_fault cause = {0};
  return pop_native_parse_options(options, out, &cause) == BASE_OK ? BASE_OK : fail_recipe(index, &cause, fault);
}

// --- lifetime ---

static void finish(struct batch *batch) {
  pop_original_unref(&batch->original);
  free(batch);
}

static void close_one(struct batch *batch) {
  if (atomic_fetch_sub_explicit(&batch->open, 1, memory_order_acq_rel) != 1) return;
  batch->wanted.done(batch->wanted.self);
  finish(batch);
}

static bool is_client_gone(const struct batch *batch) { return batch->wanted.is_cancelled(batch->wanted.self); }

// --- landing ---

static enum pop_source source_of(enum pop_outcome kind) {
  if (kind == POP_OUTCOME_RAM) return POP_FROM_RAM;
  return kind == POP_OUTCOME_DISK ? POP_FROM_DISK : POP_MADE;
}

// Tells of the item and its repeats.
static void report(const struct item *item, const struct pop_variant *variant, enum pop_outcome kind,
                   const struct base_fault *fault) {
  const struct batch *batch = item->batch;
  struct pop_batch_item ready = {.recipe = item->course.recipe, .source = source_of(kind)};
  if (variant) {
    ready.media_type = variant->media_type;
    ready.digest = variant->digest;
    ready.bytes = variant->blob->bytes;
    ready.width = variant->width;
    ready.height = variant->height;
  } else {
    ready.fault = *fault;
  }
  for (size_t i = item->first; i < batch->wanted.count; i++) {
    if (batch->items[i].first != item->first) continue;
    ready.index = i;
    base_metric_add(batch->pop->batch_outcomes[kind], 1);
    batch->wanted.ready(batch->wanted.self, &ready);
  }
}

static struct item *item_of(struct pop_waiter *waiter) { return (struct item *)waiter; }

static bool is_gone(struct pop_waiter *waiter) { return is_client_gone(item_of(waiter)->batch); }

static void land(struct pop_waiter *waiter, const struct pop_landing *landing) {
  const struct item *item = item_of(waiter);
  const bool is_collapsed = waiter->has_joined && landing->kind == POP_OUTCOME_RENDER;
  report(item, landing->variant, is_collapsed ? POP_OUTCOME_COALESCED : landing->kind, &landing->fault);
  close_one(item->batch);
}

// --- the order ---

// Called for different products at the same time. The times of the stages are the order's, not one product's.
static void arrive(void *self, struct recipe_order *order, size_t i) {
  struct batch *batch = self;
  pop_land_with_product(&batch->flights[i], &order->products[i], NULL);
}

static void complete(void *self, struct recipe_order *order) {
  struct batch *batch = self;
  for (size_t i = 0; i < order->count; i++) BASE_ASSERT(!batch->flights[i]);
  pop_queue_end_order(batch->pop);
  close_one(batch);
}

// GETs that wait for one of the flights keep the whole order going: there is no order for a part of it.
static bool is_abandoned(void *self) {
  struct batch *batch = self;
  return is_client_gone(batch) && pop_flights_abandon_alone(&batch->pop->flights, batch->flights, batch->order.count);
}

static void land_all_with_fault(struct batch *batch, size_t count, const struct base_fault *fault) {
  for (size_t i = 0; i < count; i++) pop_land_with_fault(&batch->flights[i], fault);
}

// For the first `count` flights.
static void send_order(struct batch *batch, size_t count) {
  struct base_fault fault = {0};
  const struct recipe_renderer *renderer = &batch->pop->renderer;
  for (size_t i = 0; i < count; i++) batch->recipes[i] = batch->flights[i]->course.recipe;
  batch->order = (struct recipe_order){
      .original = batch->original->id,
      .header = batch->original->header,
      .count = count,
      .recipes = batch->recipes,
      .products = batch->products,
      .request_id = batch->request_id,
      .is_background = batch->wanted.is_background,
      .trace = {.clock = batch->pop->clock},
      .is_cancelled = is_abandoned,
      .arrived = arrive,
      .done = complete,
      .self = batch,
  };
  atomic_fetch_add_explicit(&batch->open, 1, memory_order_relaxed);
  pop_queue_begin_order(batch->pop);
  const enum base_result result = renderer->submit(renderer->self, &batch->order, &fault);
  if (result == BASE_OK) return;
  pop_queue_end_order(batch->pop);
  (void)BASE_FAIL(&fault, result, "", "the renderer took no more orders");
  land_all_with_fault(batch, count, &fault);
  close_one(batch);
}

// --- looking up ---

static bool report_from_ram(const struct item *item) {
  struct pop_variant *variant = cache_lru_get(item->batch->pop->variants, &item->course.key);
  if (!variant) return false;
  report(item, variant, POP_OUTCOME_RAM, NULL);
  pop_variant_unref(&variant);
  return true;
}

// Reading it would move it into RAM, for nobody.
static bool report_presence(const struct item *item) {
  static const struct base_fault no_fault = {0};
  const struct batch *batch = item->batch;
  if (!batch->wanted.is_background || !store_variant_exists(batch->pop->store, &item->course.key)) return false;
  report(item, NULL, POP_OUTCOME_DISK, &no_fault);
  return true;
}

// Joins the item's flight or begins one. The flight that was begun, unless a cache has ended it.
static struct pop_flight *depart(struct item *item) {
  struct batch *batch = item->batch;
  struct pop_flight *begun;
  bool has_moved;
  item->waiter = (struct pop_waiter){.is_gone = is_gone, .is_background = batch->wanted.is_background, .land = land};
  atomic_fetch_add_explicit(&batch->open, 1, memory_order_relaxed);
  if (pop_flights_join(batch->pop, &item->course, batch->request_id, &item->waiter, &begun, &has_moved) != BASE_OK) {
    struct pop_landing landing = {.kind = POP_OUTCOME_ERROR};
    (void)BASE_FAIL(&landing.fault, BASE_NO_MEMORY, "", "no memory for a flight");
    land(&item->waiter, &landing);
    return NULL;
  }
  if (has_moved) pop_queue_hand_over(batch->pop);
  return begun && pop_land_from_caches(&begun) ? NULL : begun;
}

static void look_up(struct batch *batch) {
  size_t missing = 0;
  for (size_t i = 0; i < batch->wanted.count; i++) {
    struct item *item = &batch->items[i];
    if (item->first != i || report_from_ram(item) || report_presence(item)) continue;
    struct pop_flight *begun = depart(item);
    if (begun) batch->flights[missing++] = begun;
  }
  if (missing) send_order(batch, missing);
}

// --- beginning ---

static enum base_result find_original(struct batch *batch, struct base_fault *fault) {
  struct pop_originals *originals = &batch->pop->originals;
  const struct pop_batch *wanted = &batch->wanted;
  batch->original = pop_originals_get(originals, wanted->tenant, &wanted->original);
  if (batch->original) return BASE_OK;
  return pop_originals_load(originals, wanted->tenant, &wanted->original, &batch->original, fault);
}

static enum base_result set_item(struct batch *batch, size_t index, struct base_fault *fault) {
  struct item *item = &batch->items[index];
  struct image_layout layout;
  struct base_fault cause = {0};
  enum base_result result = pop_course_set(batch->original, &batch->wanted.recipes[index], RECIPE_FORMAT_WEBP,
                                           pop_chart(batch->pop, batch->wanted.tenant), &item->course, &cause);
  if (result == BASE_OK) result = recipe_plan(&item->course.recipe, &batch->original->header, &layout, &cause);
  if (result != BASE_OK) return fail_recipe(index, &cause, fault);
  item->batch = batch;
  while (memcmp(&batch->items[item->first].course.key, &item->course.key, sizeof item->course.key) != 0) item->first++;
  return BASE_OK;
}

enum base_result pop_batch_run(struct pop *pop, const struct pop_batch *wanted, struct base_fault *fault) {
  BASE_ASSERT(wanted->count > 0 && wanted->count <= POP_MAX_BATCH);
  struct batch *batch = calloc(1, sizeof *batch);
  if (!batch) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a batch");
  batch->pop = pop;
  batch->wanted = *wanted;
  memcpy(batch->request_id, wanted->request_id, sizeof batch->request_id);
  atomic_init(&batch->open, 1);
  enum base_result result = find_original(batch, fault);
  for (size_t i = 0; result == BASE_OK && i < wanted->count; i++) result = set_item(batch, i, fault);
  if (result != BASE_OK) {
    finish(batch);
    return result;
  }
  look_up(batch);
  close_one(batch);
  return BASE_OK;
}
