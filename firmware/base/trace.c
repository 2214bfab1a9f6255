#include "base/trace.h"

#include <inttypes.h>
#include <stdio.h>

size_t base_trace_begin(struct base_trace *trace, const char *stage) {
  if (!trace || trace->count >= BASE_TRACE_MAX_SPANS) return BASE_TRACE_MAX_SPANS;
  const size_t index = trace->count++;
  trace->spans[index].stage = stage;
  trace->spans[index].start_us = base_clock_us(trace->clock);
  trace->spans[index].end_us = 0;
  return index;
}

void base_trace_end(struct base_trace *trace, size_t index) {
  if (!trace || index >= trace->count) return;
  trace->spans[index].end_us = base_clock_us(trace->clock);
}

void base_trace_format(const struct base_trace *trace, char *out, size_t capacity) {
  if (capacity == 0) return;
  out[0] = '\0';
  if (!trace) return;
  size_t used = 0;
  for (size_t i = 0; i < trace->count; i++) {
    if (trace->spans[i].end_us == 0) continue;
    const uint64_t tenths_ms = (trace->spans[i].end_us - trace->spans[i].start_us + 50) / 100;
    const int length = snprintf(out + used, capacity - used, "%s%s;dur=%" PRIu64 ".%" PRIu64, used ? ", " : "",
                                trace->spans[i].stage, tenths_ms / 10, tenths_ms % 10);
    if (length < 0 || (size_t)length >= capacity - used) {
      out[used] = '\0';  // only whole spans
      return;
    }
    used += (size_t)length;
  }
}
