// Signed notes (c2sp.org/signed-note): text, an empty line, and signature lines; with their verifier keys ("vkey").
//
// `store` signs the ledger's checkpoints with them, verifiers open them. Thread-safe: no state but the caller's.
#ifndef INTEGRITY_NOTE_H
#define INTEGRITY_NOTE_H

#include "integrity/ed25519.h"

enum {
  INTEGRITY_NOTE_MAX_NAME = 127,    // of a key: no spaces, no '+'
  INTEGRITY_NOTE_MAX_BYTES = 8192,  // of a whole note
  INTEGRITY_NOTE_MAX_LINES = 16,    // of signatures
  INTEGRITY_VKEY_MAX_CHARS = INTEGRITY_NOTE_MAX_NAME + 1 + 8 + 1 + 44,
};

// Who may sign: name, and its id, the first four bytes of SHA-256(name || '\n' || 0x01 || public key).
struct integrity_note_key {
  char name[INTEGRITY_NOTE_MAX_NAME + 1];
  uint8_t id[4];
  uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES];
};

// BASE_BAD_INPUT for a name that can not be one.
enum base_result integrity_note_key_init(struct base_span name, const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES],
                                         struct integrity_note_key *out, struct base_fault *fault) BASE_CHECKED;
// "<name>+<id in hex>+<base64 of 0x01 || public key>".
void integrity_note_key_text(const struct integrity_note_key *key, char out[INTEGRITY_VKEY_MAX_CHARS + 1]);
// BASE_BAD_INPUT, also when the id is not the key's; BASE_UNSUPPORTED for another algorithm than Ed25519.
enum base_result integrity_note_key_parse(struct base_span vkey, struct integrity_note_key *out,
                                          struct base_fault *fault) BASE_CHECKED;

// Appends `text` (which ends in '\n' and holds no other control byte), the empty line and one signature line.
enum base_result integrity_note_sign(struct base_span text, const struct integrity_note_key *key,
                                     const struct integrity_signer *signer, struct base_buffer *out,
                                     struct base_fault *fault) BASE_CHECKED;
// *text borrows the signed text, '\n' included. Lines of other keys are passed over; BASE_CORRUPT when the note is
// malformed, none is by `key`, or one by it is wrong.
enum base_result integrity_note_open(struct base_span note, const struct integrity_note_key *key,
                                     struct base_span *text, struct base_fault *fault) BASE_CHECKED;

#endif
