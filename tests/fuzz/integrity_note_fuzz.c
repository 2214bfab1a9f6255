// Signed notes, checkpoints and verifier keys, as a hostile server may send them.
//
// The input is tried as a note, as a verifier key, and as the text of a note with a right signature, so that what lies
// behind the signature is reached.
#include <string.h>

#include "integrity/checkpoint.h"

static const uint8_t seed[INTEGRITY_SEED_BYTES] = {9};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_vkey(struct base_span input) {
  struct integrity_note_key key;
  struct base_fault fault = {0};
  const enum base_result result = integrity_note_key_parse(input, &key, &fault);
  BASE_ASSERT(fault.result == result);
  if (result != BASE_OK) return;
  char again[INTEGRITY_VKEY_MAX_CHARS + 1];
  integrity_note_key_text(&key, again);
  BASE_ASSERT(base_span_is(input, again));
}

static void check_note(struct base_span input, const struct integrity_note_key *key) {
  struct integrity_checkpoint checkpoint;
  struct base_fault fault = {0};
  const enum base_result result = integrity_checkpoint_open(input, key, &checkpoint, &fault);
  BASE_ASSERT(fault.result == result);
  BASE_ASSERT(result == BASE_OK || result == BASE_CORRUPT);
  if (result == BASE_OK) BASE_ASSERT(strcmp(checkpoint.origin, key->name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span input = base_span_of(data, bytes);
  struct integrity_signer signer;
  struct integrity_note_key key;
  integrity_signer_init(&signer, seed);
  BASE_ASSERT(integrity_note_key_init(base_span_text("box"), signer.public_key, &key, NULL) == BASE_OK);
  check_vkey(input);
  check_note(input, &key);
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  if (integrity_note_sign(input, &key, &signer, &note, NULL) == BASE_OK) {
    struct base_span text;
    BASE_ASSERT(integrity_note_open(base_buffer_span(&note), &key, &text, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(text, input));
    check_note(base_buffer_span(&note), &key);
  }
  base_buffer_finish(&note);
  return 0;
}
