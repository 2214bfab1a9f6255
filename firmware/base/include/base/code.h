// One-time codes that people type, and the tokens that they are exchanged for.
#ifndef BASE_CODE_H
#define BASE_CODE_H

#include <stdbool.h>

#include "base/span.h"

enum {
  BASE_CODE_CHARS = 12,                  // 60 bits in Crockford's base 32
  BASE_CODE_TEXT = BASE_CODE_CHARS + 2,  // "XXXX-XXXX-XXXX"
  BASE_TOKEN_CHARS = 43,                 // 256 bits in base64url
};

// A new code, as it is kept: BASE_CODE_CHARS capital letters and digits.
void base_code_make(char out[BASE_CODE_CHARS + 1]);
// Is it one that base_code_make could have made?
bool base_code_is_valid(struct base_span code);
// As people read it.
void base_code_write(const char *code, char out[BASE_CODE_TEXT + 1]);
// As people type it -> as it is kept: small letters, spaces, hyphens and ends of lines are all the same to us, and
// letters that no code has are the digits that they look like. False: other characters, none, or more than `capacity`
// - 1.
bool base_code_read(struct base_span typed, char *out, size_t capacity) BASE_CHECKED;

// A new token. The caller wipes it.
void base_token_make(char out[BASE_TOKEN_CHARS + 1]);

#endif
