#include "base/code.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { TOKEN_BYTES = 32 };

// Crockford's: what people mix up is not in it.
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void base_code_make(char out[BASE_CODE_CHARS + 1]) {
  uint8_t random[BASE_CODE_CHARS];
  base_random_bytes(random, sizeof random);
  for (size_t i = 0; i < sizeof random; i++) out[i] = alphabet[random[i] % (sizeof alphabet - 1)];
  out[BASE_CODE_CHARS] = '\0';
  explicit_bzero(random, sizeof random);
}

bool base_code_is_valid(struct base_span code) {
  for (size_t i = 0; i < code.bytes; i++) {
    if (code.data[i] == '\0' || strchr(alphabet, code.data[i]) == NULL) return false;
  }
  return code.bytes == BASE_CODE_CHARS;
}

void base_code_write(const char *code, char out[BASE_CODE_TEXT + 1]) {
  snprintf(out, BASE_CODE_TEXT + 1, "%.4s-%.4s-%.4s", code, code + 4, code + 8);
}

bool base_code_read(struct base_span typed, char *out, size_t capacity) {
  size_t chars = 0;
  for (size_t i = 0; i < typed.bytes; i++) {
    const char c = (char)typed.data[i];
    if (c == '-' || c == ' ' || c == '\r' || c == '\n') continue;
    const bool is_small = c >= 'a' && c <= 'z';
    if (chars + 1 >= capacity || !(is_small || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) return false;
    const char large = (char)(is_small ? c - 'a' + 'A' : c);
    out[chars++] = large == 'O' ? '0' : large == 'I' || large == 'L' ? '1' : large;
  }
  out[chars] = '\0';
  return chars > 0;
}

void base_token_make(char out[BASE_TOKEN_CHARS + 1]) {
  uint8_t random[TOKEN_BYTES];
  base_random_bytes(random, sizeof random);
  base_base64url_encode(base_span_of(random, sizeof random), out, BASE_TOKEN_CHARS + 1);
  explicit_bzero(random, sizeof random);
}
