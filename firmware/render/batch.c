#include "batch.h"

#include <stdlib.h>

#include "base/file.h"
#include "picture.h"
#include "product.h"

enum { MAX_SHRINK = 8, BYTES_A_PIXEL = 4, ALPHA = 3, OPAQUE = 255 };

struct batch {
  const struct render *render;
  struct recipe_order *order;
  struct render_picture *pictures;  // one a recipe
  struct resample_job *jobs;        // of the group at work
  int fd;                           // the original
};

// Neither failed nor done yet.
static bool is_wanted(const struct batch *batch, size_t i, unsigned shrink) {
  const struct recipe_product *product = &batch->order->products[i];
  return product->fault.result == BASE_OK && !product->blob && batch->pictures[i].shrink == shrink;
}

// Gives the fault to every product of the group that has none.
static void fail_group(struct batch *batch, unsigned shrink, const struct base_fault *fault) {
  for (size_t i = 0; i < batch->order->count; i++) {
    if (!is_wanted(batch, i, shrink)) continue;
    batch->order->products[i].fault = *fault;
    image_unref(&batch->pictures[i].image);
  }
}

static void fail_all(struct recipe_order *order, const struct base_fault *fault) {
  for (size_t i = 0; i < order->count; i++) {
    if (order->products[i].fault.result == BASE_OK) order->products[i].fault = *fault;
  }
}

static bool is_cancelled(struct batch *batch, unsigned shrink) {
  const struct recipe_order *order = batch->order;
  if (!order->is_cancelled || !order->is_cancelled(order->self)) return false;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "nobody waits for the picture any more");
  fail_group(batch, shrink, &fault);
  return true;
}

// Many files carry an alpha channel that says nothing; without it every later step has less to do.
static void drop_idle_alpha(struct image *image) {
  if (!image->has_alpha) return;
  for (uint32_t y = 0; y < image->height; y++) {
    const uint8_t *row = image_row(image, y);
    for (size_t x = 0; x < image->width; x++) {
      if (row[x * BYTES_A_PIXEL + ALPHA] != OPAQUE) return;
    }
  }
  image->has_alpha = false;
}

static struct image *decode(struct batch *batch, unsigned shrink) {
  struct recipe_order *order = batch->order;
  struct base_fault fault = {0};
  struct image *source = NULL;
  const size_t span = base_trace_begin(&order->trace, "decode");
  const enum base_result result =
      sandbox_decode(batch->render->sandbox, batch->fd, &order->header, shrink, &source, &fault);
  if (result == BASE_OK) {
    drop_idle_alpha(source);
  } else {
    (void)BASE_FAIL(&fault, result, "", "the original could not be decoded");
    fail_group(batch, shrink, &fault);
    source = NULL;
  }
  base_trace_end(&order->trace, span);
  return source;
}

// False when the whole group failed.
static bool resample(struct batch *batch, unsigned shrink, struct image *source) {
  struct recipe_order *order = batch->order;
  size_t job_count = 0;
  const size_t span = base_trace_begin(&order->trace, "resample");
  for (size_t i = 0; i < order->count; i++) {
    bool needs_job = false;
    if (!is_wanted(batch, i, shrink)) continue;
    if (render_picture_begin(&batch->pictures[i], &order->recipes[i], &order->header, source, &batch->jobs[job_count],
                             &needs_job, &order->products[i].fault) == BASE_OK &&
        needs_job) {
      job_count++;
    }
  }
  struct base_fault fault = {0};
  enum base_result result = BASE_OK;
  if (job_count) result = resample_run(batch->render->resampler, batch->jobs, job_count, &fault);
  if (result != BASE_OK) {
    (void)BASE_FAIL(&fault, result, "", "the picture could not be resampled");
    fail_group(batch, shrink, &fault);
  }
  base_trace_end(&order->trace, span);
  return result == BASE_OK;
}

static void encode(struct batch *batch, unsigned shrink) {
  struct recipe_order *order = batch->order;
  const size_t span = base_trace_begin(&order->trace, "encode");
  for (size_t i = 0; i < order->count; i++) {
    if (!is_wanted(batch, i, shrink)) continue;
    if (is_cancelled(batch, shrink)) break;
    render_product_make(batch->render, &order->recipes[i], &batch->pictures[i].image, &order->products[i]);
  }
  base_trace_end(&order->trace, span);
}

static void run_group(struct batch *batch, unsigned shrink) {
  if (is_cancelled(batch, shrink)) return;
  struct image *source = decode(batch, shrink);
  if (!source || is_cancelled(batch, shrink)) goto out;
  if (!resample(batch, shrink, source)) goto out;
  image_unref(&source);  // the largest piece of memory, and not needed for encoding
  encode(batch, shrink);
out:
  image_unref(&source);
}

static bool has_group(const struct batch *batch, unsigned shrink) {
  for (size_t i = 0; i < batch->order->count; i++) {
    if (is_wanted(batch, i, shrink)) return true;
  }
  return false;
}

// A recipe that can not be planned fails alone: its fault keeps it out of every group.
static void plan(struct batch *batch) {
  const struct recipe_order *order = batch->order;
  for (size_t i = 0; i < order->count; i++) {
    struct base_fault *fault = &order->products[i].fault;
    const enum base_result result = render_picture_plan(&batch->pictures[i], &order->recipes[i], &order->header, fault);
    if (result != BASE_OK) (void)BASE_FAIL(fault, result, "", "the recipe can not be followed");
  }
}

void render_batch_run(const struct render *render, struct recipe_order *order) {
  struct base_fault fault = {0};
  struct batch batch = {.render = render, .order = order, .fd = -1};
  batch.pictures = calloc(order->count, sizeof *batch.pictures);
  batch.jobs = calloc(order->count, sizeof *batch.jobs);
  if (!batch.pictures || !batch.jobs) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for %zu recipes", order->count);
    fail_all(order, &fault);
    goto out;
  }
  const enum base_result result = store_original_open(render->store, &order->original, &batch.fd, &fault);
  if (result != BASE_OK) {
    (void)BASE_FAIL(&fault, result, "id", "the original could not be opened");
    fail_all(order, &fault);
    goto out;
  }
  plan(&batch);
  for (unsigned shrink = 1; shrink <= MAX_SHRINK; shrink *= 2) {
    if (has_group(&batch, shrink)) run_group(&batch, shrink);
  }
out:
  base_fd_close(&batch.fd);
  free(batch.pictures);
  free(batch.jobs);
}
