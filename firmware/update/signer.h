// Private keys of the one who makes a bundle.
#ifndef UPDATE_SIGNER_H
#define UPDATE_SIGNER_H

#include "update/bundle.h"

// Appends key id, length and signature over `digest` with the key in a PEM file. BASE_BAD_INPUT: no P-256 private key.
enum base_result update_sign(const char *key_path, const struct integrity_digest *digest, struct base_buffer *out,
                             struct base_fault *fault) BASE_CHECKED;

#endif
