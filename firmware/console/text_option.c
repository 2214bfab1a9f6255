#include "text_option.h"

#include "base/text.h"

// Decodes %XX once; '+' stays '+'. False for a bad escape, NUL, or too long a text.
static bool decode(struct base_span text, char *out, size_t capacity) {
  size_t length = 0;
  for (size_t at = 0; at < text.bytes; at++) {
    int c = text.data[at];
    if (c == '%') {
      if (text.bytes - at < 3) return false;
      int high = base_hex_digit(text.data[at + 1]), low = base_hex_digit(text.data[at + 2]);
      if (high < 0 || low < 0) return false;
      c = high * 16 + low;
      at += 2;
    }
    if (c == 0 || length + 1 == capacity) return false;
    out[length++] = (char)c;
  }
  out[length] = '\0';
  return true;
}

enum base_result console_text_option(struct base_span query, const char *name, char *out, size_t capacity,
                                     struct base_fault *fault) {
  out[0] = '\0';
  if (query.bytes == 0) return BASE_OK;
  struct base_span value = query;
  if (!base_span_is(base_span_cut(&value, '='), name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "the only option here is %s", name);
  }
  if (decode(value, out, capacity)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s is percent-encoded text of at most %zu bytes", name, capacity - 1);
}
