// MD5 against RFC 1321, appendix A.5.
#include "integrity/md5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"

static void digest_is_that_of_the_rfc_however_it_is_cut(void **state) {
  static const struct {
    const char *message, *hex;
  } vectors[] = {
      {"", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "0cc175b9c0f1b6a831c399e269772661"},
      {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "57edf4a22be3c955ac49da2e2107b67a"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    const struct base_span whole = base_span_text(vectors[i].message);
    for (size_t cut = 0; cut <= whole.bytes; cut++) {
      const struct base_span pieces[] = {base_span_slice(whole, 0, cut), base_span_of(NULL, 0),
                                         base_span_slice(whole, cut, whole.bytes)};
      uint8_t md5[INTEGRITY_MD5_BYTES];
      char hex[2 * INTEGRITY_MD5_BYTES + 1];
      integrity_md5_pieces(pieces, 3, md5);
      base_hex_encode(base_span_of(md5, sizeof md5), hex, sizeof hex);
      assert_string_equal(hex, vectors[i].hex);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(digest_is_that_of_the_rfc_however_it_is_cut)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
