#include <string.h>

#include "slots/slots.h"

enum { NUMBERS = 3, MAX_DIGITS = 5, MAX_SUFFIX = 12 };

struct version {
  unsigned numbers[NUMBERS];
  const char *suffix;  // behind the '-', or NULL
};

static bool parse_number(const char **at, unsigned *out) {
  const char *start = *at;
  unsigned value = 0;
  while (**at >= '0' && **at <= '9' && *at - start < MAX_DIGITS) value = value * 10 + (unsigned)(*(*at)++ - '0');
  *out = value;
  return *at > start && (*start != '0' || *at - start == 1);
}

static bool is_suffix(const char *text) {
  size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.");
  return length >= 1 && length <= MAX_SUFFIX && text[length] == '\0';
}

static bool parse(const char *text, struct version *out) {
  *out = (struct version){0};
  for (size_t i = 0; i < NUMBERS; i++) {
    if (!parse_number(&text, &out->numbers[i])) return false;
    if (*text != '.') break;
    if (i + 1 < NUMBERS) text++;
  }
  if (*text == '\0') return true;
  if (*text != '-' || !is_suffix(text + 1)) return false;
  out->suffix = text + 1;
  return true;
}

bool slots_version_is_valid(const char *version) {
  struct version parsed;
  return parse(version, &parsed);
}

int slots_version_compare(const char *a, const char *b) {
  struct version left, right;
  bool is_valid = parse(a, &left) && parse(b, &right);
  BASE_ASSERT(is_valid);
  for (size_t i = 0; i < NUMBERS; i++) {
    if (left.numbers[i] != right.numbers[i]) return left.numbers[i] < right.numbers[i] ? -1 : 1;
  }
  if (left.suffix == NULL || right.suffix == NULL) return (left.suffix == NULL) - (right.suffix == NULL);
  return strcmp(left.suffix, right.suffix);
}
