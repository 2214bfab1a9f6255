#include "syntax.h"

#include "base/text.h"
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

static bool is_digits(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  }
  return text.bytes > 0;
}

bool pop_syntax_is_plain_decimal(struct base_span text, unsigned decimals) {
  const struct base_span whole = base_span_cut(&text, '.');
  if (!is_digits(whole) || (whole.bytes > 1 && whole.data[0] == '0')) return false;
  return !text.data || (is_digits(text) && text.bytes <= decimals && text.data[text.bytes - 1] != '0');
}

bool pop_syntax_is_unreserved(uint8_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// Different for all characters that any grammar has besides the unreserved ones.
static uint64_t bit_of(uint8_t c) { return UINT64_C(1) << (c & 63); }

static bool is_lower_hex(uint8_t c) { return c >= 'a' && c <= 'f'; }

bool pop_syntax_decode(struct base_span text, struct pop_syntax_spelling *spelling, uint8_t *out, size_t *length) {
  *length = 1;
  *out = text.data[0];
  if (*out != '%') {
    if (!pop_syntax_is_unreserved(*out)) spelling->plain |= bit_of(*out);
    return true;
  }
  const int high = text.bytes > 2 ? base_hex_digit(text.data[1]) : -1;
  const int low = text.bytes > 2 ? base_hex_digit(text.data[2]) : -1;
  if (high < 0 || low < 0) return false;
  *length = 3;
  *out = (uint8_t)(high << 4 | low);
  if (pop_syntax_is_unreserved(*out) || is_lower_hex(text.data[1]) || is_lower_hex(text.data[2])) {
    spelling->is_odd = true;
  } else {
    spelling->escaped |= bit_of(*out);
  }
  return true;
}

bool pop_syntax_has_plainer(const struct pop_syntax_spelling *spelling) {
  return spelling->is_odd || (spelling->plain & spelling->escaped);
}
