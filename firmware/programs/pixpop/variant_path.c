#include "variant_path.h"

#include <string.h>

#include "base/text.h"

bool variant_path_is_id(const char *id) {
  uint8_t digest[BASE_DIGEST_BYTES];
  return strlen(id) == BASE_DIGEST_BASE64URL_CHARS && base_base64url_decode(base_span_text(id), digest, sizeof(digest));
}

// The alphabets of the delivery side; nothing in them wants percent-encoding.
static bool is_made_of(struct base_span text, const char *alphabet) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] == '\0' || strchr(alphabet, text.data[i]) == NULL) return false;
  }
  return text.bytes > 0;
}

static bool is_option(const char *word) {
  struct base_span value = base_span_text(word);
  const struct base_span name = base_span_cut(&value, '=');
  return is_made_of(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") &&
         is_made_of(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._,-");
}

enum base_result variant_path_check_id(const char *id, struct base_fault *fault) {
  if (variant_path_is_id(id)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "id", "'%.60s' is not an id: those have %d characters of base64url", id,
                   BASE_DIGEST_BASE64URL_CHARS);
}

enum base_result variant_path_write(char *const *words, size_t count, struct base_buffer *out,
                                    struct base_fault *fault) {
  enum base_result result = variant_path_check_id(words[0], fault);
  if (result == BASE_OK) result = base_buffer_printf(out, "/i/%s", words[0]);
  for (size_t i = 1; i < count && result == BASE_OK; i++) {
    if (!is_option(words[i]))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "option", "'%.60s' is not of the form name=value, such as w=400",
                       words[i]);
    result = base_buffer_printf(out, "%c%s", i == 1 ? '?' : '&', words[i]);
  }
  if (result != BASE_OK) return BASE_FAIL(fault, BASE_BAD_INPUT, "option", "these are too many options");
  return BASE_OK;
}
