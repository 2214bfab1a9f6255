// Encodings of bytes as text: base64 (RFC 4648), base64url without padding, hex.
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
  BASE_DIGEST_BYTES = 32,            // SHA-256
  BASE_DIGEST_BASE64URL_CHARS = 43,  // unpadded
  BASE_DIGEST_BASE64_CHARS = 44,     // padded
};

// Each encoder writes a terminated string; `out` must hold the encoded length + 1 (asserted by `capacity`).
void base_hex_encode(struct base_span bytes, char *out, size_t capacity);
void base_base64_encode(struct base_span bytes, char *out, size_t capacity);
void base_base64url_encode(struct base_span bytes, char *out, size_t capacity);
// The value of a hexadecimal digit of either case, or -1.
int base_hex_digit(uint8_t character);
// Decodes exactly `bytes` bytes; false on a foreign character, wrong length or non-zero trailing bits
// (so every value has exactly one spelling; for hex that is lower case). After false, `out` holds nothing of use.
bool base_base64url_decode(struct base_span text, uint8_t *out, size_t bytes) BASE_CHECKED;
// Decodes padded base64 (RFC 4648 4) of any length into at most `capacity` bytes; false as above, also when it does not
// fit.
bool base_base64_decode(struct base_span text, uint8_t *out, size_t capacity, size_t *bytes) BASE_CHECKED;
bool base_hex_decode(struct base_span text, uint8_t *out, size_t bytes) BASE_CHECKED;

#endif
