#include "request_text.h"

static void finds_the_first_field_whatever_its_case(void **state) {
  (void)state;
  struct http_request request = request_of("GET", "X-One: 1\r\nx-one: 2\r\nX-On: 3\r\n");
  assert_span(http_request_header(&request, "x-ONE")->value, "1");
  assert_null(http_request_header(&request, "X-O"));
}

static void joins_all_values_of_a_name(void **state) {
  (void)state;
  struct http_request request = request_of("GET", "Accept: a\r\nX: y\r\naccept: b;q=1, c\r\nEmpty:\r\n");
  char text[32];
  assert_int_equal(http_request_joined(&request, "Accept", text, sizeof text), BASE_OK);
  assert_string_equal(text, "a, b;q=1, c");
  assert_int_equal(http_request_joined(&request, "Empty", text, sizeof text), BASE_OK);
  assert_string_equal(text, "");
  assert_int_equal(http_request_joined(&request, "Absent", text, sizeof text), BASE_NOT_FOUND);
  assert_string_equal(text, "");
}

static void joins_only_what_fits(void **state) {
  (void)state;
  struct http_request request = request_of("GET", "A: 12\r\nA: 345\r\n");
  char text[sizeof "12, 345"];
  assert_int_equal(http_request_joined(&request, "A", text, sizeof text), BASE_OK);
  assert_string_equal(text, "12, 345");
  assert_int_equal(http_request_joined(&request, "A", text, sizeof text - 1), BASE_TOO_LARGE);
  assert_string_equal(text, "12");
  assert_int_equal(http_request_joined(&request, "A", text, 1), BASE_TOO_LARGE);
  assert_string_equal(text, "");
}

static void routes_to_the_first_match(void **state) {
  (void)state;
  const struct http_route routes[] = {{.path = "/healthz"}, {.path = "/i/"}, {.path = "/i/x"}, {.path = "/"}};
  static const struct {
    const char *path;
    size_t route;
  } cases[] = {{"/healthz", 0}, {"/healthz/", 3}, {"/i/", 1}, {"/i/x", 1}, {"/i", 3}, {"/", 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct http_handler *found = http_route_find(routes, 4, base_span_text(cases[i].path));
    if (found != &routes[cases[i].route].handler) fail_msg("wrong route for %s", cases[i].path);
  }
  assert_null(http_route_find(routes, 3, base_span_text("/i")));
  assert_null(http_route_find(routes, 4, base_span_text("*")));
  assert_null(http_route_find(NULL, 0, base_span_text("/")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_first_field_whatever_its_case),
      cmocka_unit_test(joins_all_values_of_a_name),
      cmocka_unit_test(joins_only_what_fits),
      cmocka_unit_test(routes_to_the_first_match),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
