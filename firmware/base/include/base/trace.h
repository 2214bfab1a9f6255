// Trace: the stages of one request with their times; ends up in the log and in Server-Timing.
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { BASE_TRACE_MAX_SPANS = 12 };

// Belongs to one request; only one thread uses it at a time. Zero-initialise, then set `clock`.
struct base_trace {
  const struct base_clock *clock;
  size_t count;
  struct {
    const char *stage;  // static string: "decode", "resample", "encode" ...
    uint64_t start_us;
    uint64_t end_us;  // 0 while open
  } spans[BASE_TRACE_MAX_SPANS];
};

// Opens a span and returns its index for base_trace_end; `trace` may be NULL. Spans over the maximum are dropped.
size_t base_trace_begin(struct base_trace *trace, const char *stage);
void base_trace_end(struct base_trace *trace, size_t index);
// Writes `decode;dur=12.3, resample;dur=4.5` (RFC-like Server-Timing value); always terminates, may cut whole spans.
void base_trace_format(const struct base_trace *trace, char *out, size_t capacity);

#endif
