#include "recipe/signature.h"

#include <string.h>

enum { MAX_PAIRS = 32 };

// --- keys ---

// The characters of text keys and salts; the rest is for hexadecimal.
static bool is_visible(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] <= ' ' || text.data[i] >= 0x7f) return false;
  }
  return true;
}

// Hexadecimal of either case. False for another character, an odd length and what does not fit.
static bool read_hex(struct base_span text, uint8_t *out, size_t capacity, uint16_t *bytes) {
  if (text.bytes % 2 != 0 || text.bytes / 2 > capacity) return false;
  for (size_t i = 0; i < text.bytes; i += 2) {
    const int high = base_hex_digit(text.data[i]), low = base_hex_digit(text.data[i + 1]);
    if (high < 0 || low < 0) return false;
    out[i / 2] = (uint8_t)(high << 4 | low);
  }
  *bytes = (uint16_t)(text.bytes / 2);
  return true;
}

static bool read_text(struct base_span text, uint8_t *out, size_t capacity, uint16_t *bytes) {
  if (text.bytes > capacity || !is_visible(text)) return false;
  if (text.bytes > 0) memcpy(out, text.data, text.bytes);
  *bytes = (uint16_t)text.bytes;
  return true;
}

// Cuts "hex:" off the front; false when it is not there.
static bool cut_hex(struct base_span *text) {
  if (!base_span_starts_with(*text, "hex:")) return false;
  *text = base_span_slice(*text, strlen("hex:"), text->bytes);
  return true;
}

static enum base_result refuse_key(struct recipe_sign_key *out, struct base_fault *fault) {
  explicit_bzero(out, sizeof *out);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "sign key",
                   "a sign key is KEY:SALT with a key of 1 to %d and a salt of at most %d bytes without '/', each as "
                   "visible ASCII or as hexadecimal after 'hex:'",
                   RECIPE_MAX_SIGN_KEY, RECIPE_MAX_SIGN_SALT);
}

enum base_result recipe_sign_key_parse(struct base_span text, struct recipe_sign_key *out, struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  const bool is_hex_key = cut_hex(&text);
  const struct base_span key = base_span_cut(&text, ':');
  if (!text.data) return refuse_key(out, fault);
  const bool is_hex_salt = cut_hex(&text);
  const bool is_key = is_hex_key ? read_hex(key, out->key, sizeof out->key, &out->key_bytes)
                                 : read_text(key, out->key, sizeof out->key, &out->key_bytes);
  const bool is_salt = is_hex_salt ? read_hex(text, out->salt, sizeof out->salt, &out->salt_bytes)
                                   : read_text(text, out->salt, sizeof out->salt, &out->salt_bytes);
  if (!is_key || !is_salt || out->key_bytes == 0 || memchr(out->salt, '/', out->salt_bytes)) {
    return refuse_key(out, fault);
  }
  return BASE_OK;
}

enum base_result recipe_sign_key_parse_hex(struct base_span text, struct recipe_sign_key *out,
                                           struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  const struct base_span key = base_span_cut(&text, ':');
  if (text.data && read_hex(key, out->key, sizeof out->key, &out->key_bytes) && out->key_bytes > 0 &&
      read_hex(text, out->salt, sizeof out->salt, &out->salt_bytes)) {
    return BASE_OK;
  }
  explicit_bzero(out, sizeof *out);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "sign key",
                   "imgproxy's keys are KEY:SALT in hexadecimal with a key of 1 to %d and a salt of at most %d bytes",
                   RECIPE_MAX_SIGN_KEY, RECIPE_MAX_SIGN_SALT);
}

// --- messages ---

static bool is_made_of(struct base_span text, const char *alphabet) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] == '\0' || !strchr(alphabet, text.data[i])) return false;
  }
  return text.bytes > 0;
}

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int compare_names(struct base_span a, struct base_span b) {
  const size_t common = a.bytes < b.bytes ? a.bytes : b.bytes;
  const int order = memcmp(a.data, b.data, common);
  if (order != 0) return order;
  return a.bytes < b.bytes ? -1 : a.bytes > b.bytes;
}

// Checks a pair and puts it in its place among those before it.
static enum base_result insert(const struct recipe_signed_pair *pair, const struct recipe_signed_pair *sorted[],
                               size_t count, struct base_fault *fault) {
  if (!is_made_of(pair->name, LOWER_AND_DIGITS "_-")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "an option's name has a byte outside [a-z0-9_-]");
  }
  if (pair->value.bytes > 0 && !is_made_of(pair->value, LOWER_AND_DIGITS UPPER "._,-")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "an option's value has a byte outside [A-Za-z0-9._,-]");
  }
  size_t at = count;
  for (; at > 0; at--) {
    const int order = compare_names(sorted[at - 1]->name, pair->name);
    if (order == 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "an option is given more than once");
    if (order < 0) break;
    sorted[at] = sorted[at - 1];
  }
  sorted[at] = pair;
  return BASE_OK;
}

static enum base_result append(struct base_buffer *out, struct base_span bytes) {
  return bytes.bytes > 0 ? base_buffer_append(out, bytes.data, bytes.bytes) : BASE_OK;
}

static enum base_result write_pairs(const struct recipe_signed_pair *const sorted[], size_t count,
                                    struct base_buffer *out) {
  enum base_result result = BASE_OK;
  char before = '?';
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    if (base_span_is(sorted[i]->name, "sig")) continue;
    result = base_buffer_append(out, &before, 1);
    if (result == BASE_OK) result = append(out, sorted[i]->name);
    if (result == BASE_OK) result = base_buffer_append(out, "=", 1);
    if (result == BASE_OK) result = append(out, sorted[i]->value);
    before = '&';
  }
  return result;
}

enum base_result recipe_sign_message(struct base_span path, const struct recipe_signed_pair *pairs, size_t count,
                                     struct base_buffer *out, struct base_fault *fault) {
  const struct recipe_signed_pair *sorted[MAX_PAIRS];
  if (!base_span_starts_with(path, "/") || !is_made_of(path, LOWER_AND_DIGITS UPPER "/._-")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "path",
                     "a path that is signed has no percent-encoding and begins with '/'");
  }
  if (count > MAX_PAIRS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "There are more than %d options", MAX_PAIRS);
  }
  for (size_t i = 0; i < count; i++) {
    const enum base_result result = insert(&pairs[i], sorted, i, fault);
    if (result != BASE_OK) return result;
  }
  enum base_result result = append(out, path);
  if (result == BASE_OK) result = write_pairs(sorted, count, out);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "query", "no room for what is signed");
}

// --- signatures ---

void recipe_sign(const struct recipe_sign_key *key, struct base_span message, char out[RECIPE_SIGNATURE_CHARS + 1]) {
  const struct base_span pieces[] = {base_span_of(key->salt, key->salt_bytes), message};
  struct integrity_digest mac;
  integrity_hmac_pieces(base_span_of(key->key, key->key_bytes), pieces, 2, &mac);
  integrity_digest_text(&mac, out);
  explicit_bzero(&mac, sizeof mac);
}

bool recipe_sign_check(const struct recipe_sign_key *keys, size_t count, struct base_span message,
                       struct base_span signature) {
  unsigned fits = 0;
  for (size_t i = 0; i < count; i++) {
    char expected[RECIPE_SIGNATURE_CHARS + 1];
    recipe_sign(&keys[i], message, expected);
    // As text: a signature has one spelling, and none of its bits can be changed.
    fits |= base_span_equal_constant_time(base_span_of(expected, RECIPE_SIGNATURE_CHARS), signature);
    explicit_bzero(expected, sizeof expected);
  }
  return fits != 0;
}
