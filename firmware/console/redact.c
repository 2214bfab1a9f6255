#include "redact.h"

#include <ctype.h>
#include <string.h>

static const char left_out[] = "(a line with a secret was left out)\n";

enum { OPAQUE_CHARS = 20 };  // at least so long is what nobody can guess

// Words beside which secrets stand, and those that say enough alone.
static const char *const words[] = {"token", "bearer", "claim", "sig", "key", "salt", "secret", "session", "csrf"};
static const char *const loud_words[] = {"password", "private key", "authorization:", "cookie:"};

static bool contains_nocase(struct base_span line, const char *word) {
  const size_t bytes = strlen(word);
  for (size_t at = 0; at + bytes <= line.bytes; at++) {
    if (base_span_is_nocase(base_span_slice(line, at, bytes), word)) return true;
  }
  return false;
}

// "K7QX-2M9P-4TRW", as claim codes are shown.
static bool is_code(struct base_span line, size_t at) {
  enum { GROUP = 4, CHARS = 14 };
  if (line.bytes - at < CHARS) return false;
  for (size_t i = 0; i < CHARS; i++) {
    const unsigned char c = line.data[at + i];
    const bool is_dash = i % (GROUP + 1) == GROUP;
    if (is_dash ? c != '-' : !(isupper(c) || isdigit(c))) return false;
  }
  return true;
}

static bool contains_one(struct base_span line, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (contains_nocase(line, list[i])) return true;
  }
  return false;
}

static bool has_opaque_word(struct base_span line) {
  size_t chars = 0;
  for (size_t at = 0; at < line.bytes && chars < OPAQUE_CHARS; at++) {
    const unsigned char c = line.data[at];
    chars = isalnum(c) || c == '-' || c == '_' || c == '+' || c == '/' ? chars + 1 : 0;
  }
  return chars == OPAQUE_CHARS;
}

static bool has_secret(struct base_span line) {
  if (contains_one(line, loud_words, sizeof loud_words / sizeof *loud_words)) return true;
  for (size_t at = 0; at < line.bytes; at++) {
    if (is_code(line, at)) return true;
  }
  return contains_one(line, words, sizeof words / sizeof *words) && has_opaque_word(line);
}

enum base_result console_redact(struct base_span lines, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  while (lines.bytes > 0 && result == BASE_OK) {
    const struct base_span line = base_span_cut(&lines, '\n');
    if (has_secret(line)) {
      result = base_buffer_append_text(out, left_out);
      continue;
    }
    result = base_buffer_append(out, line.data, line.bytes);
    if (result == BASE_OK) result = base_buffer_append_text(out, "\n");
  }
  return result;
}
