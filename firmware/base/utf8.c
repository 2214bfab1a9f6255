#include "base/utf8.h"

static bool is_between(uint8_t c, uint8_t low, uint8_t high) { return c >= low && c <= high; }

// RFC 3629 section 4: only the second byte has limits that depend on the first.
static size_t length_from_start(uint8_t first, uint8_t *low, uint8_t *high) {
  *low = 0x80;
  *high = 0xbf;
  if (is_between(first, 0xc2, 0xdf)) return 2;
  if (is_between(first, 0xe0, 0xef)) {
    if (first == 0xe0) *low = 0xa0;   // overlong
    if (first == 0xed) *high = 0x9f;  // surrogates
    return 3;
  }
  if (is_between(first, 0xf0, 0xf4)) {
    if (first == 0xf0) *low = 0x90;   // overlong
    if (first == 0xf4) *high = 0x8f;  // above U+10FFFF
    return 4;
  }
  return 0;
}

size_t base_utf8_char_bytes(struct base_span text) {
  if (text.bytes == 0) return 0;
  if (text.data[0] < 0x80) return 1;
  uint8_t low, high;
  const size_t length = length_from_start(text.data[0], &low, &high);
  if (length == 0 || length > text.bytes || !is_between(text.data[1], low, high)) return 0;
  for (size_t i = 2; i < length; i++) {
    if (!is_between(text.data[i], 0x80, 0xbf)) return 0;
  }
  return length;
}
