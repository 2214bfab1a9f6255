#include "base/text.h"

#include "base/result.h"

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_alphabet[] = "0123456789abcdef";

void base_hex_encode(struct base_span bytes, char *out, size_t capacity) {
  BASE_ASSERT(capacity > 0 && (capacity - 1) / 2 >= bytes.bytes);
  for (size_t i = 0; i < bytes.bytes; i++) {
    *out++ = hex_alphabet[bytes.data[i] >> 4];
    *out++ = hex_alphabet[bytes.data[i] & 15];
  }
  *out = '\0';
}

// Characters of `bytes` bytes in base64 without padding.
static size_t base64_chars(size_t bytes) { return bytes / 3 * 4 + (bytes % 3 ? bytes % 3 + 1 : 0); }

// Writes the groups of three bytes and the shorter last one; returns the end.
static char *base64_put(struct base_span bytes, const char *alphabet, char *out) {
  uint32_t bits = 0;
  unsigned held = 0;
  for (size_t i = 0; i < bytes.bytes; i++) {
    bits = (bits << 8 | bytes.data[i]) & 0xffff;
    for (held += 8; held >= 6; held -= 6) *out++ = alphabet[bits >> (held - 6) & 63];
  }
  if (held) *out++ = alphabet[bits << (6 - held) & 63];
  return out;
}

void base_base64_encode(struct base_span bytes, char *out, size_t capacity) {
  const size_t groups = bytes.bytes / 3 + (bytes.bytes % 3 != 0);
  BASE_ASSERT(capacity > 0 && (capacity - 1) / 4 >= groups);
  char *end = base64_put(bytes, base64_alphabet, out);
  while ((size_t)(end - out) < groups * 4) *end++ = '=';
  *end = '\0';
}

void base_base64url_encode(struct base_span bytes, char *out, size_t capacity) {
  BASE_ASSERT(bytes.bytes < SIZE_MAX / 2 && capacity > base64_chars(bytes.bytes));
  *base64_put(bytes, base64url_alphabet, out) = '\0';
}

// `last` is the alphabet's 62nd and 63rd character.
static int base64_value(uint8_t c, const char last[2]) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == last[0]) return 62;
  if (c == last[1]) return 63;
  return -1;
}

// `text` is without padding, of a length that whole bytes have.
static bool base64_get(struct base_span text, const char last[2], uint8_t *out) {
  uint32_t bits = 0;
  unsigned held = 0;
  for (size_t i = 0; i < text.bytes; i++) {
    const int value = base64_value(text.data[i], last);
    if (value < 0) return false;
    bits = (bits << 6 | (uint32_t)value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    *out++ = (uint8_t)(bits >> held);
  }
  return (bits & ((1u << held) - 1)) == 0;
}

bool base_base64url_decode(struct base_span text, uint8_t *out, size_t bytes) {
  if (bytes > SIZE_MAX / 2 || text.bytes != base64_chars(bytes)) return false;
  return base64_get(text, "-_", out);
}

bool base_base64_decode(struct base_span text, uint8_t *out, size_t capacity, size_t *bytes) {
  if (text.bytes % 4 != 0) return false;
  size_t padding = 0;
  while (padding < 2 && padding < text.bytes && text.data[text.bytes - 1 - padding] == '=') padding++;
  *bytes = text.bytes / 4 * 3 - padding;
  return *bytes <= capacity && base64_get(base_span_slice(text, 0, text.bytes - padding), "+/", out);
}

int base_hex_digit(uint8_t character) {
  if (character >= '0' && character <= '9') return character - '0';
  const uint8_t lower = character | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Lower case only, so that every value has one spelling.
static int hex_value(uint8_t c) { return c >= 'A' && c <= 'F' ? -1 : base_hex_digit(c); }

bool base_hex_decode(struct base_span text, uint8_t *out, size_t bytes) {
  if (text.bytes % 2 != 0 || text.bytes / 2 != bytes) return false;
  for (size_t i = 0; i < bytes; i++) {
    const int high = hex_value(text.data[2 * i]);
    const int low = hex_value(text.data[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}
