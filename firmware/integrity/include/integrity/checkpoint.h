// Checkpoints (c2sp.org/tlog-checkpoint): which log, how many entries, and the root of their tree, as a signed note.
//
// Thread-safe: no state but the caller's.
#ifndef INTEGRITY_CHECKPOINT_H
#define INTEGRITY_CHECKPOINT_H

#include "integrity/digest.h"
#include "integrity/note.h"

struct integrity_checkpoint {
  char origin[INTEGRITY_NOTE_MAX_NAME + 1];  // of the log; the key's name too
  uint64_t size;                             // entries
  struct integrity_digest root;
};

// Appends the signed note.
enum base_result integrity_checkpoint_sign(const struct integrity_checkpoint *checkpoint,
                                           const struct integrity_note_key *key, const struct integrity_signer *signer,
                                           struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Opens the note and parses its text. Extension lines are passed over. BASE_CORRUPT, also when the origin is not the
// key's name.
enum base_result integrity_checkpoint_open(struct base_span note, const struct integrity_note_key *key,
                                           struct integrity_checkpoint *out, struct base_fault *fault) BASE_CHECKED;

#endif
