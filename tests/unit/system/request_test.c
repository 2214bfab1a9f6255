#include "request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum base_result parse(const char *line, struct request *out, struct base_fault *fault) {
  return request_parse(base_span_text(line), out, fault);
}

static void every_request_is_known(void **state) {
  (void)state;
  static const struct {
    const char *line;
    enum request_do what;
  } cases[] = {{"{\"do\":\"status\"}", REQUEST_STATUS},
               {" { \"do\" : \"install\" } ", REQUEST_INSTALL},
               {"{\"slot\":\"A\",\"do\":\"choose\"}", REQUEST_CHOOSE},
               {"{\"do\":\"reboot\"}", REQUEST_REBOOT},
               {"{\"do\":\"poweroff\"}", REQUEST_POWEROFF},
               {"{\"do\":\"rescue\"}", REQUEST_RESCUE},
               {"{\"do\":\"factory-reset\"}", REQUEST_FACTORY_RESET},
               {"{\"do\":\"network\"}", REQUEST_NETWORK}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct request request;
    assert_int_equal(parse(cases[i].line, &request, NULL), BASE_OK);
    assert_int_equal(request.what, cases[i].what);
    assert_non_null(strstr(cases[i].line, request_name(request.what)));
    assert_false(request.allows_older || request.has_text);
  }
}

static void what_comes_with_a_request_is_taken(void **state) {
  (void)state;
  struct request request;
  assert_int_equal(parse("{\"do\":\"install\",\"older\":true}", &request, NULL), BASE_OK);
  assert_true(request.allows_older);
  assert_int_equal(parse("{\"do\":\"install\",\"older\":false}", &request, NULL), BASE_OK);
  assert_false(request.allows_older);
  assert_int_equal(parse("{\"do\":\"choose\",\"slot\":\"B\"}", &request, NULL), BASE_OK);
  assert_int_equal(request.slot, SLOTS_B);
  assert_int_equal(parse("{\"do\":\"network\",\"text\":\"a\\n\\tb\"}", &request, NULL), BASE_OK);
  assert_true(request.has_text);
  assert_string_equal(request.text, "a\n\tb");
  assert_int_equal(parse("{\"do\":\"network\",\"text\":\"\"}", &request, NULL), BASE_OK);
  assert_true(request.has_text);
}

static void what_is_no_request_is_refused(void **state) {
  (void)state;
  static const char *const lines[] = {"",
                                      "status",
                                      "null",
                                      "[\"status\"]",
                                      "{}",
                                      "{\"do\":null}",
                                      "{\"do\":\"\"}",
                                      "{\"do\":\"Status\"}",
                                      "{\"Do\":\"status\"}",
                                      "{\"do\":\"status\"",
                                      "{\"do\":\"status\"}{}",
                                      "{\"do\":\"status\",\"do\":\"status\"}",
                                      "{\"do\":\"reboot\",\"now\":true}",
                                      "{\"do\":\"status\",\"slot\":\"A\"}",
                                      "{\"do\":\"install\",\"slot\":\"A\"}",
                                      "{\"do\":\"install\",\"older\":1}",
                                      "{\"do\":\"install\",\"older\":\"true\"}",
                                      "{\"do\":\"install\",\"older\":[]}",
                                      "{\"do\":\"install\",\"older\":{}}",
                                      "{\"do\":\"choose\"}",
                                      "{\"do\":\"choose\",\"slot\":\"a\"}",
                                      "{\"do\":\"choose\",\"slot\":\"AB\"}",
                                      "{\"do\":\"choose\",\"slot\":1}",
                                      "{\"do\":\"network\",\"text\":null}",
                                      "{\"do\":\"network\",\"text\":\"\\u001b[2J\"}",
                                      "{\"do\":\"network\",\"text\":\"\\u007f\"}",
                                      "{\"do\":\"network\",\"text\":\"a\\u0000b\"}",
                                      "{\"do\":\"network\",\"text\":\"a\rb\"}"};
  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
    struct request request;
    struct base_fault fault = {0};
    assert_int_equal(parse(lines[i], &request, &fault), BASE_BAD_INPUT);
    assert_true(fault.text[0] != '\0');
  }
}

static void a_text_longer_than_any_line_is_refused(void **state) {
  (void)state;
  struct request request;
  struct base_buffer line;
  base_buffer_init(&line, 3 * UPDATE_AGENT_MAX_LINE);
  assert_int_equal(base_buffer_append_text(&line, "{\"do\":\"network\",\"text\":\""), BASE_OK);
  for (int i = 0; i < UPDATE_AGENT_MAX_LINE; i++) assert_int_equal(base_buffer_append_text(&line, "x"), BASE_OK);
  assert_int_equal(base_buffer_append_text(&line, "\"}"), BASE_OK);
  assert_int_equal(request_parse(base_buffer_span(&line), &request, NULL), BASE_BAD_INPUT);
  base_buffer_finish(&line);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_request_is_known),
      cmocka_unit_test(what_comes_with_a_request_is_taken),
      cmocka_unit_test(what_is_no_request_is_refused),
      cmocka_unit_test(a_text_longer_than_any_line_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
