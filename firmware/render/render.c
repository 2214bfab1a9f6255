#include "render/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "keeper.h"
#include "load.h"
#include "sources.h"

enum { DEFAULT_QUEUE_LIMIT = 64, DEFAULT_AVIF_SPEED = 8 };

struct task {
  struct render *render;
  struct recipe_order *order;
  uint64_t submitted_us;
  size_t queue_span;
};

static void run(void *argument) {
  const struct task task = *(struct task *)argument;
  struct render *render = task.render;
  free(argument);
  base_trace_end(&task.order->trace, task.queue_span);
  base_metric_set(render->waiting, (int64_t)base_pool_waiting(render->pool));
  const struct integrity_digest original = task.order->original;
  struct image *levels[IMAGE_LEVELS] = {NULL};
  render_batch_run(render, task.order, levels);
  base_histogram_observe_us(render->seconds, base_clock_us(render->clock) - task.submitted_us);
  task.order->done(task.order->self, task.order);
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    if (!levels[i]) continue;
    render_keeper_keep(render->keeper, &original, levels);
    break;
  }
}

static enum base_result submit(void *self, struct recipe_order *order, struct base_fault *fault) {
  struct render *render = self;
  BASE_ASSERT(order->count > 0);
  struct task *task = malloc(sizeof *task);
  if (!task) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an order");
  *task = (struct task){.render = render,
                        .order = order,
                        .submitted_us = base_clock_us(render->clock),
                        .queue_span = base_trace_begin(&order->trace, "queue")};
  const bool is_taken = order->is_background ? base_pool_submit_background(render->pool, run, task)
                                             : base_pool_submit(render->pool, run, task) == BASE_OK;
  if (is_taken) {
    base_metric_set(render->waiting, (int64_t)base_pool_waiting(render->pool));
    return BASE_OK;
  }
  free(task);
  base_metric_add(render->busy, 1);
  return BASE_FAIL(fault, BASE_BUSY, "", "too many pictures are waiting to be made; try again in a moment");
}

static void register_metrics(struct render *render, struct base_metrics *metrics) {
  static const char products[] = "pixpop_render_products_total";
  static const char help[] = "Variants that were made, and those that could not be";
  render->seconds =
      base_metrics_histogram(metrics, "pixpop_render_seconds", "", "Time from an order to its products, with waiting");
  render->products = base_metrics_counter(metrics, products, "result=\"ok\"", help);
  render->faults = base_metrics_counter(metrics, products, "result=\"fault\"", help);
  render->busy = base_metrics_counter(metrics, "pixpop_render_refused_total", "", "Orders refused by a full queue");
  render->waiting = base_metrics_gauge(metrics, "pixpop_render_waiting", "", "Orders in the queue");
}

static unsigned core_count(void) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (unsigned)cores : 1;
}

enum base_result render_create(const struct render_config *config, struct render **out, struct base_fault *fault) {
  *out = NULL;
  struct render *render = calloc(1, sizeof *render);
  if (!render) return BASE_FAIL(fault, BASE_NO_MEMORY, "render", "no memory for the renderer");
  render->store = config->store;
  render->sandbox = config->sandbox;
  render->resampler = config->resampler;
  render->clock = config->clock;
  render->log = config->log;
  render->effort = config->webp_effort;
  render->avif_speed = config->avif_speed ? config->avif_speed : DEFAULT_AVIF_SPEED;
  render->sharp_yuv = config->sharp_yuv;
  render->linear_light = config->linear_light;
  register_metrics(render, config->metrics);
  enum base_result result = render_sources_create(config->resident_bytes, config->metrics, &render->sources, fault);
  if (result == BASE_OK) result = render_keeper_create(render, config->metrics, &render->keeper, fault);
  const struct base_pool_config pool = {
      .name = "render",
      .threads = config->threads ? config->threads : core_count(),
      .queue_limit = config->queue_limit ? config->queue_limit : DEFAULT_QUEUE_LIMIT,
  };
  if (result == BASE_OK) {
    render->pool = base_pool_create(&pool, fault);
    if (!render->pool) result = BASE_FAIL(fault, BASE_IO, "render", "the render threads could not be started");
  }
  if (result != BASE_OK) {
    render_destroy(&render);
    return result;
  }
  *out = render;
  return BASE_OK;
}

void render_destroy(struct render **render) {
  if (!*render) return;
  base_pool_destroy(&(*render)->pool);
  render_keeper_destroy(&(*render)->keeper);
  render_sources_destroy(&(*render)->sources);
  free(*render);
  *render = NULL;
}

struct recipe_renderer render_renderer(struct render *render) {
  struct recipe_renderer renderer = {.submit = submit, .self = render};
  (void)snprintf(renderer.profile, sizeof renderer.profile, "e%da%d%s%s", render->effort, render->avif_speed,
                 render->sharp_yuv ? "sharp" : "", render->linear_light ? "lin" : "");
  return renderer;
}

static enum base_result keep_levels(struct render *render, const struct integrity_digest *original,
                                    struct image *source, struct base_fault *fault) {
  bool missing[IMAGE_LEVELS];
  struct image *levels[IMAGE_LEVELS];
  if (!render_has_levels(render, source->width, source->height)) return BASE_OK;
  if (!render_keeper_lacks(render, original, missing)) return BASE_OK;
  struct image *picture = image_ref(source);
  enum base_result result = render_load_prepare(render, &picture, fault);
  if (result == BASE_OK) {
    result = image_make_levels(picture, missing, levels);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "size", "no memory for the levels");
  }
  if (result == BASE_OK) {
    render_sources_offer(render, original, picture);
    render_keeper_keep(render->keeper, original, levels);
  }
  image_unref(&picture);
  return result;
}

void render_keep_levels(struct render *render, const struct integrity_digest *original, struct image *source) {
  struct base_fault fault = {0};
  if (keep_levels(render, original, source, &fault) == BASE_OK) return;
  base_log_fault(render->log, BASE_LOG_WARN, RENDER_ROOM, NULL, &fault);
}
