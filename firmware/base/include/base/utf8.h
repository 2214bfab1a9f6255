// UTF-8 (RFC 3629), for what may be written into logs and JSON.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

#include "base/span.h"

// Bytes of the well-formed character at the start of `text`; 0 when there is none: a stray or missing continuation
// byte, an overlong form, a surrogate, above U+10FFFF, or an empty span.
size_t base_utf8_char_bytes(struct base_span text);

// The same, but 0 for control characters, too: what may stand in a line for people.
size_t base_utf8_plain_bytes(struct base_span text);
// Copies what is plain; every other byte becomes '?'. Cut at a character to fit, terminated; the rest of `out` is
// zeros.
void base_utf8_copy_plain(struct base_span text, char *out, size_t capacity);

#define BASE_UTF8_REPLACEMENT "\xef\xbf\xbd"  // U+FFFD

#endif
