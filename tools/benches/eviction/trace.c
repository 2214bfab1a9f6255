#include "trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_BYTES = 200, MOST_BYTES = 8 << 20 };

// Requests, objects and one-hit wonders of the first two: table 1 of Yang et al., "FIFO Queues are All You Need for
// Cache Eviction", SOSP '23. Tencent Photo (Zhou et al., ICS '18): 5,650 M requests for 1,038 M objects, 55 % of which
// come once; "most photos are requested in a limited period following the upload". WikiMedia CDN, upload: 2,863 M for
// 56 M, 46 %. Sizes are those of photo CDNs: some 10 to 20 KB at the median, a long tail, 8 MB at the most.
// What is not published, zipf and soon, is set so that LRU with a cache of 1 % of the objects misses as often as that
// paper says (0.447 and 0.472).
const struct trace_shape trace_shapes[] = {
    {"tencent-photo", 5.44, 0.55, 0.85, 0.51, 0.0025, 13000, 1.3, 0, 0},
    {"wiki-upload", 51, 0.46, 1.01, 0.05, 0.003, 18000, 1.4, 0, 0},
    // A shop's catalogue with its favourites, and a crawler that reads every picture of the archive once a day.
    {"scan", 20, 0.10, 0.90, 0, 0, 18000, 1.2, 30000, 8},
    // A newsroom: what is new is asked for, and soon nobody asks any more. What LRU is for.
    {"fresh", 20, 0.30, 0.70, 0.98, 0.002, 18000, 1.2, 0, 0},
};
const size_t trace_shape_count = sizeof trace_shapes / sizeof trace_shapes[0];

static uint64_t mix(uint64_t *state) {  // splitmix64
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static double even(uint64_t *state) { return ((double)(mix(state) >> 11) + 0.5) * 0x1p-53; }

static double normal(uint64_t *state) {  // Box and Muller
  const double radius = sqrt(-2 * log(even(state)));
  return radius * cos(6.283185307179586 * even(state));
}

struct event {
  double time;
  uint32_t object;
};

static int by_time(const void *a, const void *b) {
  const struct event *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return (x->object > y->object) - (x->object < y->object);
}

static double zipf_weight(size_t rank, double zipf, double scale) {
  const double wanted = scale * pow((double)(rank + 1), -zipf);
  return wanted < 2 ? 2 : wanted;
}

// The scale at which all objects together get `requests`.
static double find_scale(size_t objects, double zipf, double requests) {
  double low = 0, high = requests;
  for (int step = 0; step < 60; step++) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (size_t i = 0; i < objects && sum < requests; i++) sum += zipf_weight(i, zipf, middle);
    *(sum < requests ? &low : &high) = middle;
  }
  return low;
}

// An object's requests: the first at its birth. Old favourites were born before the trace begins.
static size_t add_requests(const struct trace_shape *shape, uint32_t object, size_t count, uint64_t *luck,
                           struct event *out) {
  const double birth = even(luck);
  const double first = shape->soon_share > 0.5 ? birth : 0;
  out[0] = (struct event){first > 0 ? first : even(luck), object};
  for (size_t i = 1; i < count; i++) {
    double time = first + even(luck) * (1 - first);
    if (even(luck) < shape->soon_share) time = birth + shape->soon * exp(1.2 * normal(luck));
    // Beyond the end it is another trace's: it comes at once, so that counts stay.
    out[i] = (struct event){time < 1 ? time : birth + (1 - birth) * even(luck), object};
  }
  return count;
}

static size_t add_scans(const struct trace_shape *shape, uint32_t first_object, struct event *out) {
  size_t count = 0;
  for (uint32_t scan = 0; scan < shape->scans; scan++) {
    const double begin = (scan + 0.5) / shape->scans, step = 0.02 / shape->scans / shape->scan_objects;
    for (uint32_t i = 0; i < shape->scan_objects; i++)
      out[count++] = (struct event){begin + i * step, first_object + i};
  }
  return count;
}

static void make_sizes(const struct trace_shape *shape, uint64_t *luck, struct trace *out) {
  out->total_bytes = 0;
  for (size_t i = 0; i < out->object_count; i++) {
    const double bytes = shape->median_bytes * exp(shape->sigma * normal(luck));
    out->bytes[i] = bytes < LEAST_BYTES ? LEAST_BYTES : bytes > MOST_BYTES ? MOST_BYTES : (uint32_t)bytes;
    out->total_bytes += out->bytes[i];
  }
}

static void must(const void *memory) {
  if (!memory) abort();
}

void trace_make(const struct trace_shape *shape, size_t requests, uint64_t seed, struct trace *out) {
  uint64_t luck = seed;
  const size_t scanned = (size_t)shape->scan_objects * shape->scans;
  const size_t asked = requests - scanned;
  const size_t objects = (size_t)((double)asked / shape->requests_an_object);
  const size_t wonders = (size_t)((double)objects * shape->one_hit_share), others = objects - wonders;
  const double scale = find_scale(others, shape->zipf, (double)(asked - wonders));
  struct event *events = malloc((requests + others + 1) * sizeof *events);
  must(events);
  size_t count = 0, singles = wonders;
  for (size_t i = 0; i < others && count < asked - wonders; i++) {
    // Rounded by chance, so that the sum comes out.
    const size_t wanted = (size_t)(zipf_weight(i, shape->zipf, scale) + even(&luck));
    const size_t left = asked - wonders - count;
    count += add_requests(shape, (uint32_t)i, wanted < left ? wanted : left, &luck, events + count);
  }
  for (size_t i = 0; i < wonders; i++) events[count++] = (struct event){even(&luck), (uint32_t)(others + i)};
  count += add_scans(shape, (uint32_t)objects, events + count);
  qsort(events, count, sizeof *events, by_time);

  *out = (struct trace){.request_count = count,
                        .object_count = objects + shape->scan_objects,
                        .one_hit_share = (double)singles / (double)objects};
  out->requests = malloc(count * sizeof *out->requests);
  out->bytes = malloc(out->object_count * sizeof *out->bytes);
  must(out->requests);
  must(out->bytes);
  for (size_t i = 0; i < count; i++) out->requests[i] = events[i].object;
  free(events);
  make_sizes(shape, &luck, out);
}

void trace_free(struct trace *trace) {
  free(trace->requests);
  free(trace->bytes);
}
