// Signatures from outside: refused, or a delta comes of it, which stays within its limit.
#include "delta/rolling.h"
#include "delta_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct delta_source source = {.bytes = OLD_BYTES, .read = read_old_object};
  struct base_buffer delta;
  make_old_object();
  base_buffer_init(&delta, OLD_BYTES * 8 / 10);
  const enum base_result result = delta_rolling_make(base_span_of(data, bytes), &source, &delta, NULL);
  if (delta.bytes > OLD_BYTES * 8 / 10 || (result != BASE_OK && delta.bytes != 0)) abort();
  base_buffer_finish(&delta);
  return 0;
}
