#include "integrity/md5.h"

#include <nettle/md5.h>

_Static_assert(MD5_DIGEST_SIZE == INTEGRITY_MD5_BYTES, "MD5 has 16 bytes");

void integrity_md5_pieces(const struct base_span *pieces, size_t count, uint8_t out[INTEGRITY_MD5_BYTES]) {
  struct md5_ctx context;
  md5_init(&context);
  for (size_t i = 0; i < count; i++) {
    if (pieces[i].bytes > 0) md5_update(&context, pieces[i].bytes, pieces[i].data);
  }
  md5_digest(&context, MD5_DIGEST_SIZE, out);
}
