#include "http/query.h"

#include "request_text.h"

static struct http_query query;

static void assert_pair(size_t i, const char *name, const char *value) {
  assert_true(i < query.count);
  assert_span(query.pairs[i].name, name);
  assert_span(query.pairs[i].value, value);
}

static void splits_pairs_in_their_order(void **state) {
  (void)state;
  assert_int_equal(http_query_parse(base_span_text("w=100&h=2&w=1.5&crop=1,2,3,4&fm="), &query, NULL), BASE_OK);
  assert_int_equal(query.count, 5);
  assert_pair(0, "w", "100");
  assert_pair(2, "w", "1.5");
  assert_pair(3, "crop", "1,2,3,4");
  assert_pair(4, "fm", "");
}

static void decodes_escapes_once(void **state) {
  (void)state;
  assert_int_equal(http_query_parse(base_span_text("%77=%31%2c%2C2&a_b-9=A%2dZ"), &query, NULL), BASE_OK);
  assert_pair(0, "w", "1,,2");
  assert_pair(1, "a_b-9", "A-Z");
  assert_int_equal(http_query_parse(base_span_text("w=%2531"), &query, NULL), BASE_BAD_INPUT);
}

static void has_no_pairs_when_empty(void **state) {
  (void)state;
  query.count = 7;
  assert_int_equal(http_query_parse(base_span_text(""), &query, NULL), BASE_OK);
  assert_int_equal(query.count, 0);
  assert_int_equal(http_query_parse(base_span_of(NULL, 0), &query, NULL), BASE_OK);
  assert_int_equal(query.count, 0);
}

static void names_the_pair_that_is_wrong(void **state) {
  (void)state;
  static const struct {
    const char *text, *subject;
  } cases[] = {
      {"w=1&h", "h"},    {"w=%", "w"},          {"w=%3", "w"},    {"w=%zz", "w"},   {"w=%3g", "w"},
      {"w=1+2", "w"},    {"w=a b", "w"},        {"w=a=b", "w"},   {"w=1;h=2", "w"}, {"w=%00", "w"},
      {"w=%26", "w"},    {"w=%ff", "w"},        {"w=/", "w"},     {"w=~", "w"},     {"W=1", "W"},
      {"%57=1", "%57"},  {"a.b=1", "a.b"},      {"w%=1", "w%"},   {"=1", "query"},  {"w=1&", "query"},
      {"&w=1", "query"}, {"w=1&&h=2", "query"}, {"a b=1", "a?b"}, {"a\n=1", "a?"},  {"\xc3\xa4=1", "??"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct base_fault fault = {0};
    enum base_result result = http_query_parse(base_span_text(cases[i].text), &query, &fault);
    if (result != BASE_BAD_INPUT) fail_msg("taken: %s", cases[i].text);
    assert_int_equal(fault.result, BASE_BAD_INPUT);
    assert_string_equal(fault.subject, cases[i].subject);
  }
}

static void refuses_pairs_only_when_too_many(void **state) {
  (void)state;
  char text[4 * (HTTP_MAX_QUERY_PAIRS + 1) + 1] = "";
  for (int i = 0; i < HTTP_MAX_QUERY_PAIRS; i++) strcat(text, i ? "&w=1" : "w=1");
  assert_int_equal(http_query_parse(base_span_text(text), &query, NULL), BASE_OK);
  assert_int_equal(query.count, HTTP_MAX_QUERY_PAIRS);
  strcat(text, "&h=1");
  struct base_fault fault = {0};
  assert_int_equal(http_query_parse(base_span_text(text), &query, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "h");
}

static void refuses_bytes_only_when_too_many(void **state) {
  (void)state;
  char text[HTTP_MAX_QUERY_BYTES + 1];
  memset(text, 'a', sizeof text);
  text[1] = '=';
  assert_int_equal(http_query_parse(base_span_of(text, HTTP_MAX_QUERY_BYTES), &query, NULL), BASE_OK);
  assert_int_equal(query.pairs[0].value.bytes, HTTP_MAX_QUERY_BYTES - 2);
  assert_int_equal(http_query_parse(base_span_of(text, sizeof text), &query, NULL), BASE_BAD_INPUT);
}

static void cuts_a_subject_that_is_too_long(void **state) {
  (void)state;
  char text[200];
  memset(text, 'a', sizeof text);
  struct base_fault fault = {0};
  assert_int_equal(http_query_parse(base_span_of(text, sizeof text), &query, &fault), BASE_BAD_INPUT);
  assert_int_equal(strlen(fault.subject), BASE_FAULT_SUBJECT_BYTES - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(splits_pairs_in_their_order),      cmocka_unit_test(decodes_escapes_once),
      cmocka_unit_test(has_no_pairs_when_empty),          cmocka_unit_test(names_the_pair_that_is_wrong),
      cmocka_unit_test(refuses_pairs_only_when_too_many), cmocka_unit_test(refuses_bytes_only_when_too_many),
      cmocka_unit_test(cuts_a_subject_that_is_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
