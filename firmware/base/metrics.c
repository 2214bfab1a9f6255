#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};

// Upper bounds of the buckets, and their names in seconds; a last bucket holds what is above.
static const struct {
  uint64_t up_to_us;
  const char *seconds;
} buckets[] = {
    {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},
    {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},
    {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"}, {30000000, "30"},
};
enum { BUCKET_COUNT = sizeof buckets / sizeof buckets[0] };

struct base_histogram {
  atomic_uint_fast64_t counts[BUCKET_COUNT + 1];
  atomic_uint_fast64_t sum_us;
};

struct series {
  struct series *next;
  char *labels;
  struct base_metric metric;         // COUNTER, GAUGE
  struct base_histogram *histogram;  // HISTOGRAM
};

// All series of one name: the format wants them together, under one HELP and TYPE.
struct family {
  struct family *next;
  char *name;
  char *help;
  enum kind kind;
  struct series *series;
};

struct base_metrics {
  pthread_mutex_t lock;  // guards the lists; values are atomic
  struct family *families;
};

static void *must(void *memory) {
  BASE_ASSERT(memory);
  return memory;
}

struct base_metrics *base_metrics_create(void) {
  struct base_metrics *metrics = must(calloc(1, sizeof *metrics));
  pthread_mutex_init(&metrics->lock, NULL);
  return metrics;
}

static void destroy_series(struct series *series) {
  while (series) {
    struct series *next = series->next;
    free(series->histogram);
    free(series->labels);
    free(series);
    series = next;
  }
}

void base_metrics_destroy(struct base_metrics **metrics) {
  if (!*metrics) return;
  struct family *family = (*metrics)->families;
  while (family) {
    struct family *next = family->next;
    destroy_series(family->series);
    free(family->name);
    free(family->help);
    free(family);
    family = next;
  }
  pthread_mutex_destroy(&(*metrics)->lock);
  free(*metrics);
  *metrics = NULL;
}

static struct family *find_or_add_family(struct base_metrics *metrics, const char *name, const char *help,
                                         enum kind kind) {
  struct family **at = &metrics->families;
  for (; *at; at = &(*at)->next) {
    if (strcmp((*at)->name, name) != 0) continue;
    BASE_ASSERT((*at)->kind == kind);
    return *at;
  }
  BASE_ASSERT(!strpbrk(help, "\\\n"));  // would need escaping
  *at = must(calloc(1, sizeof **at));
  (*at)->name = must(strdup(name));
  (*at)->help = must(strdup(help));
  (*at)->kind = kind;
  return *at;
}

static struct series *find_or_add_series(struct family *family, const char *labels) {
  struct series **at = &family->series;
  for (; *at; at = &(*at)->next) {
    if (strcmp((*at)->labels, labels) == 0) return *at;
  }
  *at = must(calloc(1, sizeof **at));
  (*at)->labels = must(strdup(labels));
  if (family->kind == HISTOGRAM) (*at)->histogram = must(calloc(1, sizeof *(*at)->histogram));
  return *at;
}

static struct series *register_series(struct base_metrics *metrics, const char *name, const char *labels,
                                      const char *help, enum kind kind) {
  pthread_mutex_lock(&metrics->lock);
  struct series *series = find_or_add_series(find_or_add_family(metrics, name, help, kind), labels);
  pthread_mutex_unlock(&metrics->lock);
  return series;
}

struct base_metric *base_metrics_counter(struct base_metrics *metrics, const char *name, const char *labels,
                                         const char *help) {
  return metrics ? &register_series(metrics, name, labels, help, COUNTER)->metric : NULL;
}

struct base_metric *base_metrics_gauge(struct base_metrics *metrics, const char *name, const char *labels,
                                       const char *help) {
  return metrics ? &register_series(metrics, name, labels, help, GAUGE)->metric : NULL;
}

struct base_histogram *base_metrics_histogram(struct base_metrics *metrics, const char *name, const char *labels,
                                              const char *help) {
  return metrics ? register_series(metrics, name, labels, help, HISTOGRAM)->histogram : NULL;
}

void base_histogram_observe_us(struct base_histogram *histogram, uint64_t microseconds) {
  if (!histogram) return;
  size_t bucket = 0;
  while (bucket < BUCKET_COUNT && microseconds > buckets[bucket].up_to_us) bucket++;
  atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->sum_us, microseconds, memory_order_relaxed);
}

static enum base_result render_value(struct base_buffer *out, const char *name, const struct series *series) {
  const bool has_labels = series->labels[0] != '\0';
  return base_buffer_printf(out, "%s%s%s%s %" PRId64 "\n", name, has_labels ? "{" : "", series->labels,
                            has_labels ? "}" : "", base_metric_get(&series->metric));
}

static enum base_result render_histogram(struct base_buffer *out, const char *name, const struct series *series) {
  const char *labels = series->labels;
  const char *comma = labels[0] ? "," : "";
  uint64_t total = 0;
  for (size_t i = 0; i <= BUCKET_COUNT; i++) {
    total += atomic_load_explicit(&series->histogram->counts[i], memory_order_relaxed);
    const enum base_result result = base_buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels,
                                                       comma, i < BUCKET_COUNT ? buckets[i].seconds : "+Inf", total);
    if (result != BASE_OK) return result;
  }
  const uint64_t sum_us = atomic_load_explicit(&series->histogram->sum_us, memory_order_relaxed);
  const char *open = labels[0] ? "{" : "";
  const char *close = labels[0] ? "}" : "";
  // The count is the sum of the buckets just read, so that the two agree while others add.
  return base_buffer_printf(out, "%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n%s_count%s%s%s %" PRIu64 "\n", name, open,
                            labels, close, sum_us / 1000000, sum_us % 1000000, name, open, labels, close, total);
}

static enum base_result render_family(struct base_buffer *out, const struct family *family) {
  enum base_result result = base_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
                                               family->name, kind_names[family->kind]);
  for (const struct series *series = family->series; series && result == BASE_OK; series = series->next) {
    result = family->kind == HISTOGRAM ? render_histogram(out, family->name, series)
                                       : render_value(out, family->name, series);
  }
  return result;
}

enum base_result base_metrics_render(struct base_metrics *metrics, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&metrics->lock);
  for (const struct family *family = metrics->families; family && result == BASE_OK; family = family->next) {
    result = render_family(out, family);
  }
  pthread_mutex_unlock(&metrics->lock);
  return result;
}
