#include "integrity/checkpoint.h"

#include <inttypes.h>
#include <string.h>

// "0", or digits that do not begin with one.
static bool to_size(struct base_span text, uint64_t *out) {
  return (text.bytes == 1 || (text.bytes > 1 && text.data[0] != '0')) && base_span_to_u64(text, out);
}

enum base_result integrity_checkpoint_sign(const struct integrity_checkpoint *checkpoint,
                                           const struct integrity_note_key *key, const struct integrity_signer *signer,
                                           struct base_buffer *out, struct base_fault *fault) {
  BASE_ASSERT(strcmp(checkpoint->origin, key->name) == 0);
  char root[BASE_DIGEST_BASE64_CHARS + 1];
  base_base64_encode(base_span_of(checkpoint->root.bytes, sizeof checkpoint->root.bytes), root, sizeof root);
  struct base_buffer text;
  base_buffer_init(&text, INTEGRITY_NOTE_MAX_BYTES);
  enum base_result result =
      base_buffer_printf(&text, "%s\n%" PRIu64 "\n%s\n", checkpoint->origin, checkpoint->size, root);
  if (result == BASE_OK) {
    result = integrity_note_sign(base_buffer_span(&text), key, signer, out, fault);
  } else {
    result = BASE_FAIL(fault, result, "checkpoint", "no room for the checkpoint");
  }
  base_buffer_finish(&text);
  return result;
}

enum base_result integrity_checkpoint_open(struct base_span note, const struct integrity_note_key *key,
                                           struct integrity_checkpoint *out, struct base_fault *fault) {
  struct base_span rest;
  const enum base_result result = integrity_note_open(note, key, &rest, fault);
  if (result != BASE_OK) return result;
  const struct base_span origin = base_span_cut(&rest, '\n'), size = base_span_cut(&rest, '\n');
  const struct base_span root = base_span_cut(&rest, '\n');
  if (!base_span_is(origin, key->name) || !base_span_copy(origin, out->origin, sizeof out->origin)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "checkpoint", "the checkpoint is of another log than %s", key->name);
  }
  size_t bytes;
  if (!to_size(size, &out->size) || root.bytes != BASE_DIGEST_BASE64_CHARS ||
      !base_base64_decode(root, out->root.bytes, sizeof out->root.bytes, &bytes) || bytes != sizeof out->root.bytes) {
    return BASE_FAIL(fault, BASE_CORRUPT, "checkpoint", "the checkpoint's size or root is malformed");
  }
  while (rest.bytes > 0) {
    if (base_span_cut(&rest, '\n').bytes == 0) {
      return BASE_FAIL(fault, BASE_CORRUPT, "checkpoint", "the checkpoint has an empty line");
    }
  }
  return BASE_OK;
}
