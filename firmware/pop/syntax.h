// Small readers that the URL grammars share. All are strict: what has two spellings is taken in one.
#ifndef POP_SYNTAX_H
#define POP_SYNTAX_H

#include "base/span.h"

// Decimal without sign and leading zeros, within first..last.
bool pop_syntax_whole(struct base_span text, uint64_t first, uint64_t last, uint64_t *out) BASE_CHECKED;
// When a URL ends, in Unix seconds: 1..10 digits, not 0.
bool pop_syntax_expiry(struct base_span text, int64_t *out) BASE_CHECKED;
// What may be a signature: 43 characters of base64url. Whether it is one, the policy says.
bool pop_syntax_is_signature(struct base_span text) BASE_CHECKED;

#endif
