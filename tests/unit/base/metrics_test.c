#include "base/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 1 << 16 };

static void assert_rendered(struct base_metrics *metrics, const char *text) {
  struct base_buffer out;
  base_buffer_init(&out, LIMIT);
  assert_int_equal(base_metrics_render(metrics, &out), BASE_OK);
  assert_int_equal(base_buffer_append(&out, "", 1), BASE_OK);
  assert_string_equal((const char *)out.data, text);
  base_buffer_finish(&out);
}

static void series_of_one_name_stand_together(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct base_metric *ram = base_metrics_counter(metrics, "pixpop_cache_hits_total", "tier=\"ram\"", "Hits.");
  struct base_metric *queue = base_metrics_gauge(metrics, "pixpop_pool_waiting", "", "Tasks waiting.");
  struct base_metric *disk = base_metrics_counter(metrics, "pixpop_cache_hits_total", "tier=\"disk\"", "Hits.");
  base_metric_add(ram, 2);
  base_metric_add(ram, 3);
  base_metric_add(disk, 1);
  base_metric_set(queue, -7);
  assert_rendered(metrics,
                  "# HELP pixpop_cache_hits_total Hits.\n# TYPE pixpop_cache_hits_total counter\n"
                  "pixpop_cache_hits_total{tier=\"ram\"} 5\npixpop_cache_hits_total{tier=\"disk\"} 1\n"
                  "# HELP pixpop_pool_waiting Tasks waiting.\n# TYPE pixpop_pool_waiting gauge\n"
                  "pixpop_pool_waiting -7\n");
  base_metrics_destroy(&metrics);
  assert_null(metrics);
}

static void series_is_found_again_when_registered_twice(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct base_metric *first = base_metrics_counter(metrics, "a_total", "x=\"1\"", "A.");
  assert_ptr_equal(base_metrics_counter(metrics, "a_total", "x=\"1\"", "A."), first);
  assert_ptr_not_equal(base_metrics_counter(metrics, "a_total", "x=\"2\"", "A."), first);
  struct base_histogram *histogram = base_metrics_histogram(metrics, "b_seconds", "", "B.");
  assert_ptr_equal(base_metrics_histogram(metrics, "b_seconds", "", "B."), histogram);
  base_metrics_destroy(&metrics);
}

static void histogram_buckets_are_cumulative(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct base_histogram *histogram = base_metrics_histogram(metrics, "t_seconds", "s=\"x\"", "T.");
  base_histogram_observe_us(histogram, 0);
  base_histogram_observe_us(histogram, 1000);  // a bound belongs to its bucket
  base_histogram_observe_us(histogram, 1001);
  base_histogram_observe_us(histogram, 40000000);
  assert_rendered(metrics,
                  "# HELP t_seconds T.\n# TYPE t_seconds histogram\n"
                  "t_seconds_bucket{s=\"x\",le=\"0.001\"} 2\nt_seconds_bucket{s=\"x\",le=\"0.0025\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"0.005\"} 3\nt_seconds_bucket{s=\"x\",le=\"0.01\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"0.025\"} 3\nt_seconds_bucket{s=\"x\",le=\"0.05\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"0.1\"} 3\nt_seconds_bucket{s=\"x\",le=\"0.25\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"0.5\"} 3\nt_seconds_bucket{s=\"x\",le=\"1\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"2.5\"} 3\nt_seconds_bucket{s=\"x\",le=\"5\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"10\"} 3\nt_seconds_bucket{s=\"x\",le=\"30\"} 3\n"
                  "t_seconds_bucket{s=\"x\",le=\"+Inf\"} 4\n"
                  "t_seconds_sum{s=\"x\"} 40.002001\nt_seconds_count{s=\"x\"} 4\n");
  base_metrics_destroy(&metrics);
}

static void rooms_run_without_metrics(void **state) {
  (void)state;
  struct base_metric *metric = base_metrics_counter(NULL, "a_total", "", "A.");
  assert_null(metric);
  base_metric_add(metric, 1);
  assert_int_equal(base_metric_get(metric), 0);
  assert_null(base_metrics_histogram(NULL, "a_seconds", "", "A."));
  base_histogram_observe_us(NULL, 1);
}

static void render_says_too_large_when_the_buffer_is_small(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  (void)base_metrics_counter(metrics, "a_total", "", "A.");
  struct base_buffer out;
  base_buffer_init(&out, 10);
  assert_int_equal(base_metrics_render(metrics, &out), BASE_TOO_LARGE);
  base_buffer_finish(&out);
  base_metrics_destroy(&metrics);
}

enum { THREADS = 4, ROUNDS = 2000 };

static void *count_up(void *argument) {
  for (int i = 0; i < ROUNDS; i++) {
    base_metric_add(base_metrics_counter(argument, "a_total", "", "A."), 1);
    base_histogram_observe_us(base_metrics_histogram(argument, "b_seconds", "", "B."), 5);
  }
  return NULL;
}

static void nothing_is_lost_when_threads_count_and_render(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_up, metrics), 0);
  for (int i = 0; i < 20; i++) {
    struct base_buffer out;
    base_buffer_init(&out, LIMIT);
    assert_int_equal(base_metrics_render(metrics, &out), BASE_OK);
    base_buffer_finish(&out);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_int_equal(base_metric_get(base_metrics_counter(metrics, "a_total", "", "A.")), THREADS * ROUNDS);
  base_metrics_destroy(&metrics);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(series_of_one_name_stand_together),
      cmocka_unit_test(series_is_found_again_when_registered_twice),
      cmocka_unit_test(histogram_buckets_are_cumulative),
      cmocka_unit_test(rooms_run_without_metrics),
      cmocka_unit_test(render_says_too_large_when_the_buffer_is_small),
      cmocka_unit_test(nothing_is_lost_when_threads_count_and_render),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
