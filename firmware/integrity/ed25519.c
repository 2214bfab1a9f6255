#include "integrity/ed25519.h"

#include <string.h>

#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>

_Static_assert(crypto_sign_ed25519_SEEDBYTES == INTEGRITY_SEED_BYTES, "the library's seed");
_Static_assert(crypto_sign_ed25519_PUBLICKEYBYTES == INTEGRITY_PUBLIC_KEY_BYTES, "the library's public key");
_Static_assert(crypto_sign_ed25519_BYTES == INTEGRITY_SIGNATURE_BYTES, "the library's signature");
_Static_assert(crypto_sign_ed25519_SECRETKEYBYTES == sizeof((struct integrity_signer *)0)->secret, "its secret key");

// sodium_init is for the library's random numbers and its choice of faster code; none of these functions needs it.

void integrity_signer_init(struct integrity_signer *signer, const uint8_t seed[INTEGRITY_SEED_BYTES]) {
  BASE_ASSERT(crypto_sign_ed25519_seed_keypair(signer->public_key, signer->secret, seed) == 0);
}

void integrity_signer_wipe(struct integrity_signer *signer) { sodium_memzero(signer, sizeof *signer); }

void integrity_sign(const struct integrity_signer *signer, struct base_span message,
                    uint8_t out[INTEGRITY_SIGNATURE_BYTES]) {
  BASE_ASSERT(crypto_sign_ed25519_detached(out, NULL, message.data, message.bytes, signer->secret) == 0);
}

bool integrity_is_signed(const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES], struct base_span message,
                         const uint8_t signature[INTEGRITY_SIGNATURE_BYTES]) {
  return crypto_sign_ed25519_verify_detached(signature, message.data, message.bytes, public_key) == 0;
}
