#include "base/span.h"

#include <string.h>

struct base_span base_span_of(const void *data, size_t bytes) {
  return (struct base_span){.data = data, .bytes = bytes};
}

struct base_span base_span_text(const char *text) {
  return base_span_of(text, text ? strlen(text) : 0);
}

bool base_span_equal(struct base_span a, struct base_span b) {
  return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool base_span_is(struct base_span span, const char *text) { return base_span_equal(span, base_span_text(text)); }

// Not tolower(): protocol text must not depend on the locale.
static uint8_t ascii_lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c; }

bool base_span_is_nocase(struct base_span span, const char *text) {
  const struct base_span other = base_span_text(text);
  if (span.bytes != other.bytes) return false;
  for (size_t i = 0; i < span.bytes; i++) {
    if (ascii_lower(span.data[i]) != ascii_lower(other.data[i])) return false;
  }
  return true;
}

bool base_span_starts_with(struct base_span span, const char *prefix) {
  const struct base_span start = base_span_text(prefix);
  return span.bytes >= start.bytes && base_span_equal(base_span_slice(span, 0, start.bytes), start);
}

struct base_span base_span_slice(struct base_span span, size_t offset, size_t bytes) {
  if (!span.data) return span;
  if (offset > span.bytes) offset = span.bytes;
  if (bytes > span.bytes - offset) bytes = span.bytes - offset;
  return base_span_of(span.data + offset, bytes);
}

struct base_span base_span_cut(struct base_span *rest, char separator) {
  const struct base_span whole = *rest;
  const uint8_t *at = whole.bytes ? memchr(whole.data, separator, whole.bytes) : NULL;
  if (!at) {
    *rest = base_span_of(NULL, 0);
    return whole;
  }
  const size_t before = (size_t)(at - whole.data);
  *rest = base_span_slice(whole, before + 1, whole.bytes);
  return base_span_slice(whole, 0, before);
}

static bool is_ows(uint8_t c) { return c == ' ' || c == '\t'; }

struct base_span base_span_trim(struct base_span span) {
  while (span.bytes && is_ows(span.data[0])) {
    span.data++;
    span.bytes--;
  }
  while (span.bytes && is_ows(span.data[span.bytes - 1])) span.bytes--;
  return span;
}

bool base_span_copy(struct base_span span, char *out, size_t capacity) {
  if (span.bytes >= capacity) return false;
  if (span.bytes) {
    if (memchr(span.data, '\0', span.bytes)) return false;
    memcpy(out, span.data, span.bytes);
  }
  out[span.bytes] = '\0';
  return true;
}

bool base_span_to_u64(struct base_span span, uint64_t *out) {
  enum { MAX_DIGITS = 20 };  // of UINT64_MAX
  if (span.bytes == 0 || span.bytes > MAX_DIGITS) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < span.bytes; i++) {
    const uint8_t c = span.data[i];
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(value, UINT64_C(10), &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(c - '0'), &value)) return false;
  }
  *out = value;
  return true;
}

bool base_span_equal_constant_time(struct base_span a, struct base_span b) {
  if (a.bytes != b.bytes) return false;
  // volatile: the compiler must not leave the loop at the first difference.
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.bytes; i++) difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
  return difference == 0;
}
