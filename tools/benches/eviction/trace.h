// Traces of requests, made by a seed, whose shape is that of published ones.
#ifndef EVICTION_TRACE_H
#define EVICTION_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct trace_shape {
  const char *name;
  // As published: how many objects the requests are for, and the share of objects that are asked for once only.
  double requests_an_object, one_hit_share;
  // The k-th most popular of the others gets a share of 1/k^zipf of what is left, and two requests at the least.
  double zipf;
  // The share of an object's requests that come soon after its first one: ages are log-normal around `soon` of the
  // trace's length. The others come at any time after it.
  double soon_share, soon;
  // Bytes of an object: log-normal, between 200 bytes and 8 MiB.
  double median_bytes, sigma;
  // Scans: so many objects, each once, in a row, so many times over the trace.
  uint32_t scan_objects, scans;
};

extern const struct trace_shape trace_shapes[];
extern const size_t trace_shape_count;

struct trace {
  size_t request_count, object_count;
  uint32_t *requests;  // objects by number
  uint32_t *bytes;     // of each object
  uint64_t total_bytes;
  double one_hit_share;  // as made
};

void trace_make(const struct trace_shape *shape, size_t requests, uint64_t seed, struct trace *out);
void trace_free(struct trace *trace);

#endif
