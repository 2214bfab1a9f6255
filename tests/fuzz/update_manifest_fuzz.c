// The manifest of an update bundle, as one may come that somebody signed who should not have: what is taken is written
// again with the same bytes.
#include <string.h>

#include "update/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct update_manifest manifest;
  struct base_fault fault = {0};
  const struct base_span text = base_span_of(data, bytes);
  const enum base_result result = update_manifest_parse(text, &manifest, &fault);
  BASE_ASSERT(fault.result == result);
  BASE_ASSERT(result == BASE_OK || result == BASE_BAD_INPUT || result == BASE_TOO_LARGE);
  if (result != BASE_OK) return 0;
  struct base_buffer again;
  base_buffer_init(&again, UPDATE_MAX_MANIFEST);
  BASE_ASSERT(update_manifest_write(&manifest, &again, NULL) == BASE_OK);
  BASE_ASSERT(base_span_equal(base_buffer_span(&again), text));
  BASE_ASSERT(manifest.parts[UPDATE_BOOT].bytes >= 1 && manifest.parts[UPDATE_BOOT].bytes <= UPDATE_MAX_IMAGE_BYTES);
  BASE_ASSERT(manifest.parts[UPDATE_ROOT].bytes >= 1 && manifest.parts[UPDATE_ROOT].bytes <= UPDATE_MAX_IMAGE_BYTES);
  BASE_ASSERT(slots_version_is_valid(manifest.version) && strchr(manifest.board, '/') == NULL);
  base_buffer_finish(&again);
  return 0;
}
