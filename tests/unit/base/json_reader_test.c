#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum base_result parse_result(struct base_span text) {
  struct base_json *json;
  struct base_fault fault = {0};
  const enum base_result result = base_json_parse(text, &json, &fault);
  assert_int_equal(result, fault.result);
  assert_int_equal(result == BASE_OK, json != NULL);
  base_json_destroy(&json);
  return result;
}

static void values_are_found_when_the_document_is_good(void **state) {
  (void)state;
  struct base_json *json;
  const char *text =
      " {\"half\":-0.5,\"name\":\"caf\\u00e9 \\ud83d\\ude00\",\"n\":-42,\"list\":[1,\"two\",{}],\"Name\":1} \n";
  assert_int_equal(base_json_parse(base_span_text(text), &json, NULL), BASE_OK);
  const struct base_json_value *root = base_json_root(json);
  assert_true(base_json_is_object(root));
  assert_string_equal(base_json_as_string(base_json_get(root, "name")), "caf\xc3\xa9 \xf0\x9f\x98\x80");
  int64_t number;
  assert_true(base_json_as_integer(base_json_get(root, "n"), &number));
  assert_int_equal(number, -42);
  double fraction;
  assert_true(base_json_as_number(base_json_get(root, "half"), &fraction));
  assert_true(fraction == -0.5);
  const struct base_json_value *list = base_json_get(root, "list");
  assert_true(base_json_is_array(list));
  assert_int_equal(base_json_length(list), 3);
  assert_string_equal(base_json_as_string(base_json_at(list, 1)), "two");
  assert_true(base_json_is_object(base_json_at(list, 2)));
  assert_null(base_json_at(list, 3));
  assert_null(base_json_at(list, SIZE_MAX));
  assert_string_equal(base_json_key_at(root, 0), "half");
  assert_string_equal(base_json_key_at(root, 4), "Name");
  assert_null(base_json_key_at(root, 5));
  assert_null(base_json_key_at(root, SIZE_MAX));
  assert_null(base_json_key_at(list, 0));
  base_json_destroy(&json);
  assert_null(json);
  base_json_destroy(&json);
}

static void getters_say_absent_when_there_is_nothing(void **state) {
  (void)state;
  struct base_json *json;
  assert_int_equal(base_json_parse(base_span_text("[1]"), &json, NULL), BASE_OK);
  const struct base_json_value *root = base_json_root(json);
  int64_t number;
  assert_null(base_json_get(root, "x"));
  assert_null(base_json_get(NULL, "x"));
  assert_null(base_json_at(NULL, 0));
  assert_null(base_json_key_at(NULL, 0));
  assert_int_equal(base_json_length(NULL), 0);
  assert_null(base_json_as_string(NULL));
  assert_null(base_json_as_string(root));
  assert_false(base_json_as_integer(NULL, &number));
  assert_false(base_json_as_integer(root, &number));
  double fraction;
  assert_false(base_json_as_number(NULL, &fraction));
  assert_false(base_json_as_number(root, &fraction));
  assert_false(base_json_is_array(NULL));
  assert_null(base_json_root(NULL));
  base_json_destroy(&json);
}

static void integer_is_refused_when_not_exact(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is_integer;
    int64_t value;
  } cases[] = {
      {"9007199254740991", true, INT64_C(9007199254740991)},
      {"-9007199254740991", true, -INT64_C(9007199254740991)},
      {"9007199254740993", false, 0},
      {"1.5", false, 0},
      {"1e999", false, 0},
      {"1e3", true, 1000},
      {"\"1\"", false, 0},
      {"true", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct base_json *json;
    assert_int_equal(base_json_parse(base_span_text(cases[i].text), &json, NULL), BASE_OK);
    int64_t value = 0;
    assert_int_equal(base_json_as_integer(base_json_root(json), &value), cases[i].is_integer);
    assert_int_equal(value, cases[i].value);
    base_json_destroy(&json);
  }
}

static void document_is_refused_when_not_json(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      " ",
      "{",
      "[1,]",
      "{\"a\":1,}",
      "{a:1}",
      "[1] x",
      "[1][2]",
      "]",
      "\"open",
      "\"bad \\x\"",
      "\"\\",
      "\"\\u0000\"",
      "\"raw\ttab\"",
      "\"\xff\"",
      "\"\xc0\xaf\"",
      "\"\\ud800\"",
      "[1]\x01",
      "[\xc2\xa0 1]",
      "{\"a\" 1}",
      "nul",
      "'a'",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (parse_result(base_span_text(bad[i])) != BASE_BAD_INPUT) fail_msg("accepted: %s", bad[i]);
  }
  assert_int_equal(parse_result(base_span_of("[1]\0", 4)), BASE_BAD_INPUT);
  assert_int_equal(parse_result(base_span_of("\"a\0b\"", 5)), BASE_BAD_INPUT);
  assert_int_equal(parse_result(base_span_text("\"\\\\u0000\"")), BASE_OK);  // an escaped backslash, no NUL
}

static enum base_result parse_nested(size_t depth) {
  char text[2 * (BASE_JSON_MAX_DEPTH + 1)];
  memset(text, '[', depth);
  memset(text + depth, ']', depth);
  return parse_result(base_span_of(text, 2 * depth));
}

static void depth_is_limited(void **state) {
  (void)state;
  assert_int_equal(parse_nested(BASE_JSON_MAX_DEPTH), BASE_OK);
  assert_int_equal(parse_nested(BASE_JSON_MAX_DEPTH + 1), BASE_BAD_INPUT);
}

static void size_is_limited(void **state) {
  (void)state;
  char *text = malloc(BASE_JSON_MAX_BYTES + 1);
  assert_non_null(text);
  memset(text, 'x', BASE_JSON_MAX_BYTES + 1);
  text[0] = '"';
  text[BASE_JSON_MAX_BYTES - 1] = '"';
  assert_int_equal(parse_result(base_span_of(text, BASE_JSON_MAX_BYTES)), BASE_OK);
  text[BASE_JSON_MAX_BYTES - 1] = 'x';
  text[BASE_JSON_MAX_BYTES] = '"';
  assert_int_equal(parse_result(base_span_of(text, BASE_JSON_MAX_BYTES + 1)), BASE_TOO_LARGE);
  free(text);
}

static void number_of_values_is_limited(void **state) {
  (void)state;
  const size_t values = BASE_JSON_MAX_VALUES + 1;
  char *text = malloc(2 * values + 1);
  assert_non_null(text);
  text[0] = '[';
  for (size_t i = 0; i < values; i++) memcpy(text + 1 + 2 * i, "1,", 2);
  text[2 * values] = ']';
  assert_int_equal(parse_result(base_span_of(text, 2 * values + 1)), BASE_TOO_LARGE);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_found_when_the_document_is_good),
      cmocka_unit_test(getters_say_absent_when_there_is_nothing),
      cmocka_unit_test(integer_is_refused_when_not_exact),
      cmocka_unit_test(document_is_refused_when_not_json),
      cmocka_unit_test(depth_is_limited),
      cmocka_unit_test(size_is_limited),
      cmocka_unit_test(number_of_values_is_limited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
