#include "http/date.h"

#include "request_text.h"

#include <time.h>

enum { NOV_1994 = 784111777 };
static const int64_t NOW = 1700000000;  // 2023-11-14

static void formats_as_imf_fixdate(void **state) {
  (void)state;
  char text[HTTP_DATE_CHARS + 1];
  http_date_format(NOV_1994, text, sizeof text);
  assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
  http_date_format(-1, text, sizeof text);
  assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
  http_date_format(INT64_MAX, text, sizeof text);
  assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void agrees_with_the_c_library_over_four_centuries(void **state) {
  (void)state;
  const int64_t step = 86399 * 7;  // drifts through all days and times
  for (int64_t second = 0; second < INT64_C(400) * 366 * 86400; second += step) {
    char ours[HTTP_DATE_CHARS + 1], theirs[64];
    time_t time = (time_t)second;
    struct tm broken;
    assert_non_null(gmtime_r(&time, &broken));
    assert_int_equal(strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &broken), HTTP_DATE_CHARS);
    http_date_format(second, ours, sizeof ours);
    assert_string_equal(ours, theirs);
    int64_t parsed;
    assert_true(http_date_parse(base_span_text(ours), NOW, &parsed));
    assert_true(parsed == second);
  }
}

static void parses_all_three_forms(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t second;
  } cases[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", NOV_1994},   {"Sunday, 06-Nov-94 08:49:37 GMT", NOV_1994},
      {"Sun Nov  6 08:49:37 1994", NOV_1994},        {"Thu Feb 29 00:00:00 2024", 1709164800},
      {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800}, {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
      {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t second = 0;
    if (!http_date_parse(base_span_text(cases[i].text), NOW, &second)) fail_msg("refused: %s", cases[i].text);
    assert_true(second == cases[i].second);
  }
}

static void puts_a_two_digit_year_at_most_50_years_ahead(void **state) {
  (void)state;
  static const struct {
    const char *text, *same;
  } cases[] = {
      {"Monday, 13-Nov-73 00:00:00 GMT", "Mon, 13 Nov 2073 00:00:00 GMT"},
      {"Monday, 15-Nov-73 00:00:00 GMT", "Mon, 15 Nov 1973 00:00:00 GMT"},
      {"Monday, 01-Jan-00 00:00:00 GMT", "Mon, 01 Jan 2000 00:00:00 GMT"},
      {"Monday, 31-Dec-99 00:00:00 GMT", "Mon, 31 Dec 1999 00:00:00 GMT"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t second, same;
    assert_true(http_date_parse(base_span_text(cases[i].text), NOW, &second));
    assert_true(http_date_parse(base_span_text(cases[i].same), NOW, &same));
    assert_true(second == same);
  }
  const int64_t in_1999 = 940000000;
  int64_t second;
  assert_true(http_date_parse(base_span_text("Monday, 01-Jan-05 00:00:00 GMT"), in_1999, &second));
  assert_true(second == 1104537600);  // 2005
}

static void refuses_everything_else(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "0",
                                      "1994-11-06T08:49:37Z",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 +0000",
                                      "sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Xyz, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 2100 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:00 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov 994 08:49:37 GMT",
                                      "Sun, 06-Nov-94 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "Sun Nov  6 08:49:37 1994 GMT"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    int64_t second;
    if (http_date_parse(base_span_text(texts[i]), NOW, &second)) fail_msg("taken: %s", texts[i]);
  }
  int64_t second;
  assert_false(http_date_parse(base_span_of(NULL, 0), NOW, &second));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formats_as_imf_fixdate),  cmocka_unit_test(agrees_with_the_c_library_over_four_centuries),
      cmocka_unit_test(parses_all_three_forms),  cmocka_unit_test(puts_a_two_digit_year_at_most_50_years_ahead),
      cmocka_unit_test(refuses_everything_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
