#include "redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char left_out[] = "(a line with a secret was left out)\n";

static void check(const char *lines, const char *wanted) {
  struct base_buffer out;
  base_buffer_init(&out, 1 << 16);
  assert_int_equal(console_redact(base_span_text(lines), &out), BASE_OK);
  assert_int_equal(out.bytes, strlen(wanted));
  assert_memory_equal(out.data, wanted, out.bytes);
  base_buffer_finish(&out);
}

static void a_line_that_tells_a_secret_is_left_out(void **state) {
  (void)state;
  static const char *const secrets[] = {
      "  token        q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA",
      "claim code K7QX-2M9P-4TRW",
      "K7QX-2M9P-4TRW",
      "GET /i/abc?w=5&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E 200",
      "Authorization: Bearer x",
      "sign_keys = hex:00112233445566778899aabbccddeeff:shop-1",
      "-----BEGIN PRIVATE KEY-----",
      "the PASSWORD is x",
      "pixpop_session=0123456789012345678901234567890123456789012",
  };
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
    char line[256];
    check(secrets[i], left_out);
    (void)strcpy(line, secrets[i]);
    (void)strcat(line, "\n");
    check(line, left_out);
  }
}

static void other_lines_stay_as_they_are(void **state) {
  (void)state;
  static const char lines[] =
      "2026-11-23T12:39:13Z info  console [0123456789abcdef] this needs the token or a session (unauthorized)\n"
      "\n"
      "the box was claimed from 192.168.1.20\n"
      "original vYawgfmXXiuDUn9x5JuScairQIhUKDlZadn32DTX8FA stored: 4352 x 2448 jpeg\n"
      "A-B-C 1234-5678 2026-11-23\n";
  check(lines, lines);
  check("no end of line", "no end of line\n");
  check("", "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_that_tells_a_secret_is_left_out),
      cmocka_unit_test(other_lines_stay_as_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
