#include "integrity/digest.h"

#include <string.h>

#include <nettle/sha2.h>

enum { HMAC_BLOCK_BYTES = 64, HMAC_INNER_PAD = 0x36, HMAC_OUTER_PAD = 0x5c };

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct integrity_hash), "the opaque storage is too small");
_Static_assert(_Alignof(struct sha256_ctx) <= _Alignof(struct integrity_hash), "the opaque storage is misaligned");

static struct sha256_ctx *context_of(struct integrity_hash *hash) { return (void *)hash->state; }

void integrity_hash_init(struct integrity_hash *hash) { sha256_init(context_of(hash)); }

void integrity_hash_update(struct integrity_hash *hash, struct base_span bytes) {
  if (bytes.bytes == 0) return;  // memcpy of a NULL span would be undefined
  sha256_update(context_of(hash), bytes.bytes, bytes.data);
}

void integrity_hash_finish(struct integrity_hash *hash, struct integrity_digest *out) {
  sha256_digest(context_of(hash), sizeof out->bytes, out->bytes);
  explicit_bzero(hash, sizeof *hash);  // the state may hold key material
}

void integrity_digest_of(struct base_span bytes, struct integrity_digest *out) {
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, bytes);
  integrity_hash_finish(&hash, out);
}

static void hash_padded_key(struct integrity_hash *hash, const uint8_t key[HMAC_BLOCK_BYTES], uint8_t pad) {
  uint8_t block[HMAC_BLOCK_BYTES];
  for (size_t i = 0; i < sizeof block; i++) block[i] = key[i] ^ pad;
  integrity_hash_init(hash);
  integrity_hash_update(hash, base_span_of(block, sizeof block));
  explicit_bzero(block, sizeof block);
}

void integrity_digest_pieces(const struct base_span *pieces, size_t count, uint8_t out[BASE_DIGEST_BYTES]) {
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  for (size_t i = 0; i < count; i++) integrity_hash_update(&hash, pieces[i]);
  integrity_hash_finish(&hash, &digest);
  memcpy(out, digest.bytes, sizeof digest.bytes);
}

// RFC 2104: H(key ^ opad || H(key ^ ipad || message)), the key hashed first when it is longer than a block.
void integrity_hmac_pieces(struct base_span key, const struct base_span *pieces, size_t count,
                           struct integrity_digest *out) {
  uint8_t block[HMAC_BLOCK_BYTES] = {0};
  if (key.bytes > sizeof block) {
    struct integrity_digest shortened;
    integrity_digest_of(key, &shortened);
    memcpy(block, shortened.bytes, sizeof shortened.bytes);
    explicit_bzero(&shortened, sizeof shortened);
  } else if (key.bytes > 0) {
    memcpy(block, key.data, key.bytes);
  }

  struct integrity_hash hash;
  struct integrity_digest inner;
  hash_padded_key(&hash, block, HMAC_INNER_PAD);
  for (size_t i = 0; i < count; i++) integrity_hash_update(&hash, pieces[i]);
  integrity_hash_finish(&hash, &inner);

  hash_padded_key(&hash, block, HMAC_OUTER_PAD);
  integrity_hash_update(&hash, base_span_of(inner.bytes, sizeof inner.bytes));
  integrity_hash_finish(&hash, out);
  explicit_bzero(block, sizeof block);
}

void integrity_hmac(struct base_span key, struct base_span message, struct integrity_digest *out) {
  integrity_hmac_pieces(key, &message, 1, out);
}

bool integrity_digest_equal(const struct integrity_digest *a, const struct integrity_digest *b) {
  return base_span_equal_constant_time(base_span_of(a->bytes, sizeof a->bytes),
                                       base_span_of(b->bytes, sizeof b->bytes));
}

void integrity_digest_text(const struct integrity_digest *digest, char out[BASE_DIGEST_BASE64URL_CHARS + 1]) {
  base_base64url_encode(base_span_of(digest->bytes, sizeof digest->bytes), out, BASE_DIGEST_BASE64URL_CHARS + 1);
}

bool integrity_digest_parse(struct base_span text, struct integrity_digest *out) {
  struct integrity_digest parsed;
  if (!base_base64url_decode(text, parsed.bytes, sizeof parsed.bytes)) return false;
  *out = parsed;
  return true;
}
