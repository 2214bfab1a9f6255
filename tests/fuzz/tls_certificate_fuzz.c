// What an operator brings as his certificate. What is taken is taken again as it was given back, and says the same;
// what it says is plain text.
#include "base/utf8.h"
#include "tls/certificate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { NOW_S = 1800000000 };  // the seeds are valid then

static void check_plain(const char *text, size_t capacity) {
  BASE_ASSERT(memchr(text, '\0', capacity) != NULL);
  for (struct base_span rest = base_span_text(text); rest.bytes > 0;) {
    const size_t step = base_utf8_plain_bytes(rest);
    BASE_ASSERT(step > 0);
    rest = base_span_slice(rest, step, rest.bytes);
  }
}

static void check_about(const struct tls_about *about) {
  BASE_ASSERT(about->name_count > 0 && about->name_count <= TLS_MAX_NAMES);
  BASE_ASSERT(about->chain_count > 0 && about->chain_count <= TLS_MAX_CHAIN);
  BASE_ASSERT(about->not_before_s <= NOW_S && about->not_after_s >= NOW_S);
  BASE_ASSERT(strlen(about->fingerprint) == TLS_FINGERPRINT_CHARS);
  check_plain(about->subject, sizeof about->subject);
  check_plain(about->issuer, sizeof about->issuer);
  check_plain(about->key, sizeof about->key);
  for (size_t i = 0; i < about->name_count; i++) check_plain(about->names[i], sizeof about->names[i]);
  (void)tls_about_covers(about, "img.example.com");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct tls_about about, again;
  struct base_buffer out, other;
  struct base_fault fault = {0};
  // From memory that ends where the bytes do.
  uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
  if (!copy) return 0;
  if (bytes > 0) memcpy(copy, data, bytes);
  const enum base_result result = tls_identity_check(base_span_of(copy, bytes), NOW_S, &out, &about, &fault);
  BASE_ASSERT(result == BASE_OK || (out.bytes == 0 && fault.text[0] != '\0'));
  check_plain(fault.text, sizeof fault.text);
  if (result == BASE_OK) {
    check_about(&about);
    BASE_ASSERT(tls_identity_check(base_buffer_span(&out), NOW_S, &other, &again, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(base_buffer_span(&out), base_buffer_span(&other)));
    BASE_ASSERT(memcmp(&about, &again, sizeof about) == 0);
    tls_identity_forget(&other);
  }
  tls_identity_forget(&out);
  free(copy);
  return 0;
}
