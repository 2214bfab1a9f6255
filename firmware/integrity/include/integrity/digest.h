// SHA-256 (FIPS 180-4) and HMAC-SHA256 behind one file; the library behind it can be changed here alone.
#ifndef INTEGRITY_DIGEST_H
#define INTEGRITY_DIGEST_H

#include "base/span.h"
#include "base/text.h"

struct integrity_digest {
  uint8_t bytes[BASE_DIGEST_BYTES];
};

// A running digest. Opaque storage, so that it can live in the caller's struct without a heap.
struct integrity_hash {
  _Alignas(16) uint8_t state[160];
};

void integrity_hash_init(struct integrity_hash *hash);
void integrity_hash_update(struct integrity_hash *hash, struct base_span bytes);
void integrity_hash_finish(struct integrity_hash *hash, struct integrity_digest *out);
// In one go.
void integrity_digest_of(struct base_span bytes, struct integrity_digest *out);
// Of `count` pieces as if they were one; raw bytes, so that rooms which know no cryptography can be handed it.
void integrity_digest_pieces(const struct base_span *pieces, size_t count, uint8_t out[BASE_DIGEST_BYTES]);
void integrity_hmac(struct base_span key, struct base_span message, struct integrity_digest *out);
// Of `count` pieces as if they were one message.
void integrity_hmac_pieces(struct base_span key, const struct base_span *pieces, size_t count,
                           struct integrity_digest *out);

bool integrity_digest_equal(const struct integrity_digest *a, const struct integrity_digest *b);
// 43 characters of base64url and a terminator: the id of an original.
void integrity_digest_text(const struct integrity_digest *digest, char out[BASE_DIGEST_BASE64URL_CHARS + 1]);
bool integrity_digest_parse(struct base_span text, struct integrity_digest *out) BASE_CHECKED;

#endif
