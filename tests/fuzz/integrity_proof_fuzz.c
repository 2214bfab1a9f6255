// Proofs (tlog-proof@v1), as anybody may hand them to a verifier.
#include "integrity/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span input = base_span_of(data, bytes);
  const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES] = {9};
  struct integrity_note_key key;
  BASE_ASSERT(integrity_note_key_init(base_span_text("box"), public_key, &key, NULL) == BASE_OK);
  struct base_buffer storage;
  struct integrity_proof proof;
  struct base_fault fault = {0};
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  const enum base_result result = integrity_proof_parse(input, &storage, &proof, &fault);
  BASE_ASSERT(fault.result == result);
  if (result == BASE_OK) {
    struct integrity_proven proven;
    BASE_ASSERT(integrity_proof_check(&proof, &key, &proven, NULL) != BASE_OK);  // nobody has this key's secret
    struct base_buffer again;                                                    // a proof has one spelling
    base_buffer_init(&again, INTEGRITY_PROOF_MAX_BYTES);
    BASE_ASSERT(integrity_proof_write(&proof, &again, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(base_buffer_span(&again), input));
    base_buffer_finish(&again);
  }
  base_buffer_finish(&storage);
  return 0;
}
