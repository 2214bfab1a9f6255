// Ed25519: the vectors of RFC 8032 section 7.1, and signatures that must not pass.
#include "integrity/ed25519.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static const struct {
  const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465"
     "5141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb0"
     "0d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
     "27beceea1ec40a"},
};

static void unhex(const char *hex, uint8_t *out) {
  assert_true(base_hex_decode(base_span_text(hex), out, strlen(hex) / 2));
}

static void keys_and_signatures_are_those_of_rfc_8032(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    uint8_t seed[INTEGRITY_SEED_BYTES], key[INTEGRITY_PUBLIC_KEY_BYTES], wanted[INTEGRITY_SIGNATURE_BYTES];
    uint8_t signature[INTEGRITY_SIGNATURE_BYTES], bytes[4] = {0};
    unhex(vectors[i].seed, seed);
    unhex(vectors[i].public_key, key);
    unhex(vectors[i].signature, wanted);
    unhex(vectors[i].message, bytes);
    const struct base_span message = base_span_of(bytes, strlen(vectors[i].message) / 2);
    struct integrity_signer signer;
    integrity_signer_init(&signer, seed);
    assert_memory_equal(signer.public_key, key, sizeof key);
    integrity_sign(&signer, message, signature);
    assert_memory_equal(signature, wanted, sizeof wanted);
    assert_true(integrity_is_signed(key, message, signature));
    integrity_signer_wipe(&signer);
    static const struct integrity_signer wiped;
    assert_memory_equal(&signer, &wiped, sizeof wiped);
  }
}

static void no_flipped_bit_passes(void **state) {
  (void)state;
  static const uint8_t seed[INTEGRITY_SEED_BYTES] = {7};
  uint8_t message[] = "what is signed", signature[INTEGRITY_SIGNATURE_BYTES], key[INTEGRITY_PUBLIC_KEY_BYTES];
  struct integrity_signer signer;
  integrity_signer_init(&signer, seed);
  integrity_sign(&signer, base_span_of(message, sizeof message), signature);
  memcpy(key, signer.public_key, sizeof key);
  const struct {
    uint8_t *bytes;
    size_t count;
  } inputs[] = {{message, sizeof message}, {signature, sizeof signature}, {key, sizeof key}};
  for (size_t i = 0; i < 3; i++) {
    for (size_t bit = 0; bit < 8 * inputs[i].count; bit++) {
      inputs[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
      assert_false(integrity_is_signed(key, base_span_of(message, sizeof message), signature));
      inputs[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
  }
  assert_true(integrity_is_signed(key, base_span_of(message, sizeof message), signature));
}

// With the neutral element as key and as R, and S = 0, the plain equation holds for every message.
static void keys_of_small_order_are_refused(void **state) {
  (void)state;
  const uint8_t key[INTEGRITY_PUBLIC_KEY_BYTES] = {1}, signature[INTEGRITY_SIGNATURE_BYTES] = {1};
  assert_false(integrity_is_signed(key, base_span_text("anything"), signature));
}

// S + L signs the same by the plain equation: a second spelling.
static void scalars_out_of_range_are_refused(void **state) {
  (void)state;
  static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                    0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  uint8_t key[INTEGRITY_PUBLIC_KEY_BYTES], signature[INTEGRITY_SIGNATURE_BYTES];
  unhex(vectors[0].public_key, key);
  unhex(vectors[0].signature, signature);
  unsigned carry = 0;
  for (size_t i = 0; i < sizeof order; i++) {
    carry += (unsigned)signature[32 + i] + order[i];
    signature[32 + i] = (uint8_t)carry;
    carry >>= 8;
  }
  assert_false(integrity_is_signed(key, base_span_text(""), signature));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_and_signatures_are_those_of_rfc_8032),
      cmocka_unit_test(no_flipped_bit_passes),
      cmocka_unit_test(keys_of_small_order_are_refused),
      cmocka_unit_test(scalars_out_of_range_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
