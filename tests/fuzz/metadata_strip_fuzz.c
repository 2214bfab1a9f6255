// Files without their metadata: what comes out is no larger, is taken again, and comes out of that unchanged.
#include <string.h>

#include "metadata/strip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { FILLER = 1 };  // that a WebP lacks at its end

static void check(enum base_result (*strip)(struct base_span, struct base_buffer *, struct base_fault *),
                  struct base_span file) {
  static const char before[] = "before";
  struct base_buffer out, again, tight;
  struct base_fault fault = {0};
  base_buffer_init(&out, sizeof before + file.bytes + FILLER);
  BASE_ASSERT(base_buffer_append(&out, before, sizeof before) == BASE_OK);
  const enum base_result result = strip(file, &out, &fault);
  BASE_ASSERT(memcmp(out.data, before, sizeof before) == 0);
  if (result != BASE_OK) {
    BASE_ASSERT(out.bytes == sizeof before && fault.result == result && fault.text[0] != '\0');
    BASE_ASSERT(result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED);
    base_buffer_finish(&out);
    return;
  }
  const struct base_span made = base_span_slice(base_buffer_span(&out), sizeof before, out.bytes);
  base_buffer_init(&again, made.bytes);
  BASE_ASSERT(strip(made, &again, NULL) == BASE_OK);
  BASE_ASSERT(base_span_equal(made, base_buffer_span(&again)));
  base_buffer_init(&tight, made.bytes - 1);
  BASE_ASSERT(strip(file, &tight, NULL) == BASE_TOO_LARGE && tight.bytes == 0);
  base_buffer_finish(&tight);
  base_buffer_finish(&again);
  base_buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span file = base_span_of(data, bytes);
  check(metadata_strip_jpeg, file);
  check(metadata_strip_png, file);
  check(metadata_strip_webp, file);
  return 0;
}
