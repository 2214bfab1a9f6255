#include "digest_preference.h"

#include "chars.h"

enum { MAX_FIELD_BYTES = 512 };

static uint8_t front(struct base_span span) { return span.bytes > 0 ? span.data[0] : '\0'; }
static void pass(struct base_span *rest, size_t bytes) { *rest = base_span_slice(*rest, bytes, rest->bytes); }

static bool is_key_byte(uint8_t byte, bool is_first) {
  const bool is_lower = byte >= 'a' && byte <= 'z';
  if (is_lower || byte == '*') return true;
  return !is_first && (http_char_is(byte, HTTP_CHAR_DIGIT) || byte == '_' || byte == '-' || byte == '.');
}

// A key of a dictionary (RFC 8941 3.1.2); empty when there is none.
static struct base_span take_key(struct base_span *rest) {
  size_t bytes = 0;
  while (bytes < rest->bytes && is_key_byte(rest->data[bytes], bytes == 0)) bytes++;
  const struct base_span key = base_span_slice(*rest, 0, bytes);
  pass(rest, bytes);
  return key;
}

// Everything up to the next comma that stands in no string: a value with its parameters.
static bool take_value(struct base_span *rest, struct base_span *out) {
  bool is_quoted = false;
  size_t bytes = 0;
  for (; bytes < rest->bytes; bytes++) {
    const uint8_t byte = rest->data[bytes];
    if (is_quoted && byte == '\\') {
      bytes++;
    } else if (byte == '"') {
      is_quoted = !is_quoted;
    } else if (byte == ',' && !is_quoted) {
      break;
    }
  }
  if (is_quoted) return false;
  *out = base_span_slice(*rest, 0, bytes);
  pass(rest, bytes);
  return true;
}

// An integer of zero, as any number of digits, and maybe parameters.
static bool is_zero(struct base_span value) {
  struct base_span number = base_span_trim(base_span_cut(&value, ';'));
  if (number.bytes < 2 || front(number) != '=') return false;
  pass(&number, 1);
  if (front(number) == '-') pass(&number, 1);
  for (size_t i = 0; i < number.bytes; i++) {
    if (number.data[i] != '0') return false;
  }
  return number.bytes > 0;
}

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

bool http_digest_is_welcome(const struct http_request *request, const char *name) {
  char joined[MAX_FIELD_BYTES];
  if (http_request_joined(request, name, joined, sizeof joined) != BASE_OK) return true;
  bool is_welcome = true;
  struct base_span rest = base_span_trim(base_span_text(joined));
  while (rest.bytes > 0) {
    struct base_span value;
    const struct base_span key = take_key(&rest);
    if (key.bytes == 0 || !take_value(&rest, &value)) return true;
    // The last of several counts.
    if (base_span_is(key, "sha-256")) is_welcome = !is_zero(value);
    if (rest.bytes == 0) break;
    do pass(&rest, 1);
    while (is_blank(front(rest)));
    if (rest.bytes == 0) return true;  // a comma and nothing behind it
  }
  return is_welcome;
}
