// SHA-256 against the examples of FIPS 180-4, NIST's CAVP vectors and mbedTLS, HMAC-SHA256 against RFC 4231.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/sha256.h>

#include "integrity/digest.h"

static void assert_hex(const struct integrity_digest *digest, const char *expected_hex) {
  char hex[2 * BASE_DIGEST_BYTES + 1];
  base_hex_encode(base_span_of(digest->bytes, sizeof digest->bytes), hex, sizeof hex);
  assert_string_equal(hex, expected_hex);
}

static const struct {
  const char *message;
  const char *hex;
} examples[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void matches_fips_180_4_when_given_its_examples(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
    struct integrity_digest digest;
    integrity_digest_of(base_span_text(examples[i].message), &digest);
    assert_hex(&digest, examples[i].hex);
  }
}

static void matches_fips_180_4_when_given_a_million_letters(void **state) {
  (void)state;
  char letters[1000];
  memset(letters, 'a', sizeof letters);
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  for (int i = 0; i < 1000; i++) integrity_hash_update(&hash, base_span_of(letters, sizeof letters));
  integrity_hash_finish(&hash, &digest);
  assert_hex(&digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// From SHA256ShortMsg.rsp of NIST's Cryptographic Algorithm Validation Program.
static const struct {
  const char *message_hex;
  const char *hex;
} cavp[] = {
    {"d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
    {"11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"},
    {"b4190e", "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2"},
    {"74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"},
};

static void matches_nist_when_given_its_vectors(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cavp / sizeof cavp[0]; i++) {
    uint8_t message[8];
    const size_t bytes = strlen(cavp[i].message_hex) / 2;
    for (size_t j = 0; j < bytes; j++) {
      const char digits[] = {cavp[i].message_hex[2 * j], cavp[i].message_hex[2 * j + 1], '\0'};
      message[j] = (uint8_t)strtoul(digits, NULL, 16);
    }
    struct integrity_digest digest;
    integrity_digest_of(base_span_of(message, bytes), &digest);
    assert_hex(&digest, cavp[i].hex);
  }
}

static void assert_as_mbedtls(const uint8_t *bytes, size_t count, unsigned *luck) {
  uint8_t expected[BASE_DIGEST_BYTES];
  struct integrity_hash hash;
  struct integrity_digest digest;
  assert_int_equal(mbedtls_sha256_ret(bytes, count, expected, 0), 0);
  integrity_digest_of(base_span_of(bytes, count), &digest);
  assert_memory_equal(digest.bytes, expected, sizeof expected);
  integrity_hash_init(&hash);
  for (size_t at = 0; at < count;) {
    const size_t piece = (size_t)rand_r(luck) % (count - at) + 1;
    integrity_hash_update(&hash, base_span_of(bytes + at, piece));
    at += piece;
  }
  integrity_hash_finish(&hash, &digest);
  assert_memory_equal(digest.bytes, expected, sizeof expected);
}

static void matches_mbedtls_when_the_size_and_the_cuts_are_any(void **state) {
  (void)state;
  enum { MOST = 300, LONG = 70001 };
  static uint8_t bytes[LONG];
  unsigned luck = 7;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)rand_r(&luck);
  for (size_t count = 0; count <= MOST; count++) {
    for (int i = 0; i < 4; i++) assert_as_mbedtls(bytes + i, count, &luck);  // aligned and not
  }
  for (size_t count = LONG - 200; count <= LONG; count += 7) assert_as_mbedtls(bytes, count, &luck);
}

static void is_the_same_when_cut_anywhere(void **state) {
  (void)state;
  uint8_t bytes[200];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
  struct integrity_digest whole;
  integrity_digest_of(base_span_of(bytes, sizeof bytes), &whole);
  for (size_t cut = 0; cut <= sizeof bytes; cut++) {
    struct integrity_hash hash;
    struct integrity_digest digest;
    integrity_hash_init(&hash);
    integrity_hash_update(&hash, base_span_of(bytes, cut));
    integrity_hash_update(&hash, base_span_of(NULL, 0));
    integrity_hash_update(&hash, base_span_of(bytes + cut, sizeof bytes - cut));
    integrity_hash_finish(&hash, &digest);
    assert_true(integrity_digest_equal(&digest, &whole));
  }
}

// RFC 4231, section 4: `key` and `data` are one byte repeated, or text.
static const struct {
  uint8_t key_byte;
  size_t key_bytes;
  const char *key_text;
  uint8_t data_byte;
  size_t data_bytes;
  const char *data_text;
  const char *hex;
} hmac_cases[] = {
    {0x0b, 20, NULL, 0, 0, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {0, 0, "Jefe", 0, 0, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {0xaa, 20, NULL, 0xdd, 50, NULL, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {0xaa, 131, NULL, 0, 0, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {0xaa, 131, NULL, 0, 0,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static struct base_span repeated_or_text(uint8_t *storage, uint8_t byte, size_t bytes, const char *text) {
  if (text) return base_span_text(text);
  memset(storage, byte, bytes);
  return base_span_of(storage, bytes);
}

static void matches_rfc_4231_when_given_its_cases(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof hmac_cases / sizeof hmac_cases[0]; i++) {
    uint8_t key_storage[131], data_storage[50];
    const struct base_span key =
        repeated_or_text(key_storage, hmac_cases[i].key_byte, hmac_cases[i].key_bytes, hmac_cases[i].key_text);
    const struct base_span data =
        repeated_or_text(data_storage, hmac_cases[i].data_byte, hmac_cases[i].data_bytes, hmac_cases[i].data_text);
    struct integrity_digest digest;
    integrity_hmac(key, data, &digest);
    assert_hex(&digest, hmac_cases[i].hex);
  }
}

static void matches_rfc_4231_when_the_key_counts_up(void **state) {
  (void)state;
  uint8_t key[25], data[50];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i + 1);
  memset(data, 0xcd, sizeof data);
  struct integrity_digest digest;
  integrity_hmac(base_span_of(key, sizeof key), base_span_of(data, sizeof data), &digest);
  assert_hex(&digest, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

static void hmac_works_when_key_and_message_are_empty(void **state) {
  (void)state;
  struct integrity_digest digest;
  integrity_hmac(base_span_of(NULL, 0), base_span_of(NULL, 0), &digest);
  assert_hex(&digest, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void text_comes_back_when_parsed(void **state) {
  (void)state;
  struct integrity_digest digest, parsed;
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_of(base_span_text(""), &digest);
  integrity_digest_text(&digest, text);
  assert_string_equal(text, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
  assert_true(integrity_digest_parse(base_span_text(text), &parsed));
  assert_true(integrity_digest_equal(&digest, &parsed));
}

static void nothing_is_parsed_when_the_text_is_not_an_id(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF",
      "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFUU",
      "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",  // a second spelling of the same bytes
      "47DEQpj8HBSa+_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
      "../../../../../../../../../../../etc/passwd",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct integrity_digest parsed = {.bytes = {42}};
    assert_false(integrity_digest_parse(base_span_text(wrong[i]), &parsed));
    assert_int_equal(parsed.bytes[0], 42);
  }
}

static void digests_differ_when_any_bit_does(void **state) {
  (void)state;
  struct integrity_digest a;
  integrity_digest_of(base_span_text("abc"), &a);
  for (size_t bit = 0; bit < 8 * sizeof a.bytes; bit++) {
    struct integrity_digest b = a;
    b.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    assert_false(integrity_digest_equal(&a, &b));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_fips_180_4_when_given_its_examples),
      cmocka_unit_test(matches_fips_180_4_when_given_a_million_letters),
      cmocka_unit_test(matches_nist_when_given_its_vectors),
      cmocka_unit_test(matches_mbedtls_when_the_size_and_the_cuts_are_any),
      cmocka_unit_test(is_the_same_when_cut_anywhere),
      cmocka_unit_test(matches_rfc_4231_when_given_its_cases),
      cmocka_unit_test(matches_rfc_4231_when_the_key_counts_up),
      cmocka_unit_test(hmac_works_when_key_and_message_are_empty),
      cmocka_unit_test(text_comes_back_when_parsed),
      cmocka_unit_test(nothing_is_parsed_when_the_text_is_not_an_id),
      cmocka_unit_test(digests_differ_when_any_bit_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
