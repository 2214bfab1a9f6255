// Proofs that an entry is in the ledger (c2sp.org/tlog-proof@v1), and of which object it speaks: the proof's extra data
// are the entry, its salt and its subject (integrity/entry.h).
//
// Offline: a proof, the object's bytes and the ledger's vkey are all that is needed. Thread-safe.
#ifndef INTEGRITY_PROOF_H
#define INTEGRITY_PROOF_H

#include "integrity/checkpoint.h"
#include "integrity/entry.h"
#include "integrity/merkle.h"

enum { INTEGRITY_PROOF_MAX_BYTES = 16 * 1024 };

struct integrity_proof {
  uint8_t entry[INTEGRITY_ENTRY_BYTES];
  uint8_t salt[INTEGRITY_SALT_BYTES];
  struct base_span subject;  // borrowed
  uint64_t index;
  size_t nodes;
  struct integrity_digest path[INTEGRITY_MERKLE_LEVELS];
  struct base_span checkpoint;  // the signed note; borrowed
};

enum base_result integrity_proof_write(const struct integrity_proof *proof, struct base_buffer *out,
                                       struct base_fault *fault) BASE_CHECKED;
// Parses only; `storage` receives the decoded extra data, which `out` borrows, and `text` is borrowed too.
// BASE_CORRUPT.
enum base_result integrity_proof_parse(struct base_span text, struct base_buffer *storage, struct integrity_proof *out,
                                       struct base_fault *fault) BASE_CHECKED;

struct integrity_proven {
  struct integrity_entry entry;
  struct integrity_subject subject;
  struct integrity_checkpoint checkpoint;
};
// Checks everything a proof says: the checkpoint's signature, the path, the commitment, the subject. What remains to be
// seen is whether bytes at hand have the subject's digest and root. BASE_CORRUPT says which step failed.
enum base_result integrity_proof_check(const struct integrity_proof *proof, const struct integrity_note_key *key,
                                       struct integrity_proven *out, struct base_fault *fault) BASE_CHECKED;

#endif
