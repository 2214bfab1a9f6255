// Ed25519 (RFC 8032) by libsodium: the signature of the ledger. mbedTLS has none.
#ifndef INTEGRITY_ED25519_H
#define INTEGRITY_ED25519_H

#include "base/span.h"

enum { INTEGRITY_SEED_BYTES = 32, INTEGRITY_PUBLIC_KEY_BYTES = 32, INTEGRITY_SIGNATURE_BYTES = 64 };

// A secret key; wipe it after use.
struct integrity_signer {
  uint8_t secret[64];
  uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES];
};

void integrity_signer_init(struct integrity_signer *signer, const uint8_t seed[INTEGRITY_SEED_BYTES]);
void integrity_signer_wipe(struct integrity_signer *signer);
void integrity_sign(const struct integrity_signer *signer, struct base_span message,
                    uint8_t out[INTEGRITY_SIGNATURE_BYTES]);
// False for a wrong signature, and for keys and signatures of small order or not in canonical form.
bool integrity_is_signed(const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES], struct base_span message,
                         const uint8_t signature[INTEGRITY_SIGNATURE_BYTES]);

#endif
