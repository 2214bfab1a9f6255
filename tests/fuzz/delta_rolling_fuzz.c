// Rolling deltas from outside: no more than the object is made, nothing is copied from beyond the old one (the source
// aborts), and success means all of it.
#include "delta/rolling.h"
#include "delta_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct delta_source old = {.bytes = OLD_BYTES, .read = read_old_object};
  for (uint64_t new_bytes = 0; new_bytes <= NEW_BYTES; new_bytes += NEW_BYTES / 2) {
    uint64_t made = 0;
    const struct delta_sink sink = {.write = count_bytes, .self = &made};
    make_old_object();
    const enum base_result result = delta_rolling_apply(&old, base_span_of(data, bytes), new_bytes, &sink, NULL);
    if (made > new_bytes || (result == BASE_OK && made != new_bytes)) abort();
  }
  return 0;
}
