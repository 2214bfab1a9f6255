#include "base/utf8.h"

#include <string.h>

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

size_t base_utf8_plain_bytes(struct base_span text) {
  const size_t bytes = base_utf8_char_bytes(text);
  if (bytes == 1 && (text.data[0] < 0x20 || text.data[0] == 0x7f)) return 0;
  // U+0080..U+009F are controls as well.
  if (bytes == 2 && text.data[0] == 0xc2 && text.data[1] < 0xa0) return 0;
  return bytes;
}

void base_utf8_copy_plain(struct base_span text, char *out, size_t capacity) {
  BASE_ASSERT(capacity > 0);
  size_t used = 0;
  while (text.bytes > 0) {
    const size_t bytes = base_utf8_plain_bytes(text);
    if (used + (bytes ? bytes : 1) >= capacity) break;
    if (bytes) {
      memcpy(out + used, text.data, bytes);
      used += bytes;
    } else {
      out[used++] = '?';
    }
    text = base_span_slice(text, bytes ? bytes : 1, text.bytes);
  }
  memset(out + used, 0, capacity - used);
}
