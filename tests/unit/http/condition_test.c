#include "http/conditional.h"

#include "request_text.h"

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"
enum { MODIFIED_S = 784111777, NOW_S = 1700000000 };

static const struct http_validators TAGGED = {.etag = "\"v1\"", .last_modified_s = MODIFIED_S};

struct expectation {
  const char *fields;
  enum http_condition condition;
};

static void assert_conditions(const char *method, const struct http_validators *validators,
                              const struct expectation *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct http_request request = request_of(method, cases[i].fields);
    enum http_condition condition = http_condition_evaluate(&request, validators, NOW_S);
    if (condition != cases[i].condition) fail_msg("%s gives %d for: %s", method, condition, cases[i].fields);
  }
}
#define ASSERT_CONDITIONS(method, validators, cases) \
  assert_conditions(method, validators, cases, sizeof cases / sizeof *cases)

static void compares_entity_tags_as_their_field_says(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      {"", HTTP_CONDITION_PROCEED},
      {"If-Match: \"v1\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: *\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: \"v0\" , \"v1\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: \"v0\"\r\nif-match: \"v1\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: ,, \"v1\",\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: \"v0\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"V1\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: W/\"v1\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Match:\r\n", HTTP_CONDITION_FAILED},
      {"If-None-Match: \"v1\"\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-None-Match: W/\"v1\"\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-None-Match: *\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-None-Match: \"a,b\", \"v1\"\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-None-Match: \"a, \"v1\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-None-Match: \"v0\"\r\n", HTTP_CONDITION_PROCEED},
  };
  ASSERT_CONDITIONS("GET", &TAGGED, cases);
  ASSERT_CONDITIONS("HEAD", &TAGGED, cases);
}

static void never_matches_a_malformed_list(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      {"If-Match: v1\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"v1\" \"v1\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"v1\", *\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"v1\", w/\"x\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"v1\"\r\nIf-Match: oops\r\n", HTTP_CONDITION_FAILED},
      {"If-None-Match: v1\r\n", HTTP_CONDITION_PROCEED},
      {"If-None-Match: \"v1\r\n", HTTP_CONDITION_PROCEED},
      {"If-None-Match: \"v1\", x\r\n", HTTP_CONDITION_PROCEED},
      {"If-None-Match: *, \"v1\"\r\n", HTTP_CONDITION_PROCEED},
  };
  ASSERT_CONDITIONS("GET", &TAGGED, cases);
}

static void compares_dates_to_the_second(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      {"If-Modified-Since: " BEFORE "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Modified-Since: " SAME "\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-Modified-Since: " AFTER "\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-Unmodified-Since: " BEFORE "\r\n", HTTP_CONDITION_FAILED},
      {"If-Unmodified-Since: " SAME "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Unmodified-Since: " AFTER "\r\n", HTTP_CONDITION_PROCEED},
  };
  ASSERT_CONDITIONS("GET", &TAGGED, cases);
}

static void ignores_dates_that_say_nothing(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      {"If-Modified-Since: yesterday\r\n", HTTP_CONDITION_PROCEED},
      {"If-Modified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Unmodified-Since: 0\r\n", HTTP_CONDITION_PROCEED},
  };
  ASSERT_CONDITIONS("GET", &TAGGED, cases);
  static const struct expectation undated[] = {
      {"If-Modified-Since: " AFTER "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Unmodified-Since: " BEFORE "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: *\r\n", HTTP_CONDITION_PROCEED},
      {"If-Match: \"v1\"\r\n", HTTP_CONDITION_FAILED},
  };
  const struct http_validators none = {.etag = NULL, .last_modified_s = -1};
  ASSERT_CONDITIONS("GET", &none, undated);
}

static void evaluates_in_the_order_of_rfc_9110(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      // If-Match decides over If-Unmodified-Since.
      {"If-Unmodified-Since: " BEFORE "\r\nIf-Match: \"v1\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-Unmodified-Since: " AFTER "\r\nIf-Match: \"v0\"\r\n", HTTP_CONDITION_FAILED},
      // If-None-Match decides over If-Modified-Since, also when it is malformed.
      {"If-Modified-Since: " AFTER "\r\nIf-None-Match: \"v0\"\r\n", HTTP_CONDITION_PROCEED},
      {"If-Modified-Since: " BEFORE "\r\nIf-None-Match: \"v1\"\r\n", HTTP_CONDITION_NOT_MODIFIED},
      {"If-Modified-Since: " AFTER "\r\nIf-None-Match: v0\r\n", HTTP_CONDITION_PROCEED},
      // The 412 group comes before the 304 group.
      {"If-None-Match: \"v1\"\r\nIf-Match: \"v0\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Modified-Since: " AFTER "\r\nIf-Unmodified-Since: " BEFORE "\r\n", HTTP_CONDITION_FAILED},
      {"If-Match: \"v1\"\r\nIf-None-Match: \"v1\"\r\n", HTTP_CONDITION_NOT_MODIFIED},
  };
  ASSERT_CONDITIONS("GET", &TAGGED, cases);
}

static void answers_412_instead_of_304_when_the_method_writes(void **state) {
  (void)state;
  static const struct expectation cases[] = {
      {"If-None-Match: *\r\n", HTTP_CONDITION_FAILED},
      {"If-None-Match: \"v1\"\r\n", HTTP_CONDITION_FAILED},
      {"If-Modified-Since: " AFTER "\r\n", HTTP_CONDITION_PROCEED},
      {"If-Unmodified-Since: " BEFORE "\r\n", HTTP_CONDITION_FAILED},
  };
  ASSERT_CONDITIONS("PUT", &TAGGED, cases);
  ASSERT_CONDITIONS("DELETE", &TAGGED, cases);
  static const struct expectation ignored[] = {{"If-None-Match: *\r\n", HTTP_CONDITION_PROCEED},
                                               {"If-Match: \"v0\"\r\n", HTTP_CONDITION_PROCEED}};
  ASSERT_CONDITIONS("OPTIONS", &TAGGED, ignored);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compares_entity_tags_as_their_field_says),
      cmocka_unit_test(never_matches_a_malformed_list),
      cmocka_unit_test(compares_dates_to_the_second),
      cmocka_unit_test(ignores_dates_that_say_nothing),
      cmocka_unit_test(evaluates_in_the_order_of_rfc_9110),
      cmocka_unit_test(answers_412_instead_of_304_when_the_method_writes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
