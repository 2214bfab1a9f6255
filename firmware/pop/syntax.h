// Small readers that the URL grammars share. Those of numbers are strict: what has two spellings is taken in one. Where
// a grammar takes several spellings, they tell which one is the plain one.
#ifndef POP_SYNTAX_H
#define POP_SYNTAX_H

#include <stdint.h>

#include "base/span.h"

// Decimal without sign and leading zeros, within first..last.
bool pop_syntax_whole(struct base_span text, uint64_t first, uint64_t last, uint64_t *out) BASE_CHECKED;
// When a URL ends, in Unix seconds: 1..10 digits, not 0.
bool pop_syntax_expiry(struct base_span text, int64_t *out) BASE_CHECKED;
// What may be a signature: 43 characters of base64url. Whether it is one, the policy says.
bool pop_syntax_is_signature(struct base_span text) BASE_CHECKED;

// A decimal in the one spelling that is shortest: no leading zeros but that of "0.5", no trailing ones behind the
// point, at most `decimals` digits there.
bool pop_syntax_is_plain_decimal(struct base_span text, unsigned decimals) BASE_CHECKED;

// RFC 3986 2.3
bool pop_syntax_is_unreserved(uint8_t c) BASE_CHECKED;

// How the characters of a URL are spelt, where several spellings are taken. Zero to begin with.
struct pop_syntax_spelling {
  bool is_odd;              // with an escape that nobody needs, or in lower case
  uint64_t plain, escaped;  // bits of characters that may stand either way
};
// Decodes an escape at the front of `text` ("%2C"), or takes its first character. *length is that of the escape, or 1.
// False for a bad escape; `text` is not empty.
bool pop_syntax_decode(struct base_span text, struct pop_syntax_spelling *spelling, uint8_t *out,
                       size_t *length) BASE_CHECKED;
// True when there is a plainer URL: the same character stands both ways, or one is spelt oddly.
bool pop_syntax_has_plainer(const struct pop_syntax_spelling *spelling) BASE_CHECKED;

#endif
