#include "certificate_alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DAY_S = 24 * 60 * 60, YEAR_DAYS = 365 };

// From day 0 on for a year, for img.example.com, with its issuer.
static struct tls_about made(void) {
  return (struct tls_about){.not_after_s = (int64_t)YEAR_DAYS * DAY_S,
                            .issuer = "CN=An issuer",
                            .names = {"img.example.com"},
                            .name_count = 1,
                            .chain_count = 2};
}
static int64_t day(int number) { return (int64_t)number * DAY_S; }

// --- when the log is told ---

static void its_end_is_told_once_a_day(void **state) {
  (void)state;
  const struct tls_about about = made();
  char text[TLS_ENDING_CHARS + 1];
  int64_t told_day = 0;
  assert_false(certificate_alert_is_due(&about, day(300), false, &told_day, text));
  assert_int_equal(told_day, 0);
  unsigned lines = 0;
  for (int hour = 0; hour < 24 * 10; hour++) {  // a look an hour, over ten days
    const int64_t now_s = day(350) + hour * 3600;
    if (!certificate_alert_is_due(&about, now_s, false, &told_day, text)) continue;
    assert_int_equal(hour % 24, 0);
    assert_non_null(strstr(text, "it ends on 1971-01-01"));
    lines++;
  }
  assert_int_equal(lines, 10);
}

static void its_end_is_told_again_when_it_is_read_again(void **state) {
  (void)state;
  const struct tls_about about = made();
  char text[TLS_ENDING_CHARS + 1];
  int64_t told_day = 0;
  assert_true(certificate_alert_is_due(&about, day(360), true, &told_day, text));
  assert_true(certificate_alert_is_due(&about, day(360) + 60, true, &told_day, text));
  assert_false(certificate_alert_is_due(&about, day(360) + 120, false, &told_day, text));
  assert_true(certificate_alert_is_due(&about, day(361), false, &told_day, text));
}

static void it_is_told_after_its_end_too(void **state) {
  (void)state;
  const struct tls_about about = made();
  char text[TLS_ENDING_CHARS + 1];
  int64_t told_day = 0;
  assert_true(certificate_alert_is_due(&about, day(400), false, &told_day, text));
  assert_non_null(strstr(text, "it has ended"));
}

static void one_that_has_long_is_not_told_of_even_when_it_is_read(void **state) {
  (void)state;
  const struct tls_about about = made();
  char text[TLS_ENDING_CHARS + 1];
  int64_t told_day = 0;
  assert_false(certificate_alert_is_due(&about, day(10), true, &told_day, text));
}

// --- what is wrong with it ---

static size_t warnings_of(struct tls_about about, enum console_certificate_source source, const char *public_url,
                          int64_t now_s) {
  static struct console_certificate_state shown;
  memset(&shown, 0xff, sizeof(shown));
  shown.about = about;
  shown.source = source;
  certificate_alert_fill(&shown, public_url, now_s);
  assert_true(shown.warning_count <= CONSOLE_MAX_WARNINGS);
  return shown.warning_count;
}

static void another_host_is_warned_of_where_visitors_see_the_certificate(void **state) {
  (void)state;
  const enum console_certificate_source given = CONSOLE_CERTIFICATE_GIVEN;
  const int64_t now_s = day(10);
  assert_int_equal(warnings_of(made(), given, "https://img.example.com", now_s), 0);
  assert_int_equal(warnings_of(made(), given, "https://IMG.example.com:8443/x", now_s), 0);
  assert_int_equal(warnings_of(made(), given, "https://other.example.com", now_s), 1);
  assert_int_equal(warnings_of(made(), given, "HTTPS://other.example.com", now_s), 1);
  assert_int_equal(warnings_of(made(), CONSOLE_CERTIFICATE_NAMED, "https://other.example.com", now_s), 1);
  assert_int_equal(warnings_of(made(), given, "http://other.example.com", now_s), 0);
  assert_int_equal(warnings_of(made(), given, NULL, now_s), 0);
  assert_int_equal(warnings_of(made(), CONSOLE_CERTIFICATE_MADE, "https://other.example.com", now_s), 0);
  assert_int_equal(warnings_of(made(), given, "https://other.example.com", day(360)), 2);
  struct tls_about many = made();
  many.more_names = 1;
  assert_int_equal(warnings_of(many, given, "https://other.example.com", now_s), 0);
}

static void missing_issuers_are_advice_and_no_warning(void **state) {
  (void)state;
  static struct console_certificate_state shown;
  shown.source = CONSOLE_CERTIFICATE_GIVEN;
  shown.about = made();
  shown.about.chain_count = 1;
  certificate_alert_fill(&shown, NULL, day(10));
  assert_int_equal(shown.warning_count, 0);
  assert_string_equal(
      shown.advice,
      "it came without the certificates of its issuer (CN=An issuer): clients that do not know that one refuse it");
  shown.about.is_self_signed = true;
  certificate_alert_fill(&shown, NULL, day(10));
  assert_string_equal(shown.advice, "");
  shown.about = made();
  certificate_alert_fill(&shown, NULL, day(10));
  assert_string_equal(shown.advice, "");
}

static void one_of_the_box_is_outdated_when_it_ends_or_misses_the_host(void **state) {
  (void)state;
  const struct tls_about about = made();
  assert_false(certificate_alert_is_outdated(&about, "https://img.example.com", day(10)));
  assert_false(certificate_alert_is_outdated(&about, NULL, day(10)));
  assert_true(certificate_alert_is_outdated(&about, "https://img.example.com", day(360)));
  assert_true(certificate_alert_is_outdated(&about, "http://box.local", day(10)));
}

static void the_host_of_a_url_is_found(void **state) {
  (void)state;
  static const struct {
    const char *url, *host;
  } cases[] = {{"https://a.example", "a.example"},
               {"http://a.example:80", "a.example"},
               {"https://a.example/x:1", "a.example"},
               {"https://[::1]:8443", "::1"},
               {"https://10.0.0.1:1", "10.0.0.1"},
               {"https://", NULL},
               {"a.example", NULL},
               {NULL, NULL}};
  char host[TLS_NAME_CHARS + 1];
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    assert_int_equal(certificate_alert_host(cases[i].url, host), cases[i].host != NULL);
    if (cases[i].host) assert_string_equal(host, cases[i].host);
  }
  char url[TLS_NAME_CHARS + 16];
  (void)snprintf(url, sizeof(url), "https://%0*d", TLS_NAME_CHARS, 1);
  assert_true(certificate_alert_host(url, host));
  (void)snprintf(url, sizeof(url), "https://%0*d", TLS_NAME_CHARS + 1, 1);
  assert_false(certificate_alert_host(url, host));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(its_end_is_told_once_a_day),
      cmocka_unit_test(its_end_is_told_again_when_it_is_read_again),
      cmocka_unit_test(it_is_told_after_its_end_too),
      cmocka_unit_test(one_that_has_long_is_not_told_of_even_when_it_is_read),
      cmocka_unit_test(another_host_is_warned_of_where_visitors_see_the_certificate),
      cmocka_unit_test(missing_issuers_are_advice_and_no_warning),
      cmocka_unit_test(one_of_the_box_is_outdated_when_it_ends_or_misses_the_host),
      cmocka_unit_test(the_host_of_a_url_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
