// MD5 (RFC 1321), only where a format prescribes it as a name: the profile ID of ICC.1. It protects nothing.
#ifndef INTEGRITY_MD5_H
#define INTEGRITY_MD5_H

#include "base/span.h"

enum { INTEGRITY_MD5_BYTES = 16 };

// Of `count` pieces as if they were one.
void integrity_md5_pieces(const struct base_span *pieces, size_t count, uint8_t out[INTEGRITY_MD5_BYTES]);

#endif
