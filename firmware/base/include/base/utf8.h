// UTF-8 (RFC 3629), for what may be written into logs and JSON.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

#include "base/span.h"

// Bytes of the well-formed character at the start of `text`; 0 when there is none: a stray or missing continuation
// byte, an overlong form, a surrogate, above U+10FFFF, or an empty span.
size_t base_utf8_char_bytes(struct base_span text);

#define BASE_UTF8_REPLACEMENT "\xef\xbf\xbd"  // U+FFFD

#endif
