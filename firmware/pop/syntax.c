#include "syntax.h"

#include "recipe/signature.h"

#define LAST_EXPIRY 9999999999  // ten digits: the year 2286

bool pop_syntax_whole(struct base_span text, uint64_t first, uint64_t last, uint64_t *out) {
  uint64_t number;
  if (text.bytes > 1 && text.data[0] == '0') return false;
  if (!base_span_to_u64(text, &number) || number < first || number > last) return false;
  *out = number;
  return true;
}

bool pop_syntax_expiry(struct base_span text, int64_t *out) {
  uint64_t seconds;
  if (!pop_syntax_whole(text, 1, LAST_EXPIRY, &seconds)) return false;
  *out = (int64_t)seconds;
  return true;
}

static bool is_base64url(uint8_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool pop_syntax_is_signature(struct base_span text) {
  if (text.bytes != RECIPE_SIGNATURE_CHARS) return false;
  for (size_t i = 0; i < text.bytes; i++) {
    if (!is_base64url(text.data[i])) return false;
  }
  return true;
}
