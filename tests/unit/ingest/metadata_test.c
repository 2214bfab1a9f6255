#include "ingest/ingest.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_name_and_tags(void **state) {
  (void)state;
  static const struct {
    const char *json, *name, *tags;
  } table[] = {
      {"{}", "", ""},
      {"{\"name\":\"Dusk\"}", "Dusk", ""},
      {" { \"tags\" : [ \"sea\" , \"r\xc3\xbcgen\" ] , \"name\" : \"a \\\"b\\\" : c\" } ", "a \"b\" : c",
       "sea\nr\xc3\xbcgen"},
      {"{\"name\":\"\\u00e9\\ud83d\\ude00\",\"tags\":[]}", "\xc3\xa9\xf0\x9f\x98\x80", ""},
      {"{\"name\":\"x{y}[z],\\\\\"}", "x{y}[z],\\", ""},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct ingest_metadata metadata;
    struct base_fault fault = {0};
    enum base_result result = ingest_metadata_parse(base_span_text(table[i].json), &metadata, &fault);
    if (result != BASE_OK) fail_msg("%s: %s", table[i].json, fault.text);
    assert_string_equal(metadata.name, table[i].name);
    assert_string_equal(metadata.tags, table[i].tags);
  }
}

static void expect_refusal(const char *json, const char *subject) {
  struct ingest_metadata metadata;
  struct base_fault fault = {0};
  enum base_result result = ingest_metadata_parse(base_span_text(json), &metadata, &fault);
  if (result != BASE_BAD_INPUT) fail_msg("%s gave %s", json, base_result_name(result));
  if (subject && strcmp(fault.subject, subject) != 0) fail_msg("%s: subject %s", json, fault.subject);
}

static void refuses_what_breaks_the_rules(void **state) {
  (void)state;
  static const struct {
    const char *json, *subject;
  } table[] = {
      {"", NULL},
      {"{", NULL},
      {"[]", "metadata"},
      {"\"name\"", "metadata"},
      {"{\"name\":1}", "name"},
      {"{\"name\":null}", "name"},
      {"{\"name\":\"a\\nb\"}", "name"},
      {"{\"name\":\"\\u0085\"}", "name"},
      {"{\"name\":\"\\u007f\"}", "name"},
      {"{\"tags\":\"sea\"}", "tags"},
      {"{\"tags\":[1]}", "tags"},
      {"{\"tags\":[\"\"]}", "tags"},
      {"{\"tags\":[\"a\\nb\"]}", "tags"},
      {"{\"tags\":{}}", "tags"},
      {"{\"title\":\"x\"}", "metadata"},
      {"{\"name\":\"a\",\"name\":\"b\"}", "metadata"},
      {"{\"\":1}", "metadata"},
      {"{\"name\":\"a\" , \"extra\" : {\"name\":1}}", "metadata"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) expect_refusal(table[i].json, table[i].subject);
}

static void names_the_unknown_member(void **state) {
  (void)state;
  struct ingest_metadata metadata;
  struct base_fault fault = {0};
  struct base_span json = base_span_text("{\"name\":\"a\",\"title\":\"b\"}");
  assert_int_equal(ingest_metadata_parse(json, &metadata, &fault), BASE_BAD_INPUT);
  assert_non_null(strstr(fault.text, "\"title\""));
}

static void bounds_name_and_tags(void **state) {
  (void)state;
  char json[8192], text[400];
  memset(text, 'a', sizeof text);
  text[256] = '\0';
  snprintf(json, sizeof json, "{\"name\":\"%s\"}", text);
  expect_refusal(json, "name");
  text[65] = '\0';
  snprintf(json, sizeof json, "{\"tags\":[\"%s\"]}", text);
  expect_refusal(json, "tags");

  size_t length = (size_t)snprintf(json, sizeof json, "{\"tags\":[\"a\"");
  for (int i = 0; i < INGEST_MAX_TAGS; i++) length += (size_t)snprintf(json + length, sizeof json - length, ",\"a\"");
  snprintf(json + length, sizeof json - length, "]}");
  expect_refusal(json, "tags");

  text[64] = '\0';
  length = (size_t)snprintf(json, sizeof json, "{\"tags\":[\"%s\"", text);
  for (int i = 0; i < 16; i++) length += (size_t)snprintf(json + length, sizeof json - length, ",\"%s\"", text);
  snprintf(json + length, sizeof json - length, "]}");
  expect_refusal(json, "tags");
}

static void refuses_file_names_that_are_not_utf8(void **state) {
  (void)state;
  static const char *const names[] = {"\xff",     "\xc3",  "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe2\x82", "a\x01", "\xc2\x9b"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct ingest_metadata metadata = {0};
    assert_int_equal(ingest_metadata_set_name(&metadata, base_span_text(names[i]), NULL), BASE_BAD_INPUT);
  }
  struct ingest_metadata metadata = {0};
  assert_int_equal(ingest_metadata_set_name(&metadata, base_span_text("\xf4\x8f\xbf\xbf \xed\x9f\xbf"), NULL), BASE_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_name_and_tags),
      cmocka_unit_test(refuses_what_breaks_the_rules),
      cmocka_unit_test(names_the_unknown_member),
      cmocka_unit_test(bounds_name_and_tags),
      cmocka_unit_test(refuses_file_names_that_are_not_utf8),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
