// Metrics: counters, gauges and histograms in the Prometheus text format (version 0.0.4).
//
// Rooms register what they count at creation and keep the pointers; adding is one atomic operation. The
// registry owns everything. Names follow Prometheus practice: pixpop_<room>_<what>_<unit>[_total].
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/span.h"

struct base_metrics;
struct base_histogram;

// A counter or a gauge. NULL pointers are accepted by the functions below, so a room may run without metrics.
struct base_metric {
  atomic_int_fast64_t value;
};

struct base_metrics *base_metrics_create(void);
void base_metrics_destroy(struct base_metrics **metrics);

// Registers (or finds again) a series. `labels` is the inside of the braces, e.g. `tier="ram",result="hit"`, or "".
// Strings are copied. `metrics` may be NULL: returns NULL. Aborts when memory is short (start-up only).
struct base_metric *base_metrics_counter(struct base_metrics *metrics, const char *name, const char *labels,
                                         const char *help);
struct base_metric *base_metrics_gauge(struct base_metrics *metrics, const char *name, const char *labels,
                                       const char *help);
// Histogram of seconds with fixed buckets 1 ms .. 30 s.
struct base_histogram *base_metrics_histogram(struct base_metrics *metrics, const char *name, const char *labels,
                                              const char *help);

static inline void base_metric_add(struct base_metric *metric, int64_t amount) {
  if (metric) atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}
static inline void base_metric_set(struct base_metric *metric, int64_t value) {
  if (metric) atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}
static inline int64_t base_metric_get(const struct base_metric *metric) {
  return metric ? atomic_load_explicit(&metric->value, memory_order_relaxed) : 0;
}
void base_histogram_observe_us(struct base_histogram *histogram, uint64_t microseconds);

// Appends the exposition text of everything registered.
enum base_result base_metrics_render(struct base_metrics *metrics, struct base_buffer *out) BASE_CHECKED;

#endif
