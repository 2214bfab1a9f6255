#include "base/text.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// RFC 4648 section 10, and two vectors for the characters in which the alphabets differ.
static const struct {
  const char *plain;
  const char *base64;
  const char *base64url;
  const char *hex;
} vectors[] = {
    {"", "", "", ""},
    {"f", "Zg==", "Zg", "66"},
    {"fo", "Zm8=", "Zm8", "666f"},
    {"foo", "Zm9v", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
    {"\xfb\xef\xbe", "++++", "----", "fbefbe"},
    {"\xff\xff\xfe", "///+", "___-", "fffffe"},
};
enum { VECTOR_COUNT = sizeof vectors / sizeof vectors[0] };

static void encoders_match_the_standard_vectors(void **state) {
  (void)state;
  for (size_t i = 0; i < VECTOR_COUNT; i++) {
    const struct base_span plain = base_span_text(vectors[i].plain);
    char out[16];
    base_base64_encode(plain, out, strlen(vectors[i].base64) + 1);
    assert_string_equal(out, vectors[i].base64);
    base_base64url_encode(plain, out, strlen(vectors[i].base64url) + 1);
    assert_string_equal(out, vectors[i].base64url);
    base_hex_encode(plain, out, strlen(vectors[i].hex) + 1);
    assert_string_equal(out, vectors[i].hex);
  }
}

static void decoders_undo_the_encoders(void **state) {
  (void)state;
  for (size_t i = 0; i < VECTOR_COUNT; i++) {
    const size_t bytes = strlen(vectors[i].plain);
    uint8_t out[8];
    assert_true(base_base64url_decode(base_span_text(vectors[i].base64url), out, bytes));
    assert_memory_equal(out, vectors[i].plain, bytes);
    assert_true(base_hex_decode(base_span_text(vectors[i].hex), out, bytes));
    assert_memory_equal(out, vectors[i].plain, bytes);
  }
}

static void base64url_is_refused_when_not_canonical(void **state) {
  (void)state;
  uint8_t out[8];
  assert_true(base_base64url_decode(base_span_text("Zg"), out, 1));
  static const char *const one_byte[] = {"Zh", "Zv", "Zg==", "Z", "", "Zg ", "Z\n"};
  for (size_t i = 0; i < sizeof one_byte / sizeof one_byte[0]; i++) {
    assert_false(base_base64url_decode(base_span_text(one_byte[i]), out, 1));
  }
  assert_true(base_base64url_decode(base_span_text("Zm8"), out, 2));
  assert_false(base_base64url_decode(base_span_text("Zm9"), out, 2));
  assert_false(base_base64url_decode(base_span_text("Zm8="), out, 2));
  assert_false(base_base64url_decode(base_span_text("++++"), out, 3));
  assert_false(base_base64url_decode(base_span_text("Zm9v"), out, 2));
  assert_false(base_base64url_decode(base_span_text("Zm9v"), out, SIZE_MAX));
}

static void a_digest_has_exactly_one_spelling(void **state) {
  (void)state;
  uint8_t digest[BASE_DIGEST_BYTES], decoded[BASE_DIGEST_BYTES];
  for (size_t i = 0; i < sizeof digest; i++) digest[i] = (uint8_t)(i * 37 + 11);
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  base_base64url_encode(base_span_of(digest, sizeof digest), text, sizeof text);
  assert_int_equal(strlen(text), BASE_DIGEST_BASE64URL_CHARS);
  char padded[BASE_DIGEST_BASE64_CHARS + 1];
  base_base64_encode(base_span_of(digest, sizeof digest), padded, sizeof padded);
  assert_int_equal(strlen(padded), BASE_DIGEST_BASE64_CHARS);

  unsigned accepted = 0;
  for (int last = 1; last < 256; last++) {
    text[BASE_DIGEST_BASE64URL_CHARS - 1] = (char)last;
    if (!base_base64url_decode(base_span_text(text), decoded, sizeof decoded)) continue;
    if (memcmp(decoded, digest, sizeof digest) == 0) accepted++;
  }
  assert_int_equal(accepted, 1);
}

static void hex_is_refused_when_not_canonical(void **state) {
  (void)state;
  uint8_t out[2];
  static const char *const bad[] = {"AB", "0g", "0", "000", "0 ", "0x"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_false(base_hex_decode(base_span_text(bad[i]), out, 1));
  }
}

static void decodes_padded_base64_of_any_length(void **state) {
  (void)state;
  static const struct {
    const char *text, *bytes;
  } table[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"+/8=", "\xfb\xff"}};
  static const char *const refused[] = {"Zg",   "Zg=",  "Zg===", "Zh==", "Zm9=", "====",     "=",
                                        "Z===", "Zg= ", "-_8=",  "Zm 9", "Zg=v", "Zg==Zg==", "Zm9v\n"};
  uint8_t out[8];
  size_t bytes;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    assert_true(base_base64_decode(base_span_text(table[i].text), out, sizeof out, &bytes));
    assert_true(base_span_is(base_span_of(out, bytes), table[i].bytes));
  }
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    if (base_base64_decode(base_span_text(refused[i]), out, sizeof out, &bytes)) fail_msg("%s", refused[i]);
  }
  assert_true(base_base64_decode(base_span_text("Zm8="), out, 2, &bytes));
  assert_false(base_base64_decode(base_span_text("Zm8="), out, 1, &bytes));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decodes_padded_base64_of_any_length), cmocka_unit_test(encoders_match_the_standard_vectors),
      cmocka_unit_test(decoders_undo_the_encoders),          cmocka_unit_test(base64url_is_refused_when_not_canonical),
      cmocka_unit_test(a_digest_has_exactly_one_spelling),   cmocka_unit_test(hex_is_refused_when_not_canonical),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
