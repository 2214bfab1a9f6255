// Patches from outside: whatever comes, no more than the object is made, and success means all of it. Those that are
// made here come out again.
#include "delta/patch.h"
#include "delta_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void apply(struct base_span patch, uint64_t new_bytes, bool must_do) {
  struct integrity_digest digest;
  uint64_t made = 0;
  const struct delta_sink sink = {.write = count_bytes, .self = &made};
  integrity_digest_of(base_span_of(old_object, OLD_BYTES), &digest);
  const enum base_result result =
      delta_patch_apply(base_span_of(old_object, OLD_BYTES), &digest, patch, new_bytes, &sink, NULL);
  if (result == BASE_OK && made != new_bytes) abort();
  if (must_do && result != BASE_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const uint8_t magic[8] = {0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0};
  struct base_buffer patch;
  struct integrity_digest digest;
  make_old_object();
  integrity_digest_of(base_span_of(old_object, OLD_BYTES), &digest);
  apply(base_span_of(data, bytes), NEW_BYTES, false);
  // The same behind the right head, so that the frames are looked at.
  base_buffer_init(&patch, SIZE_MAX / 2);
  if (base_buffer_append(&patch, magic, sizeof magic) != BASE_OK ||
      base_buffer_append(&patch, digest.bytes, sizeof digest.bytes) != BASE_OK ||
      (bytes > 0 && base_buffer_append(&patch, data, bytes) != BASE_OK))
    abort();
  apply(base_buffer_span(&patch), NEW_BYTES, false);
  patch.bytes = 0;
  if (bytes > 0 && bytes <= NEW_BYTES) {
    const struct base_span old = base_span_of(old_object, OLD_BYTES);
    if (delta_patch_make(old, &digest, base_span_of(data, bytes), &patch, NULL) != BASE_OK) abort();
    apply(base_buffer_span(&patch), bytes, true);
  }
  base_buffer_finish(&patch);
  return 0;
}
