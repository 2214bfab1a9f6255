#include "integrity/sha1.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

static void expect(struct base_span bytes, size_t step, const char *hex) {
  struct integrity_sha1 hash;
  uint8_t digest[INTEGRITY_SHA1_BYTES];
  char text[2 * INTEGRITY_SHA1_BYTES + 1];
  integrity_sha1_init(&hash);
  for (size_t at = 0; at < bytes.bytes; at += step) integrity_sha1_update(&hash, base_span_slice(bytes, at, step));
  integrity_sha1_finish(&hash, digest);
  base_hex_encode(base_span_of(digest, sizeof digest), text, sizeof text);
  assert_string_equal(text, hex);
}

// FIPS 180-4's examples, and the empty message.
static void agrees_with_the_standard_however_the_bytes_come(void **state) {
  (void)state;
  static const struct {
    const char *text, *hex;
  } table[] = {
      {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    for (size_t step = 1; step < 64; step += 7) expect(base_span_text(table[i].text), step, table[i].hex);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_standard_however_the_bytes_come)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
