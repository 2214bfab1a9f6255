#include "batch.h"

#include <stdlib.h>

#include "crew.h"
#include "picture.h"
#include "product.h"
#include "sources.h"

// Pictures of an order that are in memory at once; more wait for the next slice. One is always taken.
static const uint64_t SLICE_BYTES = (uint64_t)256 << 20;
enum { BYTES_A_PIXEL = 4 };

struct batch {
  const struct render *render;
  struct recipe_order *order;
  struct item {
    struct render_picture picture;
    size_t recipe;  // its number in the order
    bool has_arrived;
  } * items;                  // one a recipe; the largest first once they are planned
  size_t begin, end;          // of the slice at work
  struct resample_job *jobs;  // of those that need one
  struct render_haul haul;
  atomic_bool is_cancelled;
};

// The product has its blob or fault.
static void arrive(struct batch *batch, struct item *item) {
  struct recipe_order *order = batch->order;
  const bool is_made = order->products[item->recipe].fault.result == BASE_OK;
  base_metric_add(is_made ? batch->render->products : batch->render->faults, 1);
  item->has_arrived = true;
  image_unref(&item->picture.image);
  if (order->arrived) order->arrived(order->self, order, item->recipe);
}

static void fail(struct batch *batch, struct item *item, const struct base_fault *fault) {
  struct recipe_product *product = &batch->order->products[item->recipe];
  if (product->fault.result == BASE_OK) product->fault = *fault;
  arrive(batch, item);
}

// Gives the fault to every product that is not there yet.
static void fail_rest(struct batch *batch, const struct base_fault *fault) {
  for (size_t i = 0; i < batch->order->count; i++) {
    if (!batch->items[i].has_arrived) fail(batch, &batch->items[i], fault);
  }
}

static bool is_cancelled(struct batch *batch, struct base_fault *fault) {
  const struct recipe_order *order = batch->order;
  if (!atomic_load(&batch->is_cancelled)) {
    if (!order->is_cancelled || !order->is_cancelled(order->self)) return false;
    atomic_store(&batch->is_cancelled, true);
  }
  (void)BASE_FAIL(fault, BASE_CANCELLED, "", "nobody waits for the picture any more");
  return true;
}

// A recipe that can not be planned fails alone. Collects the levels that the others want.
static void plan(struct batch *batch) {
  const struct recipe_order *order = batch->order;
  for (size_t i = 0; i < order->count; i++) {
    struct item *item = &batch->items[i];
    struct base_fault *fault = &order->products[i].fault;
    item->recipe = i;
    const enum base_result result =
        render_picture_plan(batch->render, &item->picture, &order->recipes[i], &order->header, fault);
    if (result == BASE_OK) {
      batch->haul.wanted |= 1u << item->picture.level;
    } else {
      (void)BASE_FAIL(fault, result, "", "the recipe can not be followed");
      arrive(batch, item);
    }
  }
}

static enum base_result resample(struct batch *batch, struct base_fault *fault) {
  struct recipe_order *order = batch->order;
  size_t job_count = 0;
  const size_t span = base_trace_begin(&order->trace, "resample");
  for (size_t i = batch->begin; i < batch->end; i++) {
    struct item *item = &batch->items[i];
    struct base_fault *own_fault = &order->products[item->recipe].fault;
    bool needs_job = false;
    if (render_picture_begin(batch->render, &item->picture, &order->recipes[item->recipe],
                             batch->haul.sources[item->picture.level], &batch->jobs[job_count], &needs_job,
                             own_fault) != BASE_OK) {
      arrive(batch, item);
    } else if (needs_job) {
      job_count++;
    }
  }
  enum base_result result = BASE_OK;
  if (job_count) result = resample_run(batch->render->resampler, batch->jobs, job_count, fault);
  base_trace_end(&order->trace, span);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "the picture could not be resampled");
}

static uint64_t work_of(const struct item *item) {
  return item->has_arrived ? 0 : (uint64_t)item->picture.layout.canvas_width * item->picture.layout.canvas_height;
}

// Largest first, so that no thread begins a large picture when the others are finished already.
static int compare_work(const void *a, const void *b) {
  const uint64_t first = work_of(a), second = work_of(b);
  return (first < second) - (first > second);
}

static void encode(void *self, size_t i) {
  struct batch *batch = self;
  struct item *item = &batch->items[batch->begin + i];
  struct base_fault fault = {0};
  if (item->has_arrived) return;  // there was no memory for its picture
  if (is_cancelled(batch, &fault)) {
    fail(batch, item, &fault);
    return;
  }
  render_product_make(batch->render, batch->order, &batch->order->recipes[item->recipe], &item->picture,
                      &batch->order->products[item->recipe]);
  arrive(batch, item);
}

static enum base_result encode_slice(struct batch *batch, struct base_fault *fault) {
  const size_t span = base_trace_begin(&batch->order->trace, "encode");
  const bool is_done = render_crew_run(batch->order->is_background ? NULL : batch->render->pool,
                                       batch->end - batch->begin, encode, batch);
  base_trace_end(&batch->order->trace, span);
  return is_done ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to share the encoding");
}

static void cut_slice(struct batch *batch, size_t count) {
  uint64_t bytes = 0;
  batch->begin = batch->end;
  do {
    bytes += work_of(&batch->items[batch->end++]) * BYTES_A_PIXEL;
  } while (batch->end < count && bytes + work_of(&batch->items[batch->end]) * BYTES_A_PIXEL <= SLICE_BYTES);
}

static void drop_sources(struct batch *batch) {
  for (unsigned level = 0; level < RENDER_LEVELS; level++) resample_source_unref(&batch->haul.sources[level]);
}

static enum base_result make(struct batch *batch, struct base_fault *fault) {
  size_t count = batch->order->count;
  if (is_cancelled(batch, fault)) return BASE_CANCELLED;
  qsort(batch->items, count, sizeof *batch->items, compare_work);
  while (count > 0 && batch->items[count - 1].has_arrived) count--;  // what could not be planned is behind
  enum base_result result = render_sources_get(batch->render, batch->order, &batch->haul, fault);
  while (result == BASE_OK && batch->end < count) {
    cut_slice(batch, count);
    if (is_cancelled(batch, fault)) result = BASE_CANCELLED;
    if (result == BASE_OK) result = resample(batch, fault);
    if (batch->end == count) drop_sources(batch);  // the largest piece of memory, and not needed for encoding
    if (result == BASE_OK) result = encode_slice(batch, fault);
  }
  drop_sources(batch);
  return result;
}

void render_batch_run(const struct render *render, struct recipe_order *order, struct image *levels[]) {
  struct base_fault fault = {0};
  struct batch batch = {.render = render, .order = order};
  batch.items = calloc(order->count, sizeof *batch.items);
  batch.jobs = calloc(order->count, sizeof *batch.jobs);
  if (batch.items && batch.jobs) {
    plan(&batch);
    if (batch.haul.wanted && make(&batch, &fault) != BASE_OK) fail_rest(&batch, &fault);
    for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
      levels[i] = batch.haul.levels[i];
      batch.haul.levels[i] = NULL;
    }
  } else {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for %zu recipes", order->count);
    for (size_t i = 0; i < order->count; i++) {
      struct item item = {.recipe = i};
      fail(&batch, &item, &fault);
    }
  }
  free(batch.items);
  free(batch.jobs);
}
