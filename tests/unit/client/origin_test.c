#include "origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct client_origin origin;

static void parts_are_found_when_the_url_is_good(void **state) {
  (void)state;
  static const struct {
    const char *url;
    bool is_tls;
    const char *host, *port, *authority, *prefix;
  } good[] = {
      {"http://127.0.0.1:8080", false, "127.0.0.1", "8080", "127.0.0.1:8080", ""},
      {"https://img.example", true, "img.example", "443", "img.example", ""},
      {"https://img.example:443/", true, "img.example", "443", "img.example", ""},
      {"http://img.example:80//", false, "img.example", "80", "img.example", ""},
      {"http://a_b-c:443/base/path/", false, "a_b-c", "443", "a_b-c:443", "/base/path"},
      {"https://[::1]", true, "::1", "443", "[::1]", ""},
      {"http://[fe80::1]:8080/x", false, "fe80::1", "8080", "[fe80::1]:8080", "/x"},
  };
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
    assert_int_equal(client_origin_parse(good[i].url, &origin, NULL), BASE_OK);
    assert_int_equal(origin.is_tls, good[i].is_tls);
    assert_string_equal(origin.host, good[i].host);
    assert_string_equal(origin.port, good[i].port);
    assert_string_equal(origin.authority, good[i].authority);
    assert_string_equal(origin.prefix, good[i].prefix);
  }
}

static void url_is_refused_when_it_is_no_base_url(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "127.0.0.1:80",
                                    "ftp://a",
                                    "HTTP://a",
                                    "http:/a",
                                    "http://",
                                    "http:///x",
                                    "http://:80",
                                    "http://a:",
                                    "http://a:0",
                                    "http://a:65536",
                                    "http://a:8x",
                                    "http://u@a",
                                    "http://a b",
                                    "http://a?x=1",
                                    "http://a/x?y=1",
                                    "http://a/#f",
                                    "http://a/x y",
                                    "http://[::1",
                                    "http://[]:80",
                                    "http://[a]b",
                                    "http://[g::1]:8o",
                                    "http://::1",
                                    "http://a\r\nX: y",
                                    "http://a/\x7f",
                                    "http://caf\xc3\xa9/"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    struct base_fault fault = {0};
    if (client_origin_parse(bad[i], &origin, &fault) != BASE_BAD_INPUT) fail_msg("taken: '%s'", bad[i]);
    assert_string_equal(fault.subject, "url");
  }
}

static void url_is_refused_when_too_long(void **state) {
  (void)state;
  char url[CLIENT_MAX_URL_BYTES + 1] = "http://a/";
  memset(url + 9, 'p', CLIENT_MAX_URL_BYTES - 10);
  assert_int_equal(client_origin_parse(url, &origin, NULL), BASE_OK);
  url[CLIENT_MAX_URL_BYTES - 1] = 'p';
  assert_int_equal(client_origin_parse(url, &origin, NULL), BASE_BAD_INPUT);

  char host[300] = "http://";
  memset(host + 7, 'h', CLIENT_MAX_HOST_CHARS);
  assert_int_equal(client_origin_parse(host, &origin, NULL), BASE_OK);
  host[7 + CLIENT_MAX_HOST_CHARS] = 'h';
  assert_int_equal(client_origin_parse(host, &origin, NULL), BASE_BAD_INPUT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_are_found_when_the_url_is_good),
      cmocka_unit_test(url_is_refused_when_it_is_no_base_url),
      cmocka_unit_test(url_is_refused_when_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
