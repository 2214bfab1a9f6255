// A running delivery server with handlers for tests.
//
//   /text/<anything>   answers at once; the body is the rest of the path
//   /later/<anything>  answers from another thread; the body is the rest of the path
//   /park              keeps the sink until the test answers it
//   /empty /same       204 and 304
//   /big               SERVED_BIG_BYTES from memory
//   /file              from a file: parts "0123456789" [2, 6), then memory "-", then the file's [0, 3)
//   /short-file        promises more than the file holds
//   /client            the client's address in hexadecimal, and "plain" or "secure"
#ifndef TESTS_DELIVERY_SERVED_H
#define TESTS_DELIVERY_SERVED_H

#include <pthread.h>

#include "base/pool.h"
#include "delivery/delivery.h"

enum { SERVED_BIG_BYTES = 8 << 20, SERVED_MAX_PARKED = 32, SERVED_MAX_ROUTES = 9 };

struct served {
  struct delivery *delivery;
  struct base_metrics *metrics;
  struct base_pool *pool;
  struct base_blob *big;
  struct http_file *file;
  struct http_route routes[SERVED_MAX_ROUTES];
  uint16_t port;

  pthread_mutex_t mutex;
  pthread_cond_t has_parked;
  size_t parked_count;
  struct http_sink *parked[SERVED_MAX_PARKED];
};

// `limits`: all but its routes and metrics is used; one loop unless it says more.
void served_start(struct served *served, const struct delivery_config *limits);
// Stops with that much time to drain, destroys, and frees everything.
void served_end(struct served *served, uint32_t drain_ms);
// The oldest sink in /park; waits for one.
struct http_sink *served_take_parked(struct served *served);
// Completes a sink with 200 and that text on this thread.
void served_answer(struct http_sink *sink, const char *text);
// The value of a metric as rendered, e.g. `pixpop_delivery_timeouts_total{state="head"}`.
long served_metric(struct served *served, const char *series);
// Waits until the metric has that value; fails the test when it does not get there.
void served_wait_metric(struct served *served, const char *series, long value);

#endif
