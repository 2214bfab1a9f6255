#include "render/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "state.h"

enum { DEFAULT_QUEUE_LIMIT = 64 };

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
  render_batch_run(render, task.order);
  for (size_t i = 0; i < task.order->count; i++) {
    base_metric_add(task.order->products[i].blob ? render->products : render->faults, 1);
  }
  base_histogram_observe_us(render->seconds, base_clock_us(render->clock) - task.submitted_us);
  task.order->done(task.order->self, task.order);
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
  if (base_pool_submit(render->pool, run, task) == BASE_OK) {
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
  render->sharp_yuv = config->sharp_yuv;
  register_metrics(render, config->metrics);
  const struct base_pool_config pool = {
      .name = "render",
      .threads = config->threads ? config->threads : core_count(),
      .queue_limit = config->queue_limit ? config->queue_limit : DEFAULT_QUEUE_LIMIT,
  };
  render->pool = base_pool_create(&pool, fault);
  if (!render->pool) {
    free(render);
    return BASE_FAIL(fault, BASE_IO, "render", "the render threads could not be started");
  }
  *out = render;
  return BASE_OK;
}

void render_destroy(struct render **render) {
  if (!*render) return;
  base_pool_destroy(&(*render)->pool);
  free(*render);
  *render = NULL;
}

struct recipe_renderer render_renderer(struct render *render) {
  struct recipe_renderer renderer = {.submit = submit, .self = render};
  (void)snprintf(renderer.profile, sizeof renderer.profile, "effort%d%s", render->effort,
                 render->sharp_yuv ? "sharp" : "");
  return renderer;
}
