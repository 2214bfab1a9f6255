#include "http/conditional.h"

#include <inttypes.h>

#include "request_text.h"

#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
enum { MODIFIED_S = 784111777, NOW_S = 1700000000, TOTAL = 1000 };

static const struct http_validators TAGGED = {.etag = "\"v1\"", .last_modified_s = MODIFIED_S};

// The outcome as text: "none", "unsatisfiable" or "0-1,5-9".
static void assert_ranges(const char *method, const char *fields, uint64_t total, int64_t now_s, const char *wanted) {
  struct http_request request = request_of(method, fields);
  struct http_range ranges[HTTP_MAX_RANGES];
  size_t count;
  enum http_range_kind kind = http_range_evaluate(&request, &TAGGED, total, now_s, ranges, &count);
  assert_int_equal(kind == HTTP_RANGE_SOME, count > 0);
  char text[1024] = "";
  if (kind == HTTP_RANGE_NONE) (void)snprintf(text, sizeof text, "none");
  if (kind == HTTP_RANGE_UNSATISFIABLE) (void)snprintf(text, sizeof text, "unsatisfiable");
  for (size_t i = 0, at = 0; i < count; i++) {
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "-%" PRIu64, i ? "," : "", ranges[i].first,
                           ranges[i].last);
  }
  if (strcmp(text, wanted) != 0) fail_msg("%s %s gives %s, wanted %s", method, fields, text, wanted);
}

static void assert_range(const char *value, const char *wanted) {
  char fields[512];
  (void)snprintf(fields, sizeof fields, "Range: %s\r\n", value);
  assert_ranges("GET", fields, TOTAL, NOW_S, wanted);
}

static void cuts_one_range_to_the_representation(void **state) {
  (void)state;
  assert_range("bytes=0-0", "0-0");
  assert_range("bytes=0-499", "0-499");
  assert_range("Bytes=500-", "500-999");
  assert_range("bytes=999-999", "999-999");
  assert_range("bytes=0-99999", "0-999");
  assert_range("bytes=-1", "999-999");
  assert_range("bytes=-1000", "0-999");
  assert_range("bytes=-5000", "0-999");
  assert_range("bytes=5-99999999999999999999999999", "5-999");
  assert_range("bytes=-99999999999999999999999999", "0-999");
}

static void is_unsatisfiable_when_no_byte_is_inside(void **state) {
  (void)state;
  assert_range("bytes=1000-", "unsatisfiable");
  assert_range("bytes=1000-2000", "unsatisfiable");
  assert_range("bytes=-0", "unsatisfiable");
  assert_range("bytes=99999999999999999999999999-", "unsatisfiable");
  assert_range("bytes=1000-,-0", "unsatisfiable");
  assert_range("bytes=1000-,5-5", "5-5");
  assert_ranges("GET", "Range: bytes=0-0\r\n", 0, NOW_S, "unsatisfiable");
  assert_ranges("GET", "Range: bytes=-1\r\n", 0, NOW_S, "none");
}

static void is_ignored_when_malformed(void **state) {
  (void)state;
  static const char *const values[] = {
      "",           "bytes",       "bytes=",       "bytes=,",     "bytes= ",     "bytes=a-b",
      "bytes=1",    "bytes=-",     "bytes=--1",    "bytes=1--2",  "bytes=5-4",   "bytes=0-1;2-3",
      "bytes =0-1", "bytes=+1-2",  "bytes=1 - 2",  "bytes=0-1,x", "bytes=1-2-3", "lines=0-1",
      "bytes:0-1",  "bytes=0x1-2", "bytes=0-1,5-4"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) assert_range(values[i], "none");
  assert_ranges("GET", "Range: bytes=0-1\r\nRange: bytes=2-3\r\n", TOTAL, NOW_S, "none");
  assert_ranges("GET", "", TOTAL, NOW_S, "none");
}

static void is_ignored_when_the_method_is_not_get(void **state) {
  (void)state;
  assert_ranges("HEAD", "Range: bytes=0-1\r\n", TOTAL, NOW_S, "none");
  assert_ranges("POST", "Range: bytes=0-1\r\n", TOTAL, NOW_S, "none");
}

static void keeps_the_order_of_several_ranges(void **state) {
  (void)state;
  assert_range("bytes=500-599,0-99", "500-599,0-99");
  assert_range("bytes= 0-1 ,\t4-5 , , 8-9,", "0-1,4-5,8-9");
  assert_range("bytes=-10,0-9", "990-999,0-9");
}

static void coalesces_ranges_that_touch(void **state) {
  (void)state;
  assert_range("bytes=0-9,10-19", "0-19");
  assert_range("bytes=10-19,0-9", "0-19");
  assert_range("bytes=0-9,5-19,0-0", "0-19");
  assert_range("bytes=0-9,11-19", "0-9,11-19");
  assert_range("bytes=500-509,0-9,20-29,10-19", "500-509,0-29");
  assert_range("bytes=0-9,500-509,20-29,10-19", "0-29,500-509");
  assert_range("bytes=0-9,20-29,40-49,0-", "0-999");
}

static void is_ignored_when_there_are_too_many(void **state) {
  (void)state;
  char value[512] = "bytes=";
  char wanted[512] = "";
  for (int i = 0; i < HTTP_MAX_RANGES; i++) {
    char range[32];
    (void)snprintf(range, sizeof range, "%s%d-%d", i ? "," : "", 10 * i, 10 * i);
    strcat(value, range);
    strcat(wanted, range);
  }
  assert_range(value, wanted);
  strcat(value, ",0-0");
  assert_range(value, "none");
}

static void obeys_if_range(void **state) {
  (void)state;
  static const struct {
    const char *if_range, *wanted;
  } cases[] = {
      {"\"v1\"", "0-1"},
      {"\"v0\"", "none"},
      {"W/\"v1\"", "none"},
      {"\"v1\", \"v2\"", "none"},
      {"v1", "none"},
      {"*", "none"},
      {"", "none"},
      {SAME, "0-1"},
      {"Sun Nov  6 08:49:37 1994", "0-1"},
      {"Sun, 06 Nov 1994 08:49:36 GMT", "none"},
      {"Sun, 06 Nov 1994 08:49:38 GMT", "none"},
      {"\"v1\"\r\nIf-Range: \"v1\"", "none"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char fields[256];
    (void)snprintf(fields, sizeof fields, "Range: bytes=0-1\r\nIf-Range: %s\r\n", cases[i].if_range);
    assert_ranges("GET", fields, TOTAL, NOW_S, cases[i].wanted);
  }
  assert_ranges("GET", "If-Range: \"v1\"\r\n", TOTAL, NOW_S, "none");
}

static void distrusts_an_if_range_date_within_its_own_second(void **state) {
  (void)state;
  assert_ranges("GET", "Range: bytes=0-1\r\nIf-Range: " SAME "\r\n", TOTAL, MODIFIED_S, "none");
  assert_ranges("GET", "Range: bytes=0-1\r\nIf-Range: " SAME "\r\n", TOTAL, MODIFIED_S + 1, "0-1");
}

static void survives_the_largest_total(void **state) {
  (void)state;
  assert_ranges("GET", "Range: bytes=0-0,18446744073709551614-\r\n", UINT64_MAX, NOW_S,
                "0-0,18446744073709551614-18446744073709551614");
  assert_ranges("GET", "Range: bytes=18446744073709551615-\r\n", UINT64_MAX, NOW_S, "unsatisfiable");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cuts_one_range_to_the_representation),
      cmocka_unit_test(is_unsatisfiable_when_no_byte_is_inside),
      cmocka_unit_test(is_ignored_when_malformed),
      cmocka_unit_test(is_ignored_when_the_method_is_not_get),
      cmocka_unit_test(keeps_the_order_of_several_ranges),
      cmocka_unit_test(coalesces_ranges_that_touch),
      cmocka_unit_test(is_ignored_when_there_are_too_many),
      cmocka_unit_test(obeys_if_range),
      cmocka_unit_test(distrusts_an_if_range_date_within_its_own_second),
      cmocka_unit_test(survives_the_largest_total),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
