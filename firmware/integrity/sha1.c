#include "integrity/sha1.h"

#include <nettle/sha1.h>

_Static_assert(sizeof(struct sha1_ctx) <= sizeof(struct integrity_sha1), "the opaque storage is too small");
_Static_assert(_Alignof(struct sha1_ctx) <= _Alignof(struct integrity_sha1), "the opaque storage is misaligned");
_Static_assert(SHA1_DIGEST_SIZE == INTEGRITY_SHA1_BYTES, "SHA-1 has 20 bytes");

static struct sha1_ctx *context_of(struct integrity_sha1 *hash) { return (void *)hash->state; }

void integrity_sha1_init(struct integrity_sha1 *hash) { sha1_init(context_of(hash)); }

void integrity_sha1_update(struct integrity_sha1 *hash, struct base_span bytes) {
  if (bytes.bytes == 0) return;  // memcpy of a NULL span would be undefined
  sha1_update(context_of(hash), bytes.bytes, bytes.data);
}

void integrity_sha1_finish(struct integrity_sha1 *hash, uint8_t out[INTEGRITY_SHA1_BYTES]) {
  sha1_digest(context_of(hash), INTEGRITY_SHA1_BYTES, out);
}
