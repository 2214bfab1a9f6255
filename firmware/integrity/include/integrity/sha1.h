// SHA-1 (FIPS 180-4), only where a protocol prescribes it against accidents: the checksums of tus 1.0.0. It protects
// nothing.
#ifndef INTEGRITY_SHA1_H
#define INTEGRITY_SHA1_H

#include "base/span.h"

enum { INTEGRITY_SHA1_BYTES = 20 };

// A running digest in the caller's struct.
struct integrity_sha1 {
  _Alignas(16) uint8_t state[112];
};

void integrity_sha1_init(struct integrity_sha1 *hash);
void integrity_sha1_update(struct integrity_sha1 *hash, struct base_span bytes);
void integrity_sha1_finish(struct integrity_sha1 *hash, uint8_t out[INTEGRITY_SHA1_BYTES]);

#endif
