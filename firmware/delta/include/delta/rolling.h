// Rolling deltas: librsync's signatures and deltas, for an old object that only the asking side has.
//
// The asking side sends the signature of its old object; the answering side, which has the new one, sends a delta of
// copies and literals. The formats are librsync's own (rdiff reads them). Both come from the network and are checked
// before the library sees them. Thread-safe.
#ifndef DELTA_ROLLING_H
#define DELTA_ROLLING_H

#include "delta/stream.h"

enum {
  DELTA_SIGNATURE_HEAD_BYTES = 12,
  DELTA_SIGNATURE_ROW_BYTES = 4 + 4,  // of a block: rolling sum and BLAKE2, cut; the result is checked as a whole
  DELTA_SIGNATURE_MAX_ROWS = 7500,    // larger objects have larger blocks
  DELTA_ROLLING_MAX_BYTES = 26 * 1024 * 1024,  // of a delta that is made or taken: both sides hold it in memory
  DELTA_SIGNATURE_MAX_BYTES = DELTA_SIGNATURE_HEAD_BYTES + DELTA_SIGNATURE_MAX_ROWS * DELTA_SIGNATURE_ROW_BYTES,
};

// How many bytes the signature of an object takes.
uint64_t delta_signature_bytes(uint64_t object_bytes);
// Appends it. Errors: the source's, BASE_NO_MEMORY, BASE_TOO_LARGE (out->limit).
enum base_result delta_signature_make(const struct delta_source *old, struct base_buffer *out,
                                      struct base_fault *fault) BASE_CHECKED;
// Appends the delta from what `signature` is of to `new`. BASE_BAD_INPUT for a signature that is none or of unusual
// sizes (blocks of 128 bytes to 1 MiB, sums of 4 to 32, at most DELTA_SIGNATURE_MAX_ROWS, at most a few different
// blocks of one rolling sum); BASE_TOO_LARGE when it does not fit out->limit (the buffer then holds what it held
// before). A hostile signature can make this hash a block for every byte of `new`: whoever takes signatures from
// outside ends that by a failure of the source, which is read every 64 MiB of hashing; its BASE_TOO_LARGE is passed on.
enum base_result delta_rolling_make(struct base_span signature, const struct delta_source *new, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;
// Writes the new object, never more than new_bytes. BASE_CORRUPT when the delta is none, copies what the old object
// does not have, or makes another number of bytes; what was written by then is to be thrown away.
enum base_result delta_rolling_apply(const struct delta_source *old, struct base_span delta, uint64_t new_bytes,
                                     const struct delta_sink *sink, struct base_fault *fault) BASE_CHECKED;

#endif
